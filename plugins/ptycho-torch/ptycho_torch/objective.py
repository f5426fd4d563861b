"""What training lowers: how badly patches explain their patterns, one by one and together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_host.config import TrainOptions
from ptycho_host.contracts import ForwardResult, Measurement, WeightedLoss
from ptycho_host.physics.patches import extract_patches
from ptycho_torch.consistency import GroupMerger
from ptycho_torch.patterns import PatternFeed
from ptycho_torch.physics import diffraction_amplitude


class Objective:
    """The weighted losses of single patterns and of groups."""

    def __init__(
        self,
        losses: Sequence[WeightedLoss],
        feed: PatternFeed,
        options: TrainOptions,
        merger: GroupMerger | None = None,
        *,
        supervised: bool = False,
    ) -> None:
        """Without a `merger` every pattern stands for itself; `supervised` losses get patches of the scan's truth."""
        self._losses = losses
        self._feed = feed
        self._options = options
        self._merger = merger
        truth = feed.scan.truth if supervised else None
        self._truth = None if truth is None else feed.scale.model_object(truth)
        self._bad_pixels = feed.bad_pixels

    def measurement(self, amplitude: Tensor, groups: NDArray[np.int64]) -> Measurement:
        """What was measured, amplitudes (B, C, N, N), in groups of patterns (B, C)."""
        patches = None
        if self._truth is not None:
            cut = extract_patches(self._truth, self._feed.scan.positions[groups.ravel()], self._feed.scan.pixels)
            patches = torch.from_numpy(cut).view(amplitude.shape).to(self._feed.device)
        return Measurement(amplitude, self._feed.scale.amplitude, patches)

    def of_patterns(self, patches: Tensor, measured: Measurement) -> Tensor:
        """Loss of patches (B, C, N, N), each with its own pattern; bad pixels count as predicted, whatever the loss."""
        probe = self._feed.probe
        amplitude = diffraction_amplitude(patches, probe)
        if self._bad_pixels is not None:
            amplitude = torch.where(self._bad_pixels, measured.amplitude, amplitude)
        predicted = ForwardResult(amplitude, self._feed.scale.amplitude, object_patches=patches, probe=probe)
        terms = [term.weight * term.loss(predicted, measured) for term in self._losses]
        return torch.stack(terms).sum()

    def of_groups(self, patches: Tensor, measured: Measurement, groups: NDArray[np.int64]) -> Tensor:
        """Loss of the patches (G·K/C, C, N, N) of `groups` (G, K): of the merged object and of each patch alone."""
        single = self.of_patterns(patches, measured)
        if self._merger is None:
            return single
        merged = self._merger(patches.view(*groups.shape, *patches.shape[-2:]), groups)
        together = self.of_patterns(merged.view_as(patches), measured)
        return self._options.group_weight * together + self._options.pattern_weight * single
