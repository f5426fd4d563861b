"""`ptycho convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptycho_host.cli.console import check_new_file, host_of
from ptycho_host.cli.file_options import FileSettings, ReaderName, WriterName


def convert(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="File or named data set.", metavar="IN")],
    out: Annotated[Path, typer.Argument(help="File to write; the suffix names the format.", metavar="OUT")],
    reader: ReaderName = None,
    writer: WriterName = None,
    settings: FileSettings = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a scan in another format, whatever its size: patterns go through block by block."""
    from ptycho_host.cli.console import console, run_progress
    from ptycho_host.cli.file_options import check_other_file, choices
    from ptycho_host.workflows.convert import convert as convert_scan

    check_new_file(out, force=force)
    check_other_file(source, out)
    reading, writing = choices(settings, reader, writer)
    with run_progress() as progress:
        scan = convert_scan(source, out, host=host_of(ctx), reader=reading, writer=writing, progress=progress)
    console().print(f"{scan.count} patterns of {scan.pixels} × {scan.pixels} pixels: {out}")
