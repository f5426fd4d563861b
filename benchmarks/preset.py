"""The small preset of stable_hybrid against the default, on the demo's scan.

Speed: both train at the same time for the same seconds, one thread each, so that what else the machine does falls on
both. Quality: the demo with either preset.

    python benchmarks/preset.py --seconds 60 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
from typing import Any

from measuring import mean_and_spread, scores, side_by_side, trained, write_results

PRESETS = ("default", "small")


def one(job: tuple[str, int, float | None]) -> dict[str, Any]:
    preset, seed, seconds = job
    limit = {} if seconds is None else {"epochs": 10_000, "time_limit": seconds}
    result = trained(
        {
            "generator": {"name": "stable_hybrid", "preset": preset},
            "clip": "agc",
            "seed": seed,
            "engine": {"threads": 1},
            "train": limit,
        }
    )
    metrics = result["metrics"]
    return {
        "label": f"{preset}, seed {seed}",
        "preset": preset,
        "seed": seed,
        "parameters": result["facts"]["parameters"],
        "patterns_per_second": metrics["training"]["patterns_per_second"],
        "epochs": metrics["training"]["epochs"],
        **scores(metrics),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="of training for the speed")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="of the demo; none leaves it out")
    arguments = parser.parse_args()
    speed = side_by_side(one, [(preset, 0, arguments.seconds) for preset in PRESETS], workers=2)
    default, small = (row["patterns_per_second"] for row in speed)
    print(f"small over default: {small / default:.2f} times the patterns a second")
    demo = side_by_side(one, [(preset, seed, None) for seed in arguments.seeds for preset in PRESETS], workers=2)
    for preset in PRESETS if demo else ():
        rows = [row for row in demo if row["preset"] == preset]
        amplitude, phase = (mean_and_spread([row[key] for row in rows]) for key in ("amplitude_ssim", "phase_ssim"))
        print(f"{preset}: amplitude SSIM {amplitude}, phase SSIM {phase}")
    print(
        write_results("preset", {"seconds": arguments.seconds, "ratio": small / default, "speed": speed, "demo": demo})
    )


if __name__ == "__main__":
    main()
