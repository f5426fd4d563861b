"""Why networks collapse: from the reference system's recipe to ours, one difference at a time, in both directions.

Every difference is told by what either side sets. Each is taken out of the reference's recipe, and put into ours; then
come changes of the reference's that keep what it is: other blocks, another head, other rates, outputs that are not on
the scale of the measurement. With `--seconds` each run ends after that time, and learning rates that fall know it.

    python benchmarks/recipe.py --seeds 3 --epochs 12 --device cuda --workers 6
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import as_they_come, scores, write_results
from numpy.lib.stride_tricks import sliding_window_view
from skimage.metrics import structural_similarity

from ptycho_host import Host, Run, Scan, hookimpl, simulate, train
from ptycho_host.components import Generator
from ptycho_host.contracts import PatchShape
from ptycho_host.physics.far_field import diffraction_amplitude

if TYPE_CHECKING:
    from torch import nn

Table = dict[str, Any]

DIFFERENCES: dict[str, tuple[Table, Table]] = {
    "start": ({"generator": {"lift": "none"}}, {"generator": {"lift": "backprojection"}}),
    "groups": ({"train": {"group_size": 1}}, {"train": {"group_size": 4}}),
    "input": ({"generator": {"input_transform": "none"}}, {"generator": {"input_transform": "log1p"}}),
    "rows": ({"generator": {"layout": "one_corner"}}, {"generator": {"layout": "two_corner"}}),
    "trunk": (
        {"generator": {"stem": 1, "modes": 12, "downsamplings": 3, "max_hidden_channels": 256}},
        {"generator": {"stem": 2, "modes": 8, "downsamplings": 1, "max_hidden_channels": 128}},
    ),
    "schedule": (
        {"train": {"optimiser": "adam", "learning_rate": 1e-3, "scheduler": "constant"}},
        {"train": {"optimiser": "adamw", "learning_rate": 2e-3, "scheduler": "warmup_cosine"}},
    ),
    "clipper": ({"clip": "none"}, {"clip": "norm"}),
    "object": (
        {"simulator": {"amplitude_floor": 0.0, "phase": False}},
        {"simulator": {"amplitude_floor": 0.3, "phase": True}},
    ),
    "probe": ({"simulator": {"probe": {"shape": "gold_balls"}}}, {"simulator": {"probe": {"shape": "disc"}}}),
}
"""What differs: the reference system's setting, and ours."""
COMMON: Table = {
    "generator": {"name": "stable_hybrid", "blocks": 4, "upsampling": "transposed", "head": "real_imag"},
    "loss": "mae",
}
NORMLESS: Table = {"generator": {"stem": None, "stabiliser": None, "name": "hybrid"}}
BOUNDED: Table = {"generator": {"head": "amp_phase"}}
FAST: Table = {"train": {"learning_rate": 1e-2}}
BRIGHT: Table = {"output": 100.0}
CHANGES: dict[str, tuple[Table, ...]] = {
    "layer scale": ({"generator": {"stabiliser": "layer_scale"}},),
    "blocks without norm": (NORMLESS,),
    "bounded head": (BOUNDED,),
    "ten times the rate": (FAST,),
    "ten times the rate, bounded head": (FAST, BOUNDED),
    "too dark": ({"output": 0.01},),
    "too dark, bounded head": ({"output": 0.01}, BOUNDED),
    "too bright": (BRIGHT,),
    "too bright, bounded head": (BRIGHT, BOUNDED),
    "too bright, bounded head, blocks without norm": (BRIGHT, BOUNDED, NORMLESS),
    "too bright, bounded head, layer scale": (BRIGHT, BOUNDED, {"generator": {"stabiliser": "layer_scale"}}),
    "too bright, bounded head, a tenth of the rate": (BRIGHT, BOUNDED, {"train": {"learning_rate": 1e-4}}),
    "too bright, bounded head, warm-up": (BRIGHT, BOUNDED, {"train": {"scheduler": "warmup_cosine"}}),
    "too bright, bounded head, norm": (BRIGHT, BOUNDED, {"clip": "norm"}),
    "too bright, bounded head, agc": (BRIGHT, BOUNDED, {"clip": "agc"}),
    "too bright, bounded head, going back": (BRIGHT, BOUNDED, {"train": {"on_collapse": "restart"}}),
}
"""What else is changed of the reference's recipe. A bounded head gives the amplitude by a sigmoid, the phase by a
hyperbolic tangent; `output` is a factor behind the network, which the measurement does not ask for."""
WATCHED = 64
"""Patterns whose predictions are compared."""


def overlaid(*tables: Table) -> Table:
    """Later tables over earlier ones, at any depth; None takes a setting away."""
    merged: Table = {}
    for table in tables:
        for key, value in table.items():
            merged[key] = overlaid(merged.get(key, {}), value) if isinstance(value, dict) else value
    return {key: value for key, value in merged.items() if value is not None}


def arms() -> dict[str, tuple[str, Table]]:
    """Every recipe by its name, with the series that it belongs to."""
    reference = overlaid(COMMON, *(theirs for theirs, _ in DIFFERENCES.values()))
    ours = overlaid(COMMON, *(own for _, own in DIFFERENCES.values()))
    made = {"reference": ("reference", reference), "ours": ("ours", ours)}
    for name, (theirs, own) in DIFFERENCES.items():
        made[f"reference, our {name}"] = ("reference", overlaid(reference, own))
        made[f"ours, reference's {name}"] = ("ours", overlaid(ours, theirs))
    for name, changes in CHANGES.items():
        made[f"reference, {name}"] = ("changed", overlaid(reference, *changes))
    for name, (_, own) in DIFFERENCES.items():
        made[f"reference, ten times the rate, our {name}"] = ("rate", overlaid(reference, own, FAST))
    made["reference, ten times the rate, agc"] = ("rate", overlaid(reference, FAST, {"clip": "agc"}))
    made["ours, five times the rate"] = ("ours", overlaid(ours, FAST))
    return made


@dataclass(frozen=True)
class Job:
    """A run of one recipe."""

    arm: str
    seed: int
    width: int
    size: int
    epochs: int
    seconds: float | None
    device: str

    @property
    def config(self) -> Table:
        """The run's configuration; lines as crowded as in the reference's objects of 392 px."""
        simulator = {"name": "lines", "size": self.size, "segments": round(400 * self.size / 392), "scan": {"step": 4}}
        config = overlaid(
            arms()[self.arm][1],
            {
                "simulator": simulator,
                "generator": {"width": self.width},
                "seed": self.seed,
                "engine": {"threads": 1, "device": self.device},
                "train": {
                    "epochs": self.epochs,
                    "time_limit": self.seconds,
                    "batch_size": 16,
                    "checkpoint_interval": 1e9,
                },
            },
        )
        factor = config.pop("output", None)
        if factor is not None:
            config["generator"] = {"name": "scaled", "factor": factor, "network": config["generator"]}
        return config


@hookimpl
def ptycho_generators() -> list[Generator]:
    """This script is a plugin: it brings a network whose output is not on the scale that the measurement asks for."""
    return [Generator("scaled", backend="torch", summary="A network times a number.", target="recipe:build_scaled")]


def build_scaled(shape: PatchShape, *, factor: float, network: dict[str, Any]) -> nn.Module:
    """`stable_hybrid` or `hybrid`, and its patches times `factor`."""
    from torch import nn

    from ptycho_contrib_fno import hybrid, stable_hybrid

    class Times(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, inputs: Any) -> Any:
            return factor * self.inner(inputs)

    options = dict(network)
    return Times({"stable_hybrid": stable_hybrid, "hybrid": hybrid}[options.pop("name")].build(shape, **options))


def one(job: Job) -> dict[str, Any]:
    host, config = Host.discover(), job.config
    host.add(sys.modules[__name__])
    options = dict(config["simulator"])
    scan = simulate(options.pop("name"), options, seed=job.seed, host=host)
    with tempfile.TemporaryDirectory() as folder:
        run = train(config, out=Path(folder) / "run", host=host)
        metrics, history = run.metrics, run.history
        return {
            "label": f"{job.arm}, seed {job.seed}",
            "collapsed_epochs": [report.epoch for report in history if report.collapsed],
            "losses": [report.training_loss for report in history],
            "largest_gradient_norm": max(report.gradient_norm for report in history),
            "setbacks": run.bundle.facts["setbacks"],
            "parameters": run.bundle.facts["parameters"],
            "training_seconds": metrics["training"]["seconds"],
            **scores(metrics),
            **predictions(run, scan),
        }


def predictions(run: Run, scan: Scan) -> dict[str, float]:
    """How predicted amplitudes vary between patterns, over the measured variance, and their energy, over the measured.

    `dark_loss` is what a prediction of no light at all would cost.
    """
    watched = scan.subset(np.linspace(0, scan.count - 1, WATCHED).round().astype(int))
    patches = np.concatenate([batch.patches for batch in run.engine().predict(run.bundle, watched)])
    scale = run.bundle.scale
    predicted = diffraction_amplitude(patches, scale.model_probe(scan.probe))
    measured = scale.model_amplitude(watched.batch(slice(None)))
    return {
        "spread": float(predicted.var(axis=0).sum() / measured.var(axis=0).sum()),
        "energy": float(np.square(predicted).sum() / np.square(measured).sum()),
        "dark_loss": float(measured.mean()),
    }


def constant() -> dict[str, float]:
    """How good a constant of the right level is as the amplitude of one of the reference's objects, in its unit."""
    settings = {"size": 392, "amplitude_floor": 0.0, "phase": False, "scan": {"step": 4}}
    scan = simulate("lines", settings)
    assert scan.truth is not None
    amplitude = np.abs(scan.truth)
    amplitude /= sliding_window_view(amplitude, (64, 64))[::4, ::4].max(axis=(-2, -1)).mean()
    level, contrast = float(amplitude.mean()), float(np.ptp(amplitude))
    ssim = structural_similarity(amplitude, np.full_like(amplitude, level), data_range=contrast)
    return {"ssim": float(ssim), "mae": float(np.abs(amplitude - level).mean()), "level": level}


def jobs_of(arguments: argparse.Namespace) -> Iterator[Job]:
    """Seed after seed, so that what is cut short has as many of all recipes."""
    for seed in range(arguments.seeds):
        for arm in arguments.arms or arms():
            yield Job(arm, seed, arguments.width, arguments.size, arguments.epochs, arguments.seconds, arguments.device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seconds", type=float, help="of training, if it comes before the epochs are over")
    parser.add_argument("--size", type=int, default=192, help="of the object")
    parser.add_argument("--width", type=int, default=16, help="of all networks; the reference system's is 32")
    parser.add_argument("--arms", nargs="+", choices=list(arms()), help="recipes, all if not given")
    parser.add_argument("--name", default="recipe", help="of the results")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--until", type=float, help="seconds after which no run is begun")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    jobs_a_process = 1 if arguments.device == "cpu" else None
    order, flat = list(arms()), constant()
    for job, result in as_they_come(
        one, jobs_of(arguments), arguments.workers, jobs_a_process=jobs_a_process, seconds=arguments.until
    ):
        rows.append({"label": job.arm, "series": arms()[job.arm][0]} | asdict(job) | result)
        rows.sort(key=lambda row: (order.index(row["arm"]), row["seed"]))
        shown = ("epochs", "seconds", "size", "width", "device")
        content = {name: getattr(arguments, name) for name in shown} | {"constant": flat, "rows": rows}
        write_results(arguments.name, content)


if __name__ == "__main__":
    main()
