"""`ptycho reconstruct`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptycho_host.cli.console import check_new_file, host_of
from ptycho_host.errors import InputError

if TYPE_CHECKING:
    from ptycho_host.config import ComponentChoice
    from ptycho_host.workflows.reconstruct import Reconstructed


def reconstruct(
    ctx: typer.Context,
    run: Annotated[
        Path | None,
        typer.Argument(help="Run directory that `train` wrote, or a trained network; none: a refiner does it alone."),
    ] = None,
    data: Annotated[str | None, typer.Argument(help="File, folder or named data set to reconstruct.")] = None,
    alone: Annotated[
        str | None, typer.Option("--data", help="The same, where no run is named.", metavar="DATA")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Product file, or a folder to write product.h5 into; default: RUN/reconstruction-<scan>.h5, with a "
            "trained network or without a run <scan>-<network or refiner>.h5.",
            metavar="FILE",
        ),
    ] = None,
    ensemble: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another run for such patterns, trained with another seed; may be repeated. The object is the mean "
            "of all, its uncertainty from how far they differ.",
            metavar="RUN",
        ),
    ] = None,
    stitch: Annotated[str | None, typer.Option(help="Stitcher instead of the run's own.", metavar="NAME")] = None,
    refine: Annotated[
        str | None, typer.Option(help="Iterative refiner after stitching, instead of the run's own.", metavar="NAME")
    ] = None,
    refine_epochs: Annotated[int | None, typer.Option(help="Passes of the refiner over the patterns.")] = None,
    no_refine: Annotated[bool, typer.Option("--no-refine", help="No refiner, though the run has one.")] = False,
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
    """Reconstruct another scan with a trained run: one forward pass, stitched, refined if asked; no training.

    Without a run a refiner starts from a uniform object: ptycho reconstruct --data scan.npz --refine rpie
    """
    from ptycho_host.cli.console import console, run_progress
    from ptycho_host.cli.file_options import READER, choices
    from ptycho_host.config import ComponentChoice
    from ptycho_host.report.tables import print_results
    from ptycho_host.workflows.reconstruct import iterate_to_file, reconstruct_to_file
    from ptycho_host.workflows.run import Run

    host, source = host_of(ctx), _named_once(data, alone)
    if no_refine and (refine or refine_epochs is not None):
        raise InputError("--no-refine and --refine exclude each other; drop one of them.")
    reading = [setting for setting in settings or () if setting.startswith(READER)]
    others = [setting for setting in settings or () if setting not in reading]
    given = {"refiner.name": refine, "refiner.epochs": refine_epochs}
    wanted = [*(f"{key}={value}" for key, value in given.items() if value is not None), *others]
    scan_name, reader = Path(source).stem, choices(reading)[0]
    work: Callable[..., Reconstructed | None]
    if run is None:
        if stitch or no_refine or ensemble:
            raise InputError("without a run there is nothing to stitch and only a refiner to work; name the run.")
        refiner = _lone_refiner(wanted)
        target = _product(out or Path(f"{scan_name}-{refiner.name.rpartition(':')[2]}.h5"))
        work = partial(iterate_to_file, source, target, refiner, host=host, reader=reader)
    else:
        # What a distribution brings is not written into.
        beside = run / f"reconstruction-{scan_name}.h5" if run.exists() else Path(f"{scan_name}-{run}.h5")
        target = _product(out or beside)
        work = partial(
            reconstruct_to_file,
            Run.open(run, host=host, settings=wanted),
            source,
            target,
            reader=reader,
            stitch=ComponentChoice(name=stitch) if stitch else None,
            refiner=False if no_refine else None,
            ensemble=[Run.open(other, host=host, settings=wanted) for other in ensemble or ()],
        )
    check_new_file(target, force=force)
    with run_progress() as progress:
        done = work(progress=progress)
    if done is None:
        return
    lines = [*(f"note    {note}" for note in done.reconstruction.notes), f"object  {done.path}"]
    print_results(console(), {done.scan.name: done.evaluation.metrics.as_json()}, lines)


def _named_once(data: str | None, alone: str | None) -> str:
    if data is not None and alone is not None:
        raise InputError("the scan was named twice; drop --data.")
    named = alone if data is None else data
    if named is None:
        raise InputError(
            "name the scan: ptycho reconstruct RUN DATA, or without a run ptycho reconstruct --data DATA --refine rpie."
        )
    return named


def _lone_refiner(wanted: list[str]) -> ComponentChoice:
    """What the settings say of the refiner; raises ConfigError where they say nothing, or say more."""
    from ptycho_host.config import resolve
    from ptycho_host.errors import ConfigError

    for setting in wanted:
        if not setting.startswith("refiner."):
            raise ConfigError(f"--set {setting}: without a run only options of the refiner and of the reader count.")
    refiner = resolve(settings=wanted).refiner
    if refiner is None or not refiner.name:
        raise InputError("without a run a refiner must do the work; name it with --refine, such as --refine rpie.")
    return refiner


def _product(target: Path) -> Path:
    if target.is_dir() or not target.suffix:
        target = target / "product.h5"
    if target.suffix.lower() not in (".h5", ".hdf5"):
        raise InputError(f"{target}: products are HDF5; choose a name that ends in .h5.")
    return target
