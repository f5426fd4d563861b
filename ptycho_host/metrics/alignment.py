"""Removing what ptychography cannot know before an object is compared with the truth.

The scale of the amplitude (shared with the probe) and a constant phase are always free; a linear phase (a shifted
diffraction pattern) and a shift of the object (a shifted probe) only when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.optimize import minimize
from scipy.signal.windows import hann
from skimage.registration import phase_cross_correlation

from ptycho_host.metrics.region import Region

Complex = NDArray[np.complexfloating[Any, Any]]
Complex128 = NDArray[np.complex128]
Weights = NDArray[np.floating[Any]] | NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Alignment:
    """What was done to a reconstruction (H, W) to lay it on the truth, and the outcome, complex128.

    amplitude_scale: factor on the amplitude. phase: radians added. plane: radians a pixel (y, x) added, with its
    zero at pixel (0, 0), or None if not asked for. shift: pixels (y, x) moved, or None if not asked for.
    """

    object: Complex128 = field(repr=False, compare=False)
    amplitude_scale: float
    phase: float
    plane: tuple[float, float] | None = None
    shift: tuple[float, float] | None = None

    def as_json(self) -> dict[str, Any]:
        """The figures without the object."""
        return {
            "amplitude_scale": self.amplitude_scale,
            "phase_rad": self.phase,
            "plane_rad_per_pixel": None if self.plane is None else list(self.plane),
            "shift_pixels": None if self.shift is None else list(self.shift),
        }


def align(
    truth: Complex,
    reconstruction: Complex,
    region: Region,
    *,
    weights: Weights | None = None,
    remove_plane: bool = False,
    register: bool = False,
) -> Alignment:
    """The reconstruction (H, W) laid on the truth (H, W) as well as `region` shows; `weights` (H, W) count pixels.

    Order: shift, phase plane, constant phase, amplitude. Raises ValueError for two shapes.
    """
    if truth.shape != reconstruction.shape:
        raise ValueError(f"truth {truth.shape} and reconstruction {reconstruction.shape} differ in shape")
    counted = np.ones(truth.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    inside = region.slices
    target = truth[inside].astype(np.complex128)
    aligned = reconstruction.astype(np.complex128)
    rows, columns = np.ogrid[: truth.shape[0], : truth.shape[1]]

    def without_plane(image: Complex128) -> tuple[Complex128, tuple[float, float]]:
        slope = phase_plane(target, image[inside], counted[inside])
        return image * np.exp(1j * (slope[0] * rows + slope[1] * columns)), slope

    shift = plane = None
    if register:
        # A plane blurs the correlation that finds the shift, so it must not be there while the shift is sought.
        sought = without_plane(aligned)[0] if remove_plane else aligned
        shift = registration_shift(target, sought, region)
        aligned = shifted(aligned, shift)
    if remove_plane:
        aligned, plane = without_plane(aligned)
    phase = global_phase(target, aligned[inside], counted[inside])
    scale = amplitude_scale(target, aligned[inside], counted[inside])
    return Alignment(aligned * (scale * np.exp(1j * phase)), scale, phase, plane, shift)


def amplitude_scale(truth: Complex, reconstruction: Complex, weights: Weights) -> float:
    """The s that minimises sum w (|T| - s |R|)^2; 1 for an empty reconstruction."""
    energy = float(np.sum(weights * np.abs(reconstruction) ** 2))
    return float(np.sum(weights * np.abs(truth * reconstruction))) / energy if energy > 0 else 1.0


def global_phase(truth: Complex, reconstruction: Complex, weights: Weights) -> float:
    """The phi, radians, that minimises sum w |T - exp(i phi) R|^2: the argument of sum w T R*."""
    return float(np.angle(np.sum(weights * truth * reconstruction.conj())))


def phase_plane(truth: Complex, reconstruction: Complex, weights: Weights) -> tuple[float, float]:
    """Slopes (y, x) in radians a pixel of the linear phase that lays the reconstruction on the truth, best fit.

    They maximise |sum w T R* exp(-i (a y + b x))|, the least-squares fit of a plane wave to the complex product, so
    wrapped phases do no harm: the highest peak of its zero-padded Fourier transform, then BFGS.
    """
    product = weights * truth * reconstruction.conj()
    total = float(np.abs(product).sum())
    if total == 0:
        return 0.0, 0.0
    padded = [fft.next_fast_len(2 * length) for length in product.shape]
    spectrum = np.abs(fft.fft2(product, s=padded))
    peak = np.unravel_index(int(spectrum.argmax()), spectrum.shape)
    # Turns over the image, so that both unknowns are of order one.
    lengths = np.array(product.shape)
    coarse = lengths * [fft.fftfreq(size)[index] for size, index in zip(padded, peak, strict=True)]
    rows, columns = ((np.arange(length) - length / 2) * (2 * np.pi / length) for length in lengths)

    def mismatch(turns: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        row_wave, column_wave = np.exp(-1j * turns[0] * rows), np.exp(-1j * turns[1] * columns)
        by_row, by_column = product @ column_wave, row_wave @ product
        overlap = row_wave @ by_row
        slope = np.array([(-1j * rows * row_wave) @ by_row, by_column @ (-1j * columns * column_wave)])
        return -(abs(overlap) ** 2) / total**2, -2 * (np.conj(overlap) * slope).real / total**2

    fitted = minimize(mismatch, coarse, jac=True, method="BFGS", options={"gtol": 1e-10}).x
    slopes = 2 * np.pi * fitted / lengths
    return float(slopes[0]), float(slopes[1])


def registration_shift(truth_inside: Complex, reconstruction: Complex, region: Region) -> tuple[float, float]:
    """Shift (y, x) in pixels, to 1/100, that lays the reconstruction (H, W) on the truth inside the region.

    Complex cross-correlation under a Hann taper (Guizar-Sicairos et al., Opt. Lett. 33 (2008)), repeated on the
    shifted image because the taper pulls a single estimate towards zero.
    """
    taper = np.outer(*(hann(length, sym=False) for length in region.shape))

    def tapered(image: Complex) -> Complex:
        return np.asarray(taper * (image - np.sum(taper * image) / np.sum(taper)))

    total = np.zeros(2)
    for _ in range(4):
        moved = shifted(reconstruction, (total[0], total[1]))[region.slices]
        step, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]
            tapered(truth_inside), tapered(moved), upsample_factor=100, normalization=None
        )
        total += step
        if np.abs(step).max() < 0.01:
            break
    return float(total[0]), float(total[1])


def shifted(image: Complex, shift: tuple[float, float]) -> Complex128:
    """The image (H, W) moved by (y, x) pixels with cubic splines, its edge repeated."""
    if shift == (0.0, 0.0):
        return image.astype(np.complex128)
    return np.asarray(ndimage.shift(image.astype(np.complex128), shift, order=3, mode="nearest"))
