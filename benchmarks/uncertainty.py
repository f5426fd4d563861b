"""Whether uncertainties are what they say: predicted ones beside true errors on simulated scans.

Networks of each class of objects are trained for the same seconds, then reconstruct unseen scans, by themselves and as
an ensemble. The factors of `ptycho_host.metrics.uncertainty` are fitted on some of these scans (calibration) and held
against others (test), which no network and no fit has seen: other objects of the class, also at wider steps and
with fewer photons, and objects of classes that the network was not trained for.

    python benchmarks/uncertainty.py --seconds 60 --seeds 0 1 2 --workers 2
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from measuring import as_they_come, write_results

Row = dict[str, Any]
Factors = tuple[float, float]
QUANTITIES = ("amplitude", "phase")
STEPS, ONE_STEP = (8, 16, 24), 16
"""Networks are trained at the first; fewer photons and other classes are tried at the last."""
CLASSES = ("lines", "image", "random_field")
PICTURES = {
    "training": ("astronaut", "coins"),
    "calibration": ("camera", "moon"),
    "test": ("coffee", "chelsea"),
}
SEEDS = {"calibration": 1001, "test": 2002}
"""Of the objects and of their photon noise; networks are trained on scans of their own seeds."""


class Team(NamedTuple):
    """Runs of one class, to be held against the scans of a part, each alone and all as an ensemble.

    photons: of a pattern, many as in training and few. factors: b for amplitude and phase; None: the defaults.
    """

    sample: str
    photons: tuple[float, float]
    runs: tuple[str, ...]
    part: str
    device: str
    factors: Factors | None


def simulator(sample: str, part: str, photons: float, step: int) -> dict[str, Any]:
    table = {"name": sample, "size": 256, "pixels": 64, "photons": photons, "scan": {"step": step}}
    if sample == "image":
        table |= dict(zip(QUANTITIES, PICTURES[part], strict=True))
    return table


def train_member(job: tuple[str, str, float, int, float, str, str]) -> Row:
    """Train one network and leave its run in the folder."""
    from ptycho_host import train

    generator, sample, photons, seed, seconds, device, folder = job
    config = {
        "simulator": simulator(sample, "training", photons, STEPS[0]),
        "generator": generator,
        "clip": "agc",
        "seed": seed,
        "engine": {"threads": 1, "device": device},
        "train": {"time_limit": seconds},
    }
    path = Path(folder) / f"{sample}-{seed}"
    run = train(config, out=path)
    metrics = run.metrics
    return {
        "label": f"trained {path.name}",
        "sample": sample,
        "seed": seed,
        "run": str(path),
        "epochs": metrics["training"]["epochs"],
        **{f"{name}_ssim": metrics[name]["ssim"] for name in QUANTITIES},
    }


def judge(team: Team) -> Row:
    """The uncertainties of these runs on all scans of the part, beside the true errors."""
    from ptycho_host import Host, Run, simulate

    host = Host.discover()
    runs = [Run.open(path, host=host, settings=[f"engine.device={team.device}"]) for path in team.runs]
    rows = []
    many, few = team.photons
    scans = [*((team.sample, step, many) for step in STEPS), (team.sample, ONE_STEP, few)]
    if team.part == "test":
        scans += [(other, ONE_STEP, many) for other in CLASSES if other != team.sample]
    for sample, step, photons in scans:
        options = simulator(sample, team.part, photons, step)
        scan = simulate(options.pop("name"), options, seed=SEEDS[team.part], host=host)
        made = {run.config.seed: run.assemble(scan, refiner=False).reconstruction for run in runs}
        for seeds in [*([seed] for seed in made), *([list(made)] if len(made) > 1 else [])]:
            members = [made[seed] for seed in seeds]
            for quantity, found in held_against_truth(members, scan, team.factors).items():
                about = {"trained": team.sample, "sample": sample, "photons": photons, "step": step}
                rows.append({**about, "part": team.part, "seeds": seeds, "quantity": quantity, **found})
    return {"label": f"{team.part} of {team.sample}", "rows": rows}


def held_against_truth(members: list[Any], scan: Any, factors: Factors | None) -> dict[str, Row]:
    """Errors, uncertainties and their reliability for amplitude and phase of one reconstruction, or of their mean."""
    from dataclasses import replace

    import numpy as np

    from ptycho_host.metrics.alignment import align
    from ptycho_host.metrics.region import covered_pixels, covered_region
    from ptycho_host.metrics.reliability import reliability, true_errors
    from ptycho_host.metrics.uncertainty import stitched_uncertainty
    from ptycho_host.workflows.ensemble import ensemble_mean

    def made(common: Factors | None) -> Any:
        said = [replace(member, uncertainty=stitched_uncertainty(member, scan, common)) for member in members]
        return said[0] if len(said) == 1 else ensemble_mean(said, scan)

    chosen, without, unit = (made(common) for common in (factors, (0.0, 0.0), (1.0, 1.0)))
    covered = covered_pixels(scan, chosen.object.shape)
    region = covered_region(covered)
    errors = true_errors(align(scan.truth, chosen.object, region, weights=covered), scan.truth, covered)
    found: dict[str, Row] = {}
    for quantity, error in zip(QUANTITIES, errors, strict=True):
        inside = error[region.slices]
        maps = [getattr(each.uncertainty, quantity)[region.slices] for each in (chosen, without, unit)]
        known = np.isfinite(inside) & np.all(np.isfinite(maps), axis=0)
        squares = [float(np.mean(values[known].astype(np.float64) ** 2)) for values in (inside, *maps)]
        curve = reliability(inside, maps[0])
        assert curve is not None
        found[quantity] = {
            "rms_error": math.sqrt(squares[0]),
            "rms_uncertainty": math.sqrt(squares[1]),
            # The parts of u^2 = independent + b^2 common.
            "independent": squares[2],
            "common": squares[3] - squares[2],
            "within": list(curve.within),
            "predicted": curve.predicted.tolist(),
            "found": curve.found.tolist(),
        }
    return found


def fitted(rows: Iterable[Row]) -> Factors | None:
    """The factors of networks by themselves that miss the errors of these rows by the least ratio."""
    own = [row for row in rows if len(row["seeds"]) == 1]
    if not own:
        return None
    amplitude, phase = ([row for row in own if row["quantity"] == quantity] for quantity in QUANTITIES)
    return best_factor(amplitude), best_factor(phase)


def best_factor(rows: list[Row]) -> float:
    """The b with the least mean square of log(error / uncertainty)."""
    from scipy.optimize import minimize_scalar

    def mismatch(logarithm: float) -> float:
        factor = math.exp(logarithm)
        return sum(
            math.log(row["rms_error"] ** 2 / (row["independent"] + factor**2 * row["common"])) ** 2 for row in rows
        )

    return math.exp(minimize_scalar(mismatch, bounds=(math.log(0.01), math.log(100)), method="bounded").x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="unrolled")
    parser.add_argument("--seconds", type=float, default=60, help="training of each network")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the networks")
    parser.add_argument("--samples", nargs="+", default=["lines", "image"], help="classes to train on")
    parser.add_argument("--photons", type=float, nargs=2, default=[1e9, 1e5], help="of a pattern: many, few")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    content: dict[str, Any] = {name: getattr(arguments, name) for name in ("generator", "seconds")}
    content |= {"factors": None, "networks": [], "rows": []}
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            (arguments.generator, sample, arguments.photons[0], seed, arguments.seconds, arguments.device, folder)
            for seed in arguments.seeds
            for sample in arguments.samples
        ]
        runs: dict[str, list[str]] = {}
        for (_, sample, *_), result in as_they_come(train_member, jobs, arguments.workers):
            if "error" not in result:
                runs.setdefault(sample, []).append(result.pop("run"))
            content["networks"].append(result)
            write_results("uncertainty", content)
        for part in ("calibration", "test"):
            teams = [
                Team(sample, tuple(arguments.photons), tuple(sorted(paths)), part, arguments.device, content["factors"])
                for sample, paths in runs.items()
            ]
            for _, result in as_they_come(judge, teams, arguments.workers):
                content["rows"] += result.get("rows", [result])
                write_results("uncertainty", content)
            if part == "calibration":
                content["factors"] = fitted(row for row in content["rows"] if "step" in row)
                print(content["factors"], flush=True)
        print(write_results("uncertainty", content))


if __name__ == "__main__":
    main()
