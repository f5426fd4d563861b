"""`ptycho compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptycho_host.cli.console import check_writable, host_of


def compare(
    ctx: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(metavar="RUN|FILE", help="Run directories, product files (HDF5), NPZ files with an object."),
    ],
    truth: Annotated[
        str | None,
        typer.Option(help="Scan, data set or object to judge by; default: the runs' own scan.", metavar="FILE"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; default: a new one in comparisons/.", metavar="DIR")
    ] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Shift each object onto the truth first, to 1/100 pixel.")
    ] = False,
    remove_plane: Annotated[
        bool, typer.Option("--remove-plane", help="Take out a linear phase against the truth first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of the table.")] = False,
) -> None:
    """Judge runs and reconstructions alike, rank them, and write table, figures and a page.

    All are measured anew in one region against one truth. They are ranked by phase SSIM; by amplitude SSIM if the
    true phase is flat; by how well they predict the patterns if no truth is known. Runs that differ only by their
    seed are one row: mean ± standard deviation.
    """
    from ptycho_host.cli.console import console, run_progress
    from ptycho_host.report.comparison_table import print_comparison
    from ptycho_host.workflows.compare import compare as compare_all
    from ptycho_host.workflows.comparison.files import DATA, PAGE, TABLE, fresh_folder

    folder = out or fresh_folder()
    check_writable(folder)
    with run_progress() as progress:
        done = compare_all(
            sources,
            truth=truth,
            out=folder,
            register=register,
            remove_plane=remove_plane,
            host=host_of(ctx),
            progress=progress,
        )
    if as_json:
        typer.echo((folder / DATA).read_text(encoding="utf-8"), nl=False)
        return
    print_comparison(console(), done, [f"page    {folder / PAGE}", f"table   {folder / TABLE}", f"folder  {folder}"])
