"""Patterns a second of prediction and stitching of one large scan: generators, stitchers, and where patches are added.

Networks are trained for a second only, which is nothing to their speed. "on the device": the patches stay where they
were predicted and the stitcher adds them up there; "in memory": the same, each batch copied into memory first. The best
of some passes, after one that is not counted.

    python benchmarks/reconstruction_speed.py --size 1400 --device cuda
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import write_results

if TYPE_CHECKING:
    from ptycho_host import Run, Scan
    from ptycho_host.contracts import PatchBatch, PatchStitcher
    from ptycho_host.workflows.assembly import Assembly

GENERATORS = ["stable_hybrid", "stable_hybrid, small", "unrolled"]


class InMemory:
    """A stitcher that knows nothing of devices."""

    def __init__(self, stitcher: PatchStitcher) -> None:
        self._stitcher = stitcher

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stitcher, name)

    def add(self, batch: PatchBatch) -> None:
        from ptycho_host.contracts import PatchBatch

        self._stitcher.add(PatchBatch(batch.patches, batch.positions))


def trained(generator: str, arguments: argparse.Namespace, folder: Path) -> Run:
    from ptycho_host import train

    name, *preset = generator.split(", ")
    config = {
        "simulator": {"name": "lines", "size": 256},
        "generator": {"name": name} | ({"preset": preset[0]} if preset else {}),
        "engine": {
            "device": arguments.device,
            "precision": arguments.precision,
            "prediction_batch": arguments.batch,
            "threads": arguments.threads,
        },
        "train": {"time_limit": 1},
    }
    return train(config, out=folder / "run")


def once(run: Run, scan: Scan, stitcher: str, *, in_memory: bool) -> Assembly:
    from ptycho_host.configured import configure
    from ptycho_host.report.progress import SilentProgress
    from ptycho_host.workflows.assembly import assemble

    built = configure(run.host, "stitcher", stitcher, {}).build()
    return assemble(run.engine(), run.bundle, scan, InMemory(built) if in_memory else built, SilentProgress())


def main() -> None:
    from ptycho_host import simulate

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1400, help="of the object, pixels a side")
    parser.add_argument("--step", type=float, default=8, help="of the raster, object pixels")
    parser.add_argument("--generators", nargs="+", default=GENERATORS, metavar="NAME[, PRESET]")
    parser.add_argument("--in-memory", nargs="*", default=GENERATORS[:1], help="generators that are measured so too")
    parser.add_argument("--stitchers", nargs="+", default=["probe_weighted", "synchronised"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--batch", type=int, help="patterns a prediction step; the engine's choice unless given")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--name", default="reconstruction_speed", help="of the results")
    arguments = parser.parse_args()
    scan = simulate("lines", {"size": arguments.size, "scan": {"pattern": "jittered", "step": arguments.step}}, seed=0)
    rows: list[dict[str, Any]] = []
    content = {
        "patterns": scan.count,
        "pixels": scan.pixels,
        "object": list(scan.canvas_shape()),
        "device": arguments.device,
        "precision": arguments.precision,
        "rows": rows,
    }
    for generator in arguments.generators:
        with tempfile.TemporaryDirectory() as folder:
            run = trained(generator, arguments, Path(folder))
            for stitcher in arguments.stitchers:
                for in_memory in (False, True) if generator in arguments.in_memory else (False,):
                    passes = [once(run, scan, stitcher, in_memory=in_memory) for _ in range(1 + arguments.passes)]
                    best = min(passes[1:], key=lambda made: made.seconds)
                    rows.append(
                        {
                            "label": f"{generator}, {stitcher}, {'in memory' if in_memory else 'on the device'}",
                            "generator": generator,
                            "stitcher": stitcher,
                            "in_memory": in_memory,
                            "patterns_per_second": scan.count / best.seconds,
                            "predict_seconds": best.predict_seconds,
                            "stitch_seconds": best.stitch_seconds,
                        }
                    )
                    print(rows[-1]["label"], f"{rows[-1]['patterns_per_second']:,.0f}", flush=True)
    print(write_results(arguments.name, content))


if __name__ == "__main__":
    main()
