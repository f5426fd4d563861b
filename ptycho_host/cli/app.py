"""The entry of `ptycho`: subcommands by name from the plugins, imported only when they are called."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from ptycho_host.cli.commands import typer_command
from ptycho_host.cli.console import Session, host_of, warn_of_problems
from ptycho_host.errors import PtychoError, UnknownComponentError, close_match_hint, quoted
from ptycho_host.plugins import PluginWarning
from ptycho_host.plugins.problems import traceback_of
from ptycho_host.plugins.tracing import tracing

if TYPE_CHECKING:
    from typer.core import TyperCommand


class PluginGroup(TyperGroup):
    """A group whose commands are the registered components of the kind command."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, ours in the order of work, then those of other distributions."""
        ours = ["train", "reconstruct", "compare", "simulate", "inspect", "convert", "prepare", "plugins"]
        names = {entry.component.name for entry in host_of(ctx).registrations("command")}
        return [name for name in ours if name in names] + sorted(names - set(ours))

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """A stand-in with name and summary: enough for the list of commands, and nothing is imported."""
        from typer.core import TyperCommand

        commands = host_of(ctx).registrations("command")
        summary = next((entry.component.summary for entry in commands if entry.component.name == cmd_name), None)
        return None if summary is None else TyperCommand(cmd_name, help=summary, short_help=summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real command, imported now; `distribution:name` when several distributions bring it.

        Raises UnknownComponentError with the nearest names, AmbiguousComponentError.
        """
        name = args[0]
        names = self.list_commands(ctx)
        if name.rpartition(":")[2] not in names:
            if name.startswith("-"):
                return super().resolve_command(ctx, args)
            hint = host_of(ctx).catalogue.install_hint("command", name) or close_match_hint(name, names)
            raise UnknownComponentError(f"there is no command '{name}'.{hint} Commands: {quoted(names)}.")
        return name, typer_command(host_of(ctx).find("command", name)), args[1:]


app = typer.Typer(
    cls=PluginGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Neural ptychography: train a generator on a scan, get the object, its figures and a report.\n\n"
    "Start with: ptycho train --generator unrolled --clip agc",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from ptycho_host import __version__

        typer.echo(f"ptycho-host {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    # `plugins doctor` reports them by itself, in full.
    if ctx.invoked_subcommand != "plugins":
        warn_of_problems(host_of(ctx))


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    typer.echo(f"warning: {message}", err=True)


def main() -> None:
    """Run `ptycho`; what a user or a plugin can cause ends as one sentence and an exit code, never as a traceback."""
    warnings.showwarning = _show_warning
    # Python's own `-W error` is for tests of code: the fault of an observer must not end a run.
    warnings.simplefilter("default", PluginWarning)
    session = Session()
    try:
        # The same name for `ptycho` and `python -m ptycho_host`.
        app(prog_name="ptycho", obj=session)
    except PtychoError as error:
        _end(error)
    except BrokenPipeError:
        sys.exit(1)
    except (Exception, SystemExit) as error:
        from ptycho_host.plugins.blame import blame

        blamed = blame(error, session.discovered) if session.discovered is not None else None
        if blamed is None:
            raise
        _end(blamed)


def _end(error: PtychoError) -> None:
    if error.told:
        sys.exit(error.exit_code)
    if tracing():
        typer.echo(traceback_of(error).rstrip(), err=True)
    typer.echo(f"error: {error}", err=True)
    for note in getattr(error, "__notes__", ()):
        typer.echo(note, err=True)
    sys.exit(error.exit_code)
