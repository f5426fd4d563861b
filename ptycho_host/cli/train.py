"""`ptycho train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ptycho_host.cli.console import check_writable, host_of
from ptycho_host.errors import InputError

DATA, COMPONENTS, SCHEDULE, OUTPUT = "Data", "Components", "Schedule", "Output"


def train(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Argument(metavar="CONFIG.toml", help="Run configuration; flags override it.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="File or named data set to train on.", rich_help_panel=DATA, metavar="FILE")
    ] = None,
    simulate: Annotated[
        str | None, typer.Option(help="Simulator to make the scan.", rich_help_panel=DATA, metavar="NAME")
    ] = None,
    probe_from: Annotated[
        str | None,
        typer.Option(help="Scan whose probe the simulator takes.", rich_help_panel=DATA, metavar="FILE"),
    ] = None,
    test_data: Annotated[
        str | None,
        typer.Option(help="Scan to reconstruct instead of the training one.", rich_help_panel=DATA, metavar="FILE"),
    ] = None,
    generator: Annotated[str | None, typer.Option(help="Network.", rich_help_panel=COMPONENTS, metavar="NAME")] = None,
    loss: Annotated[
        str | None,
        typer.Option(help="Loss, or a sum such as mae+0.1*tv.", rich_help_panel=COMPONENTS, metavar="NAME"),
    ] = None,
    clip: Annotated[
        str | None, typer.Option(help="Gradient clipper.", rich_help_panel=COMPONENTS, metavar="NAME")
    ] = None,
    stitch: Annotated[str | None, typer.Option(help="Stitcher.", rich_help_panel=COMPONENTS, metavar="NAME")] = None,
    refine: Annotated[
        str | None, typer.Option(help="Iterative refiner after stitching.", rich_help_panel=COMPONENTS, metavar="NAME")
    ] = None,
    refine_epochs: Annotated[
        int | None, typer.Option(help="Passes of the refiner over the patterns.", rich_help_panel=COMPONENTS)
    ] = None,
    backend: Annotated[
        str | None, typer.Option(help="Tensor library, when several fit.", rich_help_panel=COMPONENTS, metavar="NAME")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the patterns.", rich_help_panel=SCHEDULE)] = None,
    batch_size: Annotated[int | None, typer.Option(help="Patterns a step.", rich_help_panel=SCHEDULE)] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw.", rich_help_panel=SCHEDULE)] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"] | None, typer.Option(help="Where to compute.", rich_help_panel=SCHEDULE)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run directory; default: a new one in runs/.", rich_help_panel=OUTPUT, metavar="DIR"),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on with this run from its last checkpoint.", rich_help_panel=OUTPUT, metavar="RUN"),
    ] = None,
    accept_changes: Annotated[
        bool,
        typer.Option("--accept-changes", help="With --resume: go on with changed settings.", rich_help_panel=OUTPUT),
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting, e.g. generator.width=48; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, print the full configuration, do nothing.")
    ] = False,
) -> None:
    """Train a generator on a scan, reconstruct it, and write a run directory with figures and a report.

    With neither --data nor --simulate it simulates the lines scan. Options of a component:
    `ptycho plugins show generator unrolled`.
    """
    from ptycho_host.cli.console import report_run, run_progress, say
    from ptycho_host.config import resolve
    from ptycho_host.runs.directory import RunDirectory

    host = host_of(ctx)
    if data is not None and simulate is not None:
        raise InputError("--data and --simulate exclude each other; name one of them.")
    if out is not None:
        check_writable(out)
    flags: dict[str, Any] = {
        "backend": backend,
        "seed": seed,
        "data": {"source": data, "test": test_data, "probe_from": probe_from},
        "simulator": simulate,
        "generator": generator,
        "loss": loss,
        "clip": clip,
        "stitch": stitch,
        "refiner": {"name": refine, "epochs": refine_epochs} if refine or refine_epochs is not None else None,
        "engine": {"device": device} if device else None,
        "train": {"epochs": epochs, "batch_size": batch_size},
    }
    if resume is None and accept_changes:
        raise InputError("--accept-changes is for a run that goes on; add --resume RUN.")
    if resume is not None and out is not None:
        raise InputError("--resume goes on in the run's own directory; drop --out.")
    if resume is not None and config is None:
        config = RunDirectory.open(resume).config
    resolved = resolve(config, flags, settings or ())
    if simulate is not None and resolved.data.source is not None:
        raise InputError(f"--simulate was given, but data.source is '{resolved.data.source}'; drop one of them.")
    if probe_from is not None and resolved.data.source is not None:
        raise InputError("--probe-from is for simulated scans, and a scan brings its own probe; drop it or the data.")

    from ptycho_host.workflows.train import plan
    from ptycho_host.workflows.train import resume as resume_run
    from ptycho_host.workflows.train import train as train_run

    planned = plan(resolved, host)
    if dry_run:
        import tomli_w

        typer.echo(tomli_w.dumps(planned.as_table()), nl=False)
        return
    if resume is not None:
        with run_progress() as progress:
            report_run(resume_run(resume, resolved, accept_changes=accept_changes, host=host, progress=progress))
        return
    if resolved.data.source is None and simulate is None and config is None:
        say(f"no --data given: simulating the '{resolved.simulator.name}' scan")
    with run_progress() as progress:
        report_run(train_run(resolved, out=out, host=host, progress=progress))
