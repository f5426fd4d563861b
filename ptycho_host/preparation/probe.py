"""Another probe: smoothed, apodised, or taken from a file and brought to the patterns' size. Its energy stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.signal.windows import tukey
from skimage.restoration import unwrap_phase

from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.formats.reading import probe_file
from ptycho_host.data.scan import ComplexArray, Scan
from ptycho_host.errors import DataError
from ptycho_host.preparation.energy import with_energy_of

Complex = NDArray[np.complexfloating[Any, Any]]
Resize = Literal["pad", "spline", "extrapolate"]


def smooth_probe(
    *, sigma: Annotated[float, Field(gt=0, description="standard deviation of the Gaussian, object pixels")]
) -> Callable[[Scan], Scan]:
    """Convolve the complex probe with a Gaussian."""

    def apply(scan: Scan) -> Scan:
        real, imaginary = (gaussian_filter(part, sigma) for part in (scan.probe.real, scan.probe.imag))
        return replace(scan, probe=with_energy_of(scan.probe, real + 1j * imaginary))

    return apply


def apodise_probe(
    *, taper: Annotated[float, Field(gt=0, le=1, description="fraction of each side over which the window falls")] = 0.2
) -> Callable[[Scan], Scan]:
    """Multiply the probe by a Tukey window along both axes: one inside, falling to zero at the border as a cosine."""

    def apply(scan: Scan) -> Scan:
        window = tukey(scan.pixels, taper)
        return replace(scan, probe=with_energy_of(scan.probe, scan.probe * window * window[:, None]))

    return apply


def replace_probe(
    *,
    file: Annotated[Path, Field(description="the probe: .npy, or .npz with probeGuess")],
    resize: Annotated[
        Resize | None,
        Field(
            description="to the patterns' size: pad with zeros (same pixel), spline (same field, finer pixel), or "
            "extrapolate (same pixel, amplitude of the border, phase a r² + b); none: it has that size"
        ),
    ] = None,
) -> Callable[[Scan], Scan]:
    """Take the probe from a file, scaled to the old one's energy."""

    def apply(scan: Scan) -> Scan:
        stored = probe_file(file)
        check = ScanChecker(str(file))
        if resize is None:
            return replace(scan, probe=with_energy_of(scan.probe, check.probe(stored, scan.pixels)))
        if stored.ndim < 2 or stored.shape[-1] != stored.shape[-2]:
            raise check.fail("probeGuess", f"has shape {stored.shape}", "it must be (N, N)")
        probe = check.probe(stored, stored.shape[-1])
        return replace(scan, probe=with_energy_of(scan.probe, resized(probe, scan.pixels, resize)))

    return apply


def resized(probe: ComplexArray, pixels: int, how: Resize) -> Complex:
    """A probe (K, K) as (N, N); its centre, [K//2, K//2], comes to [N//2, N//2]. Raises DataError when it cannot.

    spline: cubic splines of real and imaginary part over the same field. pad: zeros around. extrapolate: around it the
    modulus of the nearest border pixel, and the phase a r^2 + b fitted to the unwrapped one with weights |P|^2.
    """
    old = len(probe)
    if how == "spline":
        line = (np.arange(pixels) - pixels // 2) * old / pixels + old // 2
        where = np.meshgrid(line, line, indexing="ij")
        real, imaginary = (map_coordinates(part, where, order=3, mode="nearest") for part in (probe.real, probe.imag))
        return np.asarray(real + 1j * imaginary)
    if pixels < old:
        raise DataError(f"a probe of {old} pixels cannot be padded to {pixels}; use resize=spline, or crop it.")
    first = pixels // 2 - old // 2
    margins = (first, pixels - old - first)
    if how == "pad":
        return np.asarray(np.pad(probe, margins))
    wide = np.pad(np.abs(probe), margins, mode="edge") * np.exp(1j * _quadratic_phase(probe, pixels))
    wide[first : first + old, first : first + old] = probe
    return np.asarray(wide)


def _quadratic_phase(probe: ComplexArray, pixels: int) -> NDArray[np.float64]:
    """A r^2 + b on (N, N), as the phase of the probe (K, K) has it around its centre."""
    weight = np.abs(probe.astype(np.complex128))
    phase = np.asarray(unwrap_phase(np.angle(probe)), dtype=np.float64)  # type: ignore[no-untyped-call]
    squared = _squared_radius(len(probe))
    design = np.stack([squared.ravel(), np.ones(squared.size)], axis=1) * weight.ravel()[:, None]
    (a, b), *_ = np.linalg.lstsq(design, phase.ravel() * weight.ravel(), rcond=None)
    return np.asarray(a * _squared_radius(pixels) + b)


def _squared_radius(pixels: int) -> NDArray[np.float64]:
    line = np.arange(pixels, dtype=np.float64) - pixels // 2
    return np.asarray(line**2 + line[:, None] ** 2)
