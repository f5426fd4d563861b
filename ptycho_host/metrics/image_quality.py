"""Scores of one real map (an amplitude or a phase) against the true one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ptycho_host.metrics.frc import FRCCurve, fourier_ring_correlation
from ptycho_host.metrics.region import Mask

Map = NDArray[np.float64]
WINDOW = 7
"""Side in pixels of the uniform window of SSIM, scikit-image's default."""


@dataclass(frozen=True, slots=True)
class ImageMetrics:
    """Scores of a map; None where a score is not defined, and `reasons` says why, by the score's name.

    ssim: mean structural similarity (Wang et al., IEEE Trans. Image Process. 13 (2004)). mae, mse: mean absolute and
    squared error in the map's unit. psnr: 10 log10(range^2 / mse) in dB. frc50, frc_half_bit: cycles per pixel.
    `frc` is the curve that the last two come from.
    """

    ssim: float | None
    mae: float | None
    mse: float | None
    psnr: float | None
    frc50: float | None
    frc_half_bit: float | None
    reasons: Mapping[str, str] = field(default_factory=dict)
    frc: FRCCurve | None = field(default=None, repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """The scores by name, null where not defined, and `reasons` if there are any."""
        scores: dict[str, Any] = {name: getattr(self, name) for name in SCORES}
        return scores | ({"reasons": dict(self.reasons)} if self.reasons else {})


SCORES = ("ssim", "mae", "mse", "psnr", "frc50", "frc_half_bit")


def image_metrics(truth: Map, image: Map, compared: Mask, *, quantity: str, smallest_range: float) -> ImageMetrics:
    """Scores of `image` against `truth`, both (H, W), over the `compared` pixels (H, W).

    The range of SSIM and PSNR is the truth's over the compared pixels. Other pixels are given one value in both maps
    and left out of every mean. A map whose range is at most `smallest_range` is flat; `quantity` names it in reasons.
    """
    if not compared.any():
        return _undefined(f"no pixel of the region can be compared in {quantity}")
    if not np.isfinite(image[compared]).all():
        return _undefined(f"the reconstructed {quantity} is not finite")
    difference = image[compared] - truth[compared]
    data_range = float(np.ptp(truth[compared]))
    scores: dict[str, float | None] = {
        "mae": float(np.abs(difference).mean()),
        "mse": float(np.square(difference).mean()),
    }
    reasons: dict[str, str] = {}
    curve = None
    neutral = float(truth[compared].mean())
    true_map, map_ = np.where(compared, truth, neutral), np.where(compared, image, neutral)

    if data_range <= smallest_range:
        reasons = dict.fromkeys(("ssim", "psnr", "frc50", "frc_half_bit"), f"the true {quantity} is flat")
    else:
        if scores["mse"] == 0:
            reasons["psnr"] = "the error is zero"
        else:
            psnr = peak_signal_noise_ratio(  # type: ignore[no-untyped-call]
                truth[compared], image[compared], data_range=data_range
            )
            scores["psnr"] = float(psnr)
        if min(truth.shape) < WINDOW:
            reasons["ssim"] = f"the region is narrower than the window of {WINDOW} pixels"
        elif (ssim := _mean_similarity(true_map, map_, compared, data_range)) is None:
            reasons["ssim"] = "no compared pixel lies away from the region's edge"
        else:
            scores["ssim"] = ssim
        if min(truth.shape) < WINDOW:
            reasons["frc50"] = reasons["frc_half_bit"] = "the region is too small for Fourier rings"
        elif np.ptp(map_[compared]) <= smallest_range:
            reasons["frc50"] = reasons["frc_half_bit"] = f"the reconstructed {quantity} is flat"
        else:
            curve = fourier_ring_correlation(true_map, map_)
            scores["frc50"], scores["frc_half_bit"] = curve.frc50, curve.frc_half_bit
    return ImageMetrics(**{name: scores.get(name) for name in SCORES}, reasons=reasons, frc=curve)


def _mean_similarity(truth: Map, image: Map, compared: Mask, data_range: float) -> float | None:
    """Mean of the similarity map over the compared pixels whose window lies inside; equals skimage's if all are."""
    _, similarity = structural_similarity(  # type: ignore[no-untyped-call]
        truth, image, win_size=WINDOW, data_range=data_range, full=True
    )
    margin = WINDOW // 2
    inner = (slice(margin, -margin), slice(margin, -margin))
    chosen = similarity[inner][compared[inner]]
    return float(chosen.mean()) if chosen.size else None


def _undefined(reason: str) -> ImageMetrics:
    return ImageMetrics(None, None, None, None, None, None, reasons=dict.fromkeys(SCORES, reason))
