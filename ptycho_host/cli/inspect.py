"""`ptycho inspect`."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import typer

from ptycho_host.cli.console import host_of
from ptycho_host.cli.file_options import ReaderName, ReaderSettings
from ptycho_host.plugins.standard_output import kept_clear

if TYPE_CHECKING:
    from rich.table import Table

    from ptycho_host.metrics.scan_summary import ScanSummary


def inspect(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="File or named data set.", metavar="FILE")],
    reader: ReaderName = None,
    settings: ReaderSettings = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Say what is in a file: format, sizes, dose, step, overlap, and what looks suspicious."""
    from rich.text import Text

    from ptycho_host.cli.console import console
    from ptycho_host.cli.file_options import choices
    from ptycho_host.workflows.inspect import inspect as inspect_scan

    reading, _ = choices(settings, reader)
    with kept_clear():
        found = inspect_scan(source, host=host_of(ctx), reader=reading)
    if as_json:
        import json

        typer.echo(json.dumps(found.as_json(), indent=2))
        return
    table = summary_table(found.name, found.summary, found.format)
    if found.extras:
        table.add_row("other arrays", ", ".join(found.extras))
    for key, value in found.metadata.items():
        # A file's own words: no markup, and not without end.
        table.add_row(*(Text(shorten(str(words), 240, placeholder=" …")) for words in (key, value)))
    console().print(table)


def summary_table(name: str, summary: ScanSummary, file_format: str | None = None) -> Table:
    """The summary as a table of names and values with units."""
    from rich.table import Table

    table = Table(title=f"scan {name}", show_header=False, title_justify="left")
    if file_format is not None:
        table.add_row("format", file_format)
    table.add_row("patterns", f"{summary.patterns} of {summary.pixels} × {summary.pixels} pixels")
    table.add_row("dose", f"{summary.photons:,.0f} photons a pattern, brightest pixel {summary.brightest:,.0f}")
    table.add_row("step", f"{summary.step:.2f} px to the nearest neighbour (median)")
    table.add_row("probe", f"{summary.probe_diameter:.1f} px effective diameter, {summary.overlap:.0%} overlap")
    table.add_row("probe scale", f"sum |P|² is {summary.scale:.3g} × the mean counts")
    table.add_row("canvas", f"{summary.canvas[0]} × {summary.canvas[1]} object pixels")
    agreement = (
        "" if summary.agreement is None else f", its patterns correlate {summary.agreement:.3f} with the measured"
    )
    table.add_row("known object", summary.known_object + agreement)
    if summary.bad_pixels:
        table.add_row("bad pixels", f"{summary.bad_pixels} of {summary.pixels**2}, left out")
    for suspicion in summary.suspicions or ("nothing suspicious",):
        table.add_row("note", suspicion)
    return table
