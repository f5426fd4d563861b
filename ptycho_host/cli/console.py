"""What the subcommands share: the host of this call, the terminal, and how a run ends."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ptycho_host.errors import InputError
from ptycho_host.plugins import Host, PluginWarning
from ptycho_host.plugins.tracing import tracing

if TYPE_CHECKING:
    from rich.console import Console

    from ptycho_host.contracts import Progress
    from ptycho_host.workflows.run import Run


class Session:
    """One call of `ptycho`; its plugins are discovered when they are first asked for."""

    discovered: Host | None = None

    @property
    def host(self) -> Host:
        """The installed plugins; `warn_of_problems` says what is wrong with them."""
        if self.discovered is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PluginWarning)
                self.discovered = Host.discover()
        return self.discovered


def host_of(ctx: Any) -> Host:
    """The plugins of this call of `ptycho`."""
    root = ctx.find_root()
    if not isinstance(root.obj, Session):
        root.obj = Session()
    host: Host = root.obj.host
    return host


def warn_of_problems(host: Host) -> None:
    """One line for each thing that is wrong with a plugin; with its traceback if PTYCHO_TRACE is set."""
    for problem in host.problems:
        say(f"warning: {problem} (`ptycho plugins doctor` says more)")
        if problem.details and tracing():
            say(problem.details.rstrip())


def console() -> Console:
    """Standard output: rich on a terminal, plain lines elsewhere."""
    from rich.console import Console

    # Paths and tables must not be folded at 80 columns when another program reads them. Markup is off: a plugin's
    # description may hold [brackets].
    width = None if sys.stdout.isatty() else 160
    return Console(width=width, highlight=False, markup=False, emoji=False)


def say(message: str) -> None:
    """One line for the user, on standard error: standard output is for results."""
    typer.echo(message, err=True)


def check_new_file(path: Path, *, force: bool) -> None:
    """Raise InputError when `path` cannot be written, or exists and `force` is not given."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file.")
    if path.exists() and not force:
        raise InputError(f"{path} exists; choose another name or add --force to replace it.")
    check_writable(path.parent)


def check_writable(folder: Path) -> None:
    """Raise InputError when files cannot be made in `folder`, or the folder itself where it does not exist yet.

    Long work comes before the first file is written: it must not be lost to a typing error.
    """
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        why = "you may not write there" if existing.is_dir() else "it is no folder"
        raise InputError(f"nothing can be written in {existing}: {why}; choose another place.")


@contextmanager
def run_progress() -> Iterator[Progress]:
    """Progress on the terminal; an interruption (control-C or SIGTERM) says how to go on and exits with 1."""
    from ptycho_host.report.progress import progress_for

    progress = progress_for(_error_console())
    try:
        with _termination_as_interruption():
            yield progress
    except KeyboardInterrupt as interruption:
        progress.finish()
        say("interrupted" + "".join(f"; go on with: {note}" for note in getattr(interruption, "__notes__", ())))
        raise typer.Exit(1) from None
    finally:
        progress.finish()


@contextmanager
def _termination_as_interruption() -> Iterator[None]:
    """Batch systems end a job with SIGTERM: it shall save its work as one that is interrupted by hand."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def report_run(run: Run) -> None:
    """The table of a finished run and where everything is; of several processes the first one speaks."""
    from ptycho_host.report.tables import print_results

    if not run.processes.first:
        return

    name = f"{run.config.generator.name} on {run.bundle.facts['scan']}"
    paths = (f"report  {run.directory.report}", f"object  {run.directory.reconstruction}", f"run     {run.path}")
    print_results(console(), {name: run.metrics}, paths)


def _error_console() -> Any:
    from rich.console import Console

    return Console(stderr=True)
