"""Harder conditions: dose, overlap, a wrong probe, wrong positions, light of two modes; network, refiner, both.

Each scan is spoilt in one way. A network is trained on it for a short while, knowing nothing of the damage; then a few
epochs of a refiner, which may change what is wrong (probe, positions, modes). The refiner also works by itself: for as
long as the network's pass and the refinement after it take together on one thread, and much longer. Where probe or
positions are wrong there are two further networks: one that learns the probe, and one that is trained with what the
refiner by itself found. Objects are judged after a shift and a phase plane are taken out, which patterns do not tell
where the probe is free.

    python benchmarks/conditions.py --seeds 0 1 2 --workers 2
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import as_they_come, scores, write_results

if TYPE_CHECKING:
    from ptycho_host import Reconstruction, Scan
    from ptycho_host.workflows.assembly import Assembly

PIXELS, SIZE, DIAMETER, CURVATURE = 64, 256, 32.0, 0.02
PHOTONS, OVERLAP = 1e9, 0.75
REFINER = "rpie"
SAMPLES = {"lines": "lines", "natural": "image"}
"""What is judged, and the simulator that makes it."""
WAIT = {"position_start": 5}
"""Epochs that the refiner needs by itself, from a uniform object, before positions can be told."""
USUAL = "usual"
"""The scan that nothing is wrong with: the first value of every condition."""


def raster(overlap: float) -> dict[str, Any]:
    """The scan of an overlap by diameter; jittered, as a regular one does not tell the probe from a periodic object."""
    return {"pattern": "jittered", "step": (1 - overlap) * DIAMETER}


def wrong_probe(scan: Scan, factor: float, *, of: str) -> Scan:
    """The scan with a probe whose diameter or curvature is that many times the true one, of the same light."""
    import numpy as np

    from ptycho_simulators.probes import ProbeShape, make_probe

    true = {"diameter": DIAMETER, "curvature": CURVATURE}
    probe = make_probe(ProbeShape(**true | {of: true[of] * factor}), PIXELS)
    return replace(scan, probe=probe * np.float32(np.linalg.norm(scan.probe) / np.linalg.norm(probe)))


def wrong_positions(scan: Scan, largest: float, *, seed: int) -> Scan:
    """The scan with errors of its positions, even up to `largest` px along each axis, where patches stay inside."""
    import numpy as np

    assert scan.truth is not None
    errors = np.random.default_rng([seed, 8]).uniform(-largest, largest, scan.positions.shape)
    inside = PIXELS / 2, scan.truth.shape[0] - PIXELS / 2
    return replace(scan, positions=np.clip(scan.positions + errors, *inside))


@dataclass(frozen=True)
class Condition:
    """Values to go through: what of the simulation depends on them, what is then done to the scan, what may change."""

    label: str
    usual: float
    values: tuple[float, ...]
    simulated: Callable[[float], Mapping[str, Any]] = lambda value: {}
    spoilt: Callable[..., Scan] | None = None
    free: Mapping[str, Any] = field(default_factory=dict)


FREE_PROBE = {"probe": "free"}
CONDITIONS = {
    "dose": Condition("photons a pattern", PHOTONS, (1e7, 1e6, 1e5, 1e4, 1e3), lambda value: {"photons": value}),
    "overlap": Condition(
        "overlap by diameter",
        OVERLAP,
        (0.8, 0.65, 0.5, 0.35, 0.2),
        lambda value: {"scan": raster(value)},
    ),
    "probe size": Condition(
        "diameter over the true one",
        1.0,
        (0.8, 0.9, 1.1, 1.2),
        spoilt=partial(wrong_probe, of="diameter"),
        free=FREE_PROBE,
    ),
    "defocus": Condition(
        "curvature over the true one",
        1.0,
        (0.0, 0.8, 0.9, 1.1, 1.2),
        spoilt=partial(wrong_probe, of="curvature"),
        free=FREE_PROBE,
    ),
    "positions": Condition(
        "largest error of a position (px)",
        0.0,
        (0.25, 0.5, 1.0, 2.0),
        spoilt=wrong_positions,
        free={"positions": "free"},
    ),
    "second mode": Condition(
        "part of the light in a second mode",
        0.0,
        (0.05, 0.1, 0.2, 0.4),
        lambda value: {"probe": {"second_mode": value}},
        free=FREE_PROBE | {"modes": 2},
    ),
}
USUAL_CONDITION = Condition("", 0.0, (0.0,))


@dataclass(frozen=True)
class Job:
    """One scan under one condition."""

    sample: str
    condition: str
    value: float
    seed: int
    generator: str
    seconds: float
    epochs: int
    longest: int
    device: str

    def named(self) -> dict[str, Any]:
        """What tells the row of this job from others."""
        label = f"{self.sample}, {self.condition} {self.value:g}, seed {self.seed}"
        names = {name: getattr(self, name) for name in ("sample", "condition", "value", "seed")}
        return {"label": label, **names}

    def scans(self) -> tuple[Scan, Scan]:
        """The true scan, and what the methods are given of it."""
        from ptycho_host import simulate

        condition = CONDITIONS.get(self.condition, USUAL_CONDITION)
        options: dict[str, Any] = {"size": SIZE, "pixels": PIXELS, "photons": PHOTONS}
        options["scan"] = raster(OVERLAP)
        scan = simulate(SAMPLES[self.sample], options | dict(condition.simulated(self.value)), seed=self.seed)
        if condition.spoilt is None:
            return scan, scan
        more = {"seed": self.seed} if condition.spoilt is wrong_positions else {}
        return scan, condition.spoilt(scan, self.value, **more)

    @property
    def free(self) -> dict[str, Any]:
        """What the refiner may change besides the object."""
        return dict(CONDITIONS.get(self.condition, USUAL_CONDITION).free)


def measure(job: Job) -> dict[str, Any]:
    """All arms on the scan of a job."""
    from ptycho_host.workflows.evaluation import as_refined

    true, given = job.scans()
    network, training = trained(job, given)
    arms = {"network": figures(network, true, given, network.seconds)}
    start = network.reconstruction
    polished = iterated(given, start, job.epochs, job.free)
    together = network.seconds + polished.seconds
    arms["network + refiner"] = figures(polished, true, given, together)
    if job.free:
        fixed = iterated(given, start, job.epochs, {})
        arms["network + refiner, nothing free"] = figures(fixed, true, given, network.seconds + fixed.seconds)
    freedom = job.free | WAIT if "positions" in job.free else job.free
    longest = iterated(given, None, job.longest, freedom)
    equal = min(job.longest, max(1, round(together / longest.seconds * job.longest)))
    alone = iterated(given, None, equal, freedom)
    arms["refiner, equal time"] = figures(alone, true, given, alone.seconds)
    arms["refiner, long"] = figures(longest, true, given, longest.seconds)
    if job.free == FREE_PROBE:
        arms |= both(job, "probe learnt", true, given, trainable_probe=True)
    if job.free and "modes" not in job.free:
        arms |= both(job, "refined first", true, as_refined(given, longest.reconstruction))
    return job.named() | {
        "patterns": given.count,
        "training": training,
        "equal_epochs": equal,
        "floor": floor(job, true),
        "arms": arms,
    }


def both(job: Job, name: str, true: Scan, given: Scan, **engine: Any) -> dict[str, dict[str, Any]]:
    """Another network, and the refiner after it."""
    network, _ = trained(job, given, **engine)
    then = iterated(given, network.reconstruction, job.epochs, job.free)
    return {
        name: figures(network, true, given, network.seconds),
        f"{name} + refiner": figures(then, true, given, network.seconds + then.seconds),
    }


def trained(job: Job, scan: Scan, **engine: Any) -> tuple[Assembly, dict[str, Any]]:
    """What a network makes of the scan that it was trained on, with more options of the engine."""
    from ptycho_host import Run, train, write_scan

    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "scan.npz", Path(folder) / "run"
        write_scan(scan, source)
        config = {
            "data": {"source": str(source)},
            "generator": job.generator,
            "seed": job.seed,
            "engine": {"threads": 1, "device": job.device, **engine},
            "train": {"time_limit": job.seconds},
        }
        run = train(config, out=out)
        wanted = ("epochs", "seconds", "patterns_per_second", "collapsed")
        training = {name: run.metrics["training"][name] for name in wanted}
        # Wherever it was trained, it is timed on one thread of the CPU, as the refiner is.
        return Run.open(out, settings=["engine.device=cpu"]).assemble(scan), training


def iterated(scan: Scan, start: Reconstruction | None, epochs: int, free: Mapping[str, Any]) -> Assembly:
    from ptycho_host import Host
    from ptycho_host.report.progress import SilentProgress
    from ptycho_host.workflows.refine import configure_refiner, refined

    choice = {"name": REFINER, "epochs": epochs, "threads": 1, "device": "cpu", **free}
    return refined(scan, configure_refiner(Host.discover(), choice), start, SilentProgress())


def figures(made: Assembly, true: Scan, given: Scan, seconds: float) -> dict[str, Any]:
    """Scores against the truth where the true scan lights it, and against the patterns as the arm explains them."""
    import numpy as np

    from ptycho_host.metrics.diffraction import diffraction_agreement
    from ptycho_host.metrics.object_metrics import object_metrics
    from ptycho_host.metrics.region import covered_pixels, covered_region
    from ptycho_host.workflows.evaluation import as_refined

    result = made.reconstruction
    assert true.truth is not None
    covered = covered_pixels(true, true.truth.shape)
    against = object_metrics(
        result.object, true.truth, covered_region(covered), covered=covered, remove_plane=True, register=True
    ).as_json()
    seen = as_refined(given, result)
    found = scores(against) | {
        "residual": diffraction_agreement(result.object, seen, result.further_modes).residual,
        "seconds": seconds,
    }
    if result.positions is not None:
        errors = result.positions - true.positions
        found["position_error"] = float(np.sqrt(np.mean(np.square(errors - errors.mean(axis=0)))))
    if result.probe is not None:
        found["probe_error"] = probe_distance(result.probe, true.probe)
    if result.further_modes is not None:
        further = float(np.sum(np.abs(result.further_modes) ** 2))
        found["second_mode"] = further / (further + float(np.sum(np.abs(result.probe) ** 2)))
    return found


def probe_distance(probe: Any, true: Any) -> float:
    """Relative distance of the moduli of two probes of the same light: phases are told but for a plane."""
    import numpy as np

    moduli = [np.abs(values) / np.linalg.norm(values) for values in (probe, true)]
    return float(np.linalg.norm(moduli[0] - moduli[1]))


def floor(job: Job, true: Scan) -> float | None:
    """The residual of the true object: counting noise."""
    from ptycho_host.metrics.diffraction import diffraction_agreement
    from ptycho_simulators.probes import coherent_modes

    first, *further = coherent_modes(true.probe, job.value if job.condition == "second mode" else 0.0)
    return diffraction_agreement(true.truth, replace(true, probe=first), further).residual


def jobs_of(arguments: argparse.Namespace) -> list[Job]:
    """Seed after seed of one sample after the other: what is left out when time is short are whole seeds at the end."""
    values = [(USUAL, 0.0), *((name, value) for name in arguments.conditions for value in CONDITIONS[name].values)]
    how = (arguments.generator, arguments.seconds, arguments.epochs, arguments.longest, arguments.device)
    return [
        Job(sample, name, value, seed, *how)
        for sample in arguments.samples
        for seed in (arguments.seeds if sample == arguments.samples[0] else arguments.seeds[: arguments.other_seeds])
        for name, value in values
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", nargs="+", choices=list(SAMPLES), default=list(SAMPLES))
    parser.add_argument("--conditions", nargs="+", choices=list(CONDITIONS), default=list(CONDITIONS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the first sample")
    parser.add_argument("--other-seeds", type=int, default=1, help="how many of them for the other sample")
    parser.add_argument("--generator", default="unrolled")
    parser.add_argument("--seconds", type=float, default=30, help="training of each network")
    parser.add_argument("--epochs", type=int, default=10, help="of the refiner after the network")
    parser.add_argument("--longest", type=int, default=60, help="epochs of the refiner by itself")
    parser.add_argument("--device", default="cpu", help="to train on; all else is done on the CPU")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--jobs-a-process", type=int, help="as many as come unless given")
    parser.add_argument("--until", type=float, help="seconds after which no further scan is begun")
    parser.add_argument("--name", default="conditions", help="of the results")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    content = {
        "size": SIZE,
        "generator": arguments.generator,
        "seconds": arguments.seconds,
        "refiner": REFINER,
        "epochs": arguments.epochs,
        "longest": arguments.longest,
        "device": arguments.device,
        "usual": {name: condition.usual for name, condition in CONDITIONS.items()},
        "labels": {name: condition.label for name, condition in CONDITIONS.items()},
        "rows": rows,
    }
    done = as_they_come(
        measure,
        jobs_of(arguments),
        arguments.workers,
        jobs_a_process=arguments.jobs_a_process,
        seconds=arguments.until,
    )
    for job, result in done:
        rows.append(job.named() | result)
        path = write_results(arguments.name, content)
    print(path)


if __name__ == "__main__":
    main()
