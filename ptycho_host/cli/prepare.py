"""`ptycho prepare`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from ptycho_host.cli.console import check_new_file, host_of
from ptycho_host.cli.file_options import FileSettings, ReaderName, WriterName
from ptycho_host.errors import ConfigError


def _print_steps(wanted: bool) -> None:
    if not wanted:
        return
    from rich.table import Table

    from ptycho_host.cli.console import console
    from ptycho_host.preparation.steps import STEPS, schema

    table = Table(title="steps of ptycho prepare", title_justify="left")
    for heading in ("step", "option", "type", "default", "what it does"):
        table.add_column(heading)
    for name, factory in STEPS.items():
        table.add_row(name, "", "", "", (factory.__doc__ or "").partition("\n")[0])
        for option in schema(name).describe():
            bounds = f" ({option.bounds})" if option.bounds else ""
            table.add_row("", option.name, option.type, option.default, option.description + bounds)
    console().print(table)
    raise typer.Exit


def prepare(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="File or named data set.", metavar="IN")],
    out: Annotated[Path, typer.Argument(help="File to write; the suffix names the format.", metavar="OUT")],
    do: Annotated[
        list[str] | None,
        typer.Option("--do", help="A step, such as crop:pixels=48; may be repeated, done in order.", metavar="STEP"),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Cut in two, such as y:fraction=0.5,gap=32.", metavar="AXIS")
    ] = None,
    rest: Annotated[Path | None, typer.Option("--rest", help="File for the other side of --split.")] = None,
    reader: ReaderName = None,
    writer: WriterName = None,
    settings: FileSettings = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    steps: Annotated[
        bool, typer.Option("--steps", callback=_print_steps, is_eager=True, help="List the steps and stop.")
    ] = False,
) -> None:
    """Crop, bin, mask, select; smooth, apodise or replace the probe. The steps are noted in the file's metadata."""
    from ptycho_host.cli.console import console, run_progress
    from ptycho_host.cli.file_options import check_other_file, choices
    from ptycho_host.cli.inspect import summary_table
    from ptycho_host.metrics.scan_summary import summarise
    from ptycho_host.preparation.steps import Step
    from ptycho_host.workflows.prepare import prepare as prepare_scan

    if (split is None) != (rest is None):
        raise ConfigError("--split needs --rest FILE for the other side, and --rest needs --split AXIS.")
    targets = [out] if rest is None else [out, rest]
    for target in targets:
        check_new_file(target, force=force)
        check_other_file(source, target)
    if rest is not None and rest.absolute() == out.absolute():
        raise ConfigError("OUT and --rest name the same file; give two.")
    chosen = [Step.of(*_step(text)) for text in do or ()]
    cut = None if split is None or rest is None else _cut(split, rest)
    reading, writing = choices(settings, reader, writer)
    with run_progress() as progress:
        scans = prepare_scan(
            source, out, chosen, split_at=cut, host=host_of(ctx), reader=reading, writer=writing, progress=progress
        )
    terminal = console()
    for scan, target in zip(scans, targets, strict=True):
        terminal.print(summary_table(target.name, summarise(scan)))
        terminal.print(f"scan    {target}")


def _step(text: str) -> tuple[str, dict[str, Any]]:
    """`crop:pixels=48,…` as name and values, which are understood as in TOML, or else as plain words."""
    name, _, rest = text.partition(":")
    values: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, separator, value = part.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"'{text}': a step takes KEY=VALUE after its name, such as crop:pixels=48.")
        try:
            values[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = value.strip()
    return name.strip(), values


def _cut(text: str, rest: Path) -> Any:
    from ptycho_host.workflows.prepare import Split

    axis, values = _step(text)
    fraction, gap = values.pop("fraction", 0.5), values.pop("gap", 0.0)
    numbers = all(isinstance(value, int | float) for value in (fraction, gap))
    if axis not in ("y", "x") or values or not numbers or not 0 < fraction < 1 or gap < 0:
        raise ConfigError(f"--split takes y or x, and fraction between 0 and 1 and gap ≥ 0, not '{text}'.")
    return Split("y" if axis == "y" else "x", rest, float(fraction), float(gap))
