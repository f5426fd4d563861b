"""Every file of a run, written to a disk that is full: a sentence, the old file, no crash."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The kernel refuses to let any file grow beyond 2 kB in the child, as a full disk would.
PROGRAM = """
import resource, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from ptycho_host.contracts import Bundle, PatchShape, Reconstruction
from ptycho_host.configured import configure
from ptycho_host.data.formats.npz import NpzWriter
from ptycho_host.data.scan import Scan
from ptycho_host.errors import RunFailedError
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.plugins import Host
from ptycho_host.records import EpochReport
from ptycho_host.runs.bundle import save_bundle
from ptycho_host.runs.checkpoint import save_checkpoint
from ptycho_host.runs.history import append_report
from ptycho_host.runs.product import write_product
from ptycho_host import native

path = Path(sys.argv[1])
rng = np.random.default_rng(0)
noise = rng.normal(size=(20, 20)).astype(np.complex64)
arrays = {f"w{i}": noise.real for i in range(30)}
scan = Scan(rng.uniform(size=(9, 8, 8)), np.full((9, 2), 10.0), noise[:8, :8])
reconstruction = Reconstruction(noise, noise.real)
any_component = configure(Host([native]), "dataset", "siemens_star")
report = EpochReport(1, 0.5, None, 1e-3, 1.0, 0.0, 1.0, 10.0, False)

def save_history():
    for epoch in range(1, 101):
        append_report(path, replace(report, epoch=epoch))

write = {
    "npz": lambda: NpzWriter().write(scan, path),
    "checkpoint": lambda: save_checkpoint(path, arrays, {}),
    "bundle": lambda: save_bundle(Bundle(any_component, arrays, PatchShape(8), IntensityScale(1.0, 1.0), {}), path),
    "product": lambda: write_product(path, reconstruction, scan, [report] * 30),
    "history": save_history,
}[sys.argv[2]]
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    write()
except RunFailedError as error:
    print(error)
"""


@pytest.mark.parametrize("what", ["npz", "checkpoint", "bundle", "product", "history"])
def test_a_full_disk_is_a_failed_run(tmp_path, what):
    path = tmp_path / "result"
    if what not in ("bundle", "history"):
        path.write_text("old")
    done = subprocess.run([sys.executable, "-c", PROGRAM, path, what], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("cannot write ")
    assert "File too large" in done.stdout
    if what == "bundle":
        assert not path.exists()
    elif what != "history":
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]
