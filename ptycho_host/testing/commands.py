"""Conformance of commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ptycho_host.cli.commands import typer_command
from ptycho_host.errors import quoted
from ptycho_host.plugins import Registration
from ptycho_host.testing.laziness import imported_by_listing
from ptycho_host.testing.running import run_ptycho
from ptycho_host.testing.suite import ComponentConformance


class CommandConformance(ComponentConformance):
    """A command behaves as those of the host: listed, documented, and one sentence for what a user types wrongly."""

    kind = "command"
    contract = "ptycho_host.components.Command"

    def test_help_is_shown(self, registration: Registration, tmp_path: Path) -> None:
        """`ptycho NAME --help`, as a program of its own, prints the usage and nothing else."""
        self._only_installed(registration)
        done = run_ptycho(self.name, "--help", folder=tmp_path)
        self.require(
            done.returncode == 0 and "Usage: ptycho" in done.stdout and not done.stderr,
            registration,
            f"fails to show its help: exit code {done.returncode}, {done.stderr.strip()[-300:]!r}",
        )
        self.require(not list(tmp_path.iterdir()), registration, "writes files when only its help is asked for")

    def test_command_is_listed(self, registration: Registration, tmp_path: Path) -> None:
        """`ptycho --help` has the command with its summary."""
        self._only_installed(registration)
        listed = " ".join(run_ptycho("--help", folder=tmp_path).stdout.split())
        due = f"{registration.component.name} {' '.join(registration.component.summary.split())}"
        # Long summaries are cut to the width of the terminal.
        self.require(due[:60] in listed, registration, "does not appear in `ptycho --help` with its summary")

    def test_unknown_options_are_refused(self, registration: Registration, tmp_path: Path) -> None:
        """Exit code 2 and no traceback."""
        self._only_installed(registration)
        done = run_ptycho(self.name, "--no-such-option", folder=tmp_path)
        self.require(
            done.returncode == 2 and "Traceback" not in done.stderr,
            registration,
            f"answers an unknown option with exit code {done.returncode}; 2 and a sentence are due",
        )

    def test_parameters_are_documented(self, registration: Registration) -> None:
        """Each argument and option has a help text."""
        with self.attempt(registration, "to be turned into a command; its target must be a function for Typer"):
            bare = sorted(set(_without_help(typer_command(registration))))
        self.require(
            not bare,
            registration,
            f"does not describe {quoted(bare)}; use typer.Argument(help=…) or typer.Option(help=…)",
        )

    def _only_installed(self, registration: Registration) -> None:
        if imported_by_listing(registration.distribution) is None:
            pytest.skip(f"{registration.distribution} is not installed with an entry point of the group 'ptycho'")


def _without_help(command: Any) -> Iterator[str]:
    """Names of the parameters without a help text, also of subcommands."""
    for parameter in command.params:
        if parameter.name not in ("help", "install_completion", "show_completion") and not parameter.help:
            yield parameter.name
    for subcommand in getattr(command, "commands", {}).values():
        yield from _without_help(subcommand)
