"""The probe of the study: which one, and how it gets the size of a pattern."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho_host import Host
from ptycho_host.configured import configure
from ptycho_host.contracts import SimulationRequest
from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.formats.reading import probe_file
from ptycho_host.errors import ConfigError, DataError, quoted
from ptycho_host.preparation.probe import Resize, resized
from ptycho_studies.grid_lines.settings import LinesData

Complex = NDArray[np.complexfloating[Any, Any]]

RESIZING: dict[str, Resize] = {"pad": "pad", "interp": "spline", "extrapolate": "extrapolate"}
"""Steps that change the size, and how `ptycho prepare` calls them."""
MODES = {
    "pad_preserve": "smooth:{smoothing:g}|pad:{pixels}",
    "interpolate": "interp:{pixels}|smooth:{smoothing:g}",
    "pad_extrapolate": "smooth:{smoothing:g}|extrapolate:{pixels}",
}
"""What the named ways are, as steps."""
SHIPPED: dict[str, dict[str, Any]] = {
    "defocused_disc": {"shape": "disc"},
    "disc": {"shape": "disc", "curvature": 0},
    "gold_balls": {"shape": "gold_balls"},
}
"""Probes of the simulators, by the option of theirs that makes them."""
STORED = 64
"""Pixels a side of the published probe, and of what takes its place."""


def make_probe(settings: LinesData, host: Host) -> Complex:
    """The probe (N, N) on an arbitrary scale; raises InputError when file, steps and size do not fit together."""
    probe = _stored_probe(settings, host)
    steps = MODES.get(settings.probe_scale, settings.probe_scale)
    scaled = run_steps(probe, steps.format(smoothing=settings.probe_smoothing, pixels=settings.pixels))
    if len(scaled) != settings.pixels:
        raise ConfigError(
            f"probe_scale '{settings.probe_scale}' makes a probe of {len(scaled)} pixels, and patterns have "
            f"{settings.pixels}; end with a step such as 'interp:{settings.pixels}'."
        )
    return scaled


def run_steps(probe: Complex, steps: str) -> Complex:
    """The probe (K, K) after steps such as `smooth:0.5|pad:128|interp:256`, one after the other.

    smooth: real and imaginary part convolved with a Gaussian of that standard deviation in pixels. pad, interp,
    extrapolate: to that many pixels, as `ptycho_host.preparation.probe.resized` has it. Raises ConfigError for other
    steps, DataError where padding would have to crop.
    """
    for step in steps.split("|"):
        name, _, text = step.strip().partition(":")
        try:
            if name == "smooth" and 0 <= (sigma := float(text)) < len(probe):
                probe = gaussian_filter(probe.real, sigma) + 1j * gaussian_filter(probe.imag, sigma)
                continue
            if name in RESIZING and 1 < int(text) <= 4096:
                probe = resized(probe.astype(np.complex64), int(text), RESIZING[name])
                continue
        except ValueError:
            pass
        raise ConfigError(
            f"'{step}' of probe_scale '{steps}' is no step; use {quoted(MODES)}, or steps smooth:SIGMA, pad:PIXELS, "
            "interp:PIXELS, extrapolate:PIXELS with | between them."
        )
    return probe


def _stored_probe(settings: LinesData, host: Host) -> Complex:
    if settings.probe in SHIPPED:
        # An ideal disc has the size of the pattern; others are brought to it, as a probe from a file is.
        pixels = {"disc": settings.pixels, "defocused_disc": min(STORED, settings.pixels)}.get(settings.probe, STORED)
        options = {"size": 2 * pixels, "pixels": pixels, "probe": SHIPPED[settings.probe]}
        simulator = configure(host, "simulator", "lines", options).build()
        middle = np.full((1, 2), float(pixels))
        probe: Complex = simulator(SimulationRequest(positions=middle), np.random.default_rng(0)).probe
        return probe
    path = Path(settings.probe)
    if not path.is_file():
        raise DataError(f"there is no probe '{settings.probe}'; give the path of a file, or one of {quoted(SHIPPED)}.")
    stored = probe_file(path)
    return ScanChecker(str(path)).probe(stored, stored.shape[-1] if stored.ndim else 0)
