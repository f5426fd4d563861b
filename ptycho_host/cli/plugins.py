"""`ptycho plugins`: what is installed, what it can be told, and what is broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ptycho_host.cli.console import host_of, warn_of_problems
from ptycho_host.components import Generator
from ptycho_host.errors import BrokenComponentError

if TYPE_CHECKING:
    from ptycho_host.plugins import Host, Problem, Registration

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="What is installed: list, show, doctor.",
)


@app.command("list")
def list_components(
    ctx: typer.Context,
    kind: Annotated[str | None, typer.Option(help="Only components of this kind.", metavar="KIND")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """List all installed components; nothing of them is imported."""
    host = host_of(ctx)
    warn_of_problems(host)
    if kind is not None:
        _check_kind(host, kind)
    entries = host.registrations(kind)
    if as_json:
        import json

        typer.echo(json.dumps(_as_json(host, entries), indent=2))
        return
    rows = [
        (
            entry.component.kind,
            entry.component.name,
            entry.component.backend or "any",
            entry.distribution,
            entry.component.summary,
        )
        for entry in entries
    ]
    _print_columns([("kind", "name", "back-end", "distribution", "summary"), *rows])
    _say_what_is_missing(host, kind)


@app.command()
def show(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(help="Kind, such as generator.")],
    name: Annotated[str, typer.Argument(help="Name, or distribution:name.")],
    backend: Annotated[str | None, typer.Option(help="Which twin, when several back-ends have it.")] = None,
) -> None:
    """Show a component and its options: name, type, default, bounds, description."""
    from rich.table import Table

    from ptycho_host.cli.console import console
    from ptycho_host.options import OptionSchema

    host = host_of(ctx)
    warn_of_problems(host)
    twins = host.named(kind, name)
    chosen = [host.find(kind, name, backend)] if backend is not None else twins
    out = console()
    for entry in chosen:
        out.print(f"{kind} {entry.component.name} ({entry.component.backend or 'any back-end'})", style="bold")
        out.print(f"{entry.component.summary}\nfrom {entry.distribution} {entry.version}, {entry.component.target}")
        if kind == "command":
            out.print(f"its options: ptycho {name} --help")
            continue
        options = OptionSchema(entry.load(), entry.label).describe()
        table = Table("option", "type", "default", "bounds", "description", title_justify="left")
        for option in options:
            table.add_row(option.name, option.type, option.default, option.bounds, option.description)
        out.print(table if options else "It has no options.")
        if isinstance(entry.component, Generator) and entry.component.training:
            wanted = ", ".join(f"train.{name}={value}" for name, value in entry.component.training.items())
            out.print(f"Unless you say otherwise it is trained with {wanted}.")


@app.command()
def doctor(ctx: typer.Context) -> None:
    """Load every component and say what is broken and how to mend it; exit code 1 when something is."""
    from ptycho_host.plugins.doctor import broken_components, shadowed_modules

    host = host_of(ctx)
    _print_columns([
        ("plugin", "distribution", "version", "API", "loaded in", "components"),
        *(
            (
                plugin.candidate.name,
                plugin.candidate.distribution,
                plugin.candidate.version,
                str(plugin.api or "?"),
                f"{plugin.seconds:.3f} s",
                "left out" if plugin.content is None else str(len(plugin.registrations)),
            )
            for plugin in host.plugins
        ),
    ])  # fmt: skip
    found = 0
    for problem in (
        *host.problems, *host.duplicates(), *shadowed_modules(host), *broken_components(host), *_broken_commands(host),
        *_broken_training(host),
    ):  # fmt: skip
        found += 1
        typer.echo(f"PROBLEM {problem.message}")
        typer.echo(f"        what to do: {problem.advice}")
        typer.echo("".join(f"        | {line}\n" for line in problem.details.splitlines()), nl=False)
    distributions = {entry.distribution for entry in host.registrations()}
    typer.echo(f"{len(host.registrations())} components of {len(distributions)} distributions, {found} problems")
    _say_what_is_missing(host)
    if found:
        raise typer.Exit(1)


def _broken_commands(host: Host) -> Iterator[Problem]:
    from ptycho_host.cli.commands import typer_command
    from ptycho_host.plugins.doctor import as_problem

    for entry in host.registrations("command"):
        try:
            typer_command(entry)
        except BrokenComponentError as error:
            yield as_problem(error, entry)


def _broken_training(host: Host) -> Iterator[Problem]:
    """Generators whose descriptor asks for training that does not exist."""
    from ptycho_host.config import TrainOptions
    from ptycho_host.plugins.doctor import as_problem
    from ptycho_host.resolution import training_for

    for entry in host.registrations("generator"):
        try:
            training_for(entry, TrainOptions())
        except BrokenComponentError as error:
            yield as_problem(error, entry)


def _say_what_is_missing(host: Host, kind: str | None = None) -> None:
    """Known components that are not installed, and the command that brings them."""
    from ptycho_host.cli.console import say
    from ptycho_host.errors import ConfigError

    names: dict[tuple[str, str], list[str]] = {}
    try:
        missing = host.catalogue.missing(kind)
    except ConfigError as error:
        # The user's own catalogue is broken: that is no reason to keep silent about what is installed.
        say(f"warning: {error}")
        return
    for entry in missing:
        names.setdefault((entry.install, entry.kind), []).append(entry.name)
    for (install, of_kind), found in names.items():
        say(f"not installed: {of_kind} {', '.join(dict.fromkeys(found))}; run '{install}'")


def _check_kind(host: Host, kind: str) -> None:
    from ptycho_host.components import KINDS
    from ptycho_host.errors import InputError, close_match_hint, quoted

    if kind not in KINDS:
        raise InputError(f"there is no kind '{kind}'.{close_match_hint(kind, KINDS)} Kinds: {quoted(KINDS)}.")


def _as_json(host: Host, entries: list[Registration]) -> dict[str, Any]:
    """What programs may rely on; docs/troubleshooting-plugins.md lists the keys."""
    from ptycho_host.hookspecs import API_VERSION

    return {
        "api_version": API_VERSION,
        "components": [
            {
                "kind": entry.component.kind,
                "name": entry.component.name,
                "backend": entry.component.backend,
                "summary": entry.component.summary,
                "distribution": entry.distribution,
                "version": entry.version,
                "target": entry.component.target,
            }
            for entry in entries
        ],
        "plugins": [
            {
                "name": plugin.candidate.name,
                "distribution": plugin.candidate.distribution,
                "version": plugin.candidate.version,
                "module": plugin.candidate.module,
                "api_version": plugin.api,
                "seconds": round(plugin.seconds, 6),
                "left_out": plugin.content is None,
            }
            for plugin in host.plugins
        ],
        "problems": [
            {
                "message": problem.message,
                "advice": problem.advice,
                "distribution": problem.distribution or None,
                "plugin": problem.plugin or None,
            }
            for problem in (*host.problems, *host.duplicates())
        ],
    }


def _print_columns(rows: list[tuple[str, ...]]) -> None:
    # Plain columns: a rich table would cost more time than everything else in this command.
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        typer.echo("  ".join([*cells, row[-1]]).rstrip())
