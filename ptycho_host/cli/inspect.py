"""`ptycho inspect`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ptycho_host.cli.console import host_of
from ptycho_host.plugins.standard_output import kept_clear

if TYPE_CHECKING:
    from rich.table import Table

    from ptycho_host.metrics.scan_summary import ScanSummary


def inspect(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="File or named data set.", metavar="FILE")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Say what is in a file: sizes, dose, step, overlap, and what looks suspicious."""
    from ptycho_host.cli.console import console
    from ptycho_host.metrics.scan_summary import summarise
    from ptycho_host.workflows.scans import load_scan

    with kept_clear():
        scan = load_scan(source, host=host_of(ctx))
    summary = summarise(scan)
    if as_json:
        import json

        typer.echo(json.dumps({"name": scan.name, **asdict(summary)}, indent=2))
        return
    console().print(summary_table(scan.name, summary))


def summary_table(name: str, summary: ScanSummary) -> Table:
    """The summary as a table of names and values with units."""
    from rich.table import Table

    table = Table(title=f"scan {name}", show_header=False, title_justify="left")
    table.add_row("patterns", f"{summary.patterns} of {summary.pixels} × {summary.pixels} pixels")
    table.add_row("dose", f"{summary.photons:,.0f} photons a pattern, brightest pixel {summary.brightest:,.0f}")
    table.add_row("step", f"{summary.step:.2f} px to the nearest neighbour (median)")
    table.add_row("probe", f"{summary.probe_diameter:.1f} px effective diameter, {summary.overlap:.0%} overlap")
    table.add_row("probe scale", f"sum |P|² is {summary.scale:.3g} × the mean counts")
    table.add_row("canvas", f"{summary.canvas[0]} × {summary.canvas[1]} object pixels")
    table.add_row("known object", summary.known_object)
    for suspicion in summary.suspicions or ("nothing suspicious",):
        table.add_row("note", suspicion)
    return table
