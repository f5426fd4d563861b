"""`ptycho reconstruct`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ptycho_host.cli.console import check_new_file, host_of
from ptycho_host.errors import InputError


def reconstruct(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="Run directory that `train` wrote.")],
    data: Annotated[str, typer.Argument(help="File, folder or named data set to reconstruct.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Product file, or a folder to write product.h5 into; default: RUN/reconstruction-<scan>.h5.",
            metavar="FILE",
        ),
    ] = None,
    stitch: Annotated[str | None, typer.Option(help="Stitcher instead of the run's own.", metavar="NAME")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Any other setting of the run, such as engine.devices=2; data.reader.KEY=VALUE is for reading DATA.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing product file.")] = False,
) -> None:
    """Reconstruct another scan with a trained run: one forward pass, stitched; no training."""
    from ptycho_host.cli.console import console, run_progress
    from ptycho_host.cli.file_options import READER, choices
    from ptycho_host.config import ComponentChoice
    from ptycho_host.report.tables import print_results
    from ptycho_host.workflows.reconstruct import reconstruct_to_file
    from ptycho_host.workflows.run import Run

    target = out or run / f"reconstruction-{Path(data).stem}.h5"
    if target.is_dir() or not target.suffix:
        target = target / "product.h5"
    if target.suffix.lower() not in (".h5", ".hdf5"):
        raise InputError(f"{target}: products are HDF5; choose a name that ends in .h5.")
    reading = [setting for setting in settings or () if setting.startswith(READER)]
    others = [setting for setting in settings or () if setting not in reading]
    opened = Run.open(run, host=host_of(ctx), settings=others)
    check_new_file(target, force=force)
    with run_progress() as progress:
        done = reconstruct_to_file(
            opened,
            data,
            target,
            reader=choices(reading)[0],
            stitch=ComponentChoice(name=stitch) if stitch else None,
            progress=progress,
        )
    if done is None:
        return
    lines = [*(f"note    {note}" for note in done.reconstruction.notes), f"object  {done.path}"]
    print_results(console(), {done.scan.name: done.evaluation.metrics.as_json()}, lines)
