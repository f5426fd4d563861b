"""`ptycho simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptycho_host.cli.console import check_new_file, host_of
from ptycho_host.errors import ConfigError


def simulate(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Simulator, as `ptycho plugins list --kind simulator` names it.")],
    out: Annotated[Path, typer.Argument(help="File to write; the suffix names the format.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random draw.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Option of the simulator, e.g. scan.step=8; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
) -> None:
    """Write a simulated scan with its true object."""
    check_new_file(out, force=force)
    from ptycho_host.cli.console import console
    from ptycho_host.cli.inspect import summary_table
    from ptycho_host.config import resolve
    from ptycho_host.metrics.scan_summary import summarise
    from ptycho_host.workflows.scans import simulate as simulate_scan
    from ptycho_host.workflows.scans import write_scan

    given = [setting if setting.startswith("simulator.") else f"simulator.{setting}" for setting in settings or ()]
    choice = resolve(flags={"simulator": name}, settings=given).simulator
    if choice.name != name:
        raise ConfigError("--set simulator.name contradicts the simulator named first; drop it.")
    host = host_of(ctx)
    scan = simulate_scan(name, choice.options, seed=seed, host=host)
    write_scan(scan, out, host=host)
    terminal = console()
    terminal.print(summary_table(scan.name, summarise(scan)))
    terminal.print(f"scan    {out}")
