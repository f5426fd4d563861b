"""What a user does in Ptychodus, done in one process of its environment: `python beamline.py FOLDER`.

FOLDER/in holds a scan. What was seen goes to FOLDER/seen.json and FOLDER/window.png; the logs to standard output.
"""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from ptychodus.__main__ import main
from ptychodus.api.io import load_diffraction_data, load_product
from ptychodus.api.object import Object, ObjectCenter
from ptychodus.api.probe import ProbeSequence
from ptychodus.api.reconstruct import ReconstructInput
from window import work_at_the_window

from ptycho_host.contracts import Reconstruction
from ptycho_ptychodus.in_ptychodus.conversion import mean_probe, product_of, scan_of, what_is_used


def batch(action: str, source: Path, out: Path) -> int:
    """The exit code of `ptychodus -b action -i source -o out`."""
    sys.argv = ["ptychodus", "-b", action, "-i", str(source), "-o", str(out)]
    return int(main())


def awkward(folder: Path) -> dict[str, object]:
    """A product with a second probe mode and layer, whose object has lost 20 rows and 8 columns, as we convert it."""
    data, product = load_diffraction_data(folder / "diffraction.h5"), load_product(folder / "product.h5")
    obj, probe = product.object_, product.probes.get_array()[0, 0]
    count = len(product.probe_positions) // 2 * 2
    pixel, centre = obj.get_pixel_geometry(), obj.get_center()
    layer = obj.get_layer(0)[20:, :-8]
    moved = ObjectCenter(x_m=centre.x_m - 4 * pixel.width_m, y_m=centre.y_m + 10 * pixel.height_m)
    changed = replace(
        product,
        object_=Object(np.stack([layer, layer]), pixel, moved, [1e-6]),
        probes=ProbeSequence(
            # A second coherent mode, turned by 90 degrees, that comes and goes, and two incoherent ones.
            np.stack([[probe, probe / 3], [np.rot90(probe), np.zeros_like(probe)]]),
            np.stack([np.ones(count), np.resize([0.2, -0.2], count)], axis=1),
            product.probes.get_pixel_geometry(),
        ),
    )
    given = ReconstructInput(data.get_patterns(), data.get_bad_pixels(), changed)
    scan, low = scan_of(given, mode=1)
    found = Reconstruction(np.ones(scan.canvas_shape(), np.complex64), np.ones(scan.canvas_shape(), np.float32))
    new = product_of(given, found, low, [], "Reconstructed.")
    geometry = new.object_.get_geometry()
    y = geometry.map_probe_positions_to_object_y_px(new.probe_positions)
    x = geometry.map_probe_positions_to_object_x_px(new.probe_positions)
    return {
        "canvas": scan.canvas_shape(),
        "given": obj.get_array().shape[-2:],
        "cut": layer.shape,
        "off": float(np.abs(np.stack([y, x], axis=1) + 0.5 - scan.positions).max()),
        "mode": float(np.abs(scan.probe * 3 - probe).max()),
        "said": what_is_used(mean_probe(changed), 1, 2),
        "varying": mean_probe(changed).said,
        "kept": new.probes.get_opr_weights().shape,
    }


def everything(folder: Path) -> None:
    """All of it, in the order of a working day."""
    seen = work_at_the_window(folder)
    seen["untrained"] = batch("reconstruct", folder / "in", folder / "untrained")
    seen["train"] = batch("train", folder / "in", folder / "trained")
    shutil.copy(folder / "trained" / "model.ptycho", folder / "in")
    seen["reconstruct"] = batch("reconstruct", folder / "in", folder / "out")
    seen["awkward"] = awkward(folder / "in")
    (folder / "seen.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    everything(Path(sys.argv[1]))
