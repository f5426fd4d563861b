"""All benchmarks one after the other, then RESULTS.md.

python benchmarks/run_all.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = (
    "demo.py",
    "siemens_star.py",
    "refine.py",
    "lift.py",
    "natural.py",
    "pattern_sizes.py",
    "unseen.py",
    "conditions.py",
    "uncertainty.py",
    "collapse.py",
    "depth.py",
    "throughput.py",
    "spectral.py",
    "synchronisation.py",
    "backends.py",
    "xla.py",
    "crash.py",
    "fuzz.py",
    "many_devices.py",
    "render.py",
)


def main() -> None:
    for script in SCRIPTS:
        print(f"== {script}", flush=True)
        subprocess.run([sys.executable, str(Path(__file__).parent / script)], check=True)


if __name__ == "__main__":
    main()
