"""From a registered command to one that Typer can call."""

from __future__ import annotations

from typing import Any

import typer
from typer.main import get_command as command_of

from ptycho_host.cli.grouped_help import GroupedCommand
from ptycho_host.errors import BrokenComponentError
from ptycho_host.plugins.problems import advice, cause
from ptycho_host.plugins.registration import Registration


def typer_command(registration: Registration) -> Any:
    """The command itself; raises BrokenComponentError when it cannot be imported or Typer cannot make sense of it."""
    target = registration.load()
    try:
        return command_of(_typer_app(registration, target))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # Typer gives up in many ways on a signature
        raise BrokenComponentError(
            f"{registration.label} cannot be used: Typer does not understand its signature, {cause(error)}; "
            f"{advice(error, registration.distribution)}."
        ) from error


def _typer_app(registration: Registration, target: Any) -> typer.Typer:
    if isinstance(target, typer.Typer):
        return target
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(
        name=registration.component.name, cls=GroupedCommand, help=target.__doc__ or registration.component.summary
    )(target)
    return single
