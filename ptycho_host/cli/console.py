"""What the subcommands share: the host of this call, the terminal, and how a run ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ptycho_host.errors import ConfigError, quoted
from ptycho_host.plugins import Host

if TYPE_CHECKING:
    from rich.console import Console

    from ptycho_host.contracts import Progress
    from ptycho_host.workflows.run import Run


def host_of(ctx: typer.Context) -> Host:
    """The plugins of this call of `ptycho`; discovered anew when a command is called on its own."""
    found = ctx.find_root().obj
    return found if isinstance(found, Host) else Host.discover()


def console() -> Console:
    """Standard output: rich on a terminal, plain lines elsewhere."""
    from rich.console import Console

    # Paths and tables must not be folded at 80 columns when another program reads them.
    return Console() if sys.stdout.isatty() else Console(width=160, highlight=False)


def say(message: str) -> None:
    """One line for the user, on standard error: standard output is for results."""
    typer.echo(message, err=True)


def fail_if_given_with(flag: str, ctx: typer.Context, allowed: tuple[str, ...]) -> None:
    """Raise ConfigError when other parameters than `allowed` were given on the command line together with `flag`."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in ctx.params
        if name not in allowed and getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]
    if given:
        raise ConfigError(f"{flag} goes on with the run's own settings; drop {quoted(given)}.")


@contextmanager
def run_progress(run: Path | None) -> Iterator[Progress]:
    """Progress on the terminal; an interruption says how to go on and exits with 1."""
    from ptycho_host.report.progress import progress_for

    progress = progress_for(_error_console())
    try:
        yield progress
    except KeyboardInterrupt:
        progress.finish()
        again = f"ptycho train --resume {run}" if run is not None else "ptycho train --resume RUN"
        say(f"interrupted; go on with: {again}")
        raise typer.Exit(1) from None
    finally:
        progress.finish()


def report_run(run: Run) -> None:
    """The table of a finished run and where everything is."""
    from ptycho_host.report.tables import print_results

    name = f"{run.config.generator.name} on {run.bundle.facts['scan']}"
    paths = (f"report  {run.directory.report}", f"object  {run.directory.reconstruction}", f"run     {run.path}")
    print_results(console(), {name: run.metrics}, paths)


def _error_console() -> Any:
    from rich.console import Console

    return Console(stderr=True)
