"""Generator `unrolled`: a few steps of phase retrieval, each corrected by a network that knows the object's class."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ptycho_contrib_fno.heads import RealImagHead
from ptycho_contrib_fno.levels import plan_levels
from ptycho_contrib_fno.options import (
    Blocks,
    Downsamplings,
    InputTransform,
    Layout,
    MaxHiddenChannels,
    Modes,
    Upsampling,
    Width,
)
from ptycho_contrib_fno.stable_hybrid import COARSEST_FEATURES, Stabiliser, StableTrunk
from ptycho_contrib_fno.transforms import transform_amplitude
from ptycho_host.contracts import GeneratorInputs, PatchShape
from ptycho_torch.physics import projection_update


class UnrolledNetwork(nn.Module):
    """O_k+1 = O_k + U_k + f_k(T(A), O_k, U_k) from the back-projection O_0, with U_k the projection update of O_k.

    f_k is the k-th of the `stages`, images (B, 5C, N, N) to complex patches (B, C, N, N); T is the input transform.
    Learned iterations: Gregor and LeCun, ICML 2010; Adler and Öktem, IEEE Trans. Med. Imaging 37 (2018) 1322.
    """

    def __init__(self, stages: nn.ModuleList, repeats: int, input_transform: InputTransform) -> None:
        """All stages one after another, `repeats` times."""
        super().__init__()
        self.stages = stages
        self.repeats = repeats
        self.input_transform = input_transform

    def forward(self, inputs: GeneratorInputs) -> Tensor:
        """(B, C, N, N) complex64 object patches in model units."""
        amplitude = transform_amplitude(inputs.amplitude, self.input_transform)
        patches: Tensor = inputs.initial
        for _ in range(self.repeats):
            for stage in self.stages:
                update = projection_update(patches, inputs.amplitude, inputs.probe, inputs.bad_pixels)
                images = torch.cat([amplitude, patches.real, patches.imag, update.real, update.imag], dim=1)
                patches = patches + update + stage(images)
        return patches


def build(
    shape: PatchShape,
    *,
    stages: Annotated[int, Field(ge=1, le=32, description="Projection updates, each corrected by a network.")] = 3,
    shared: Annotated[
        bool, Field(description="Whether one network corrects all updates, or each has its own.")
    ] = False,
    width: Width = 16,
    modes: Modes = 8,
    blocks: Blocks = 3,
    stem: Annotated[
        int, Field(ge=1, le=8, description="Pixels a side that one feature pixel stands for at the finest level.")
    ] = 2,
    downsamplings: Downsamplings = None,
    max_hidden_channels: MaxHiddenChannels = 64,
    stabiliser: Stabiliser = "zero_gamma",
    upsampling: Upsampling = "transposed",
    layout: Layout = "two_corner",
    input_transform: InputTransform = "log1p",
) -> nn.Module:
    """The network that untrained makes plain projection updates, one a stage.

    Every stage is a small `stable_hybrid` that also sees what the physics asks for: where amplitude and phase have
    nothing in common, this is what single patterns can still tell (docs/generators.md).

    Raises OptionError if N cannot be divided as `stem` and `downsamplings` need.
    """
    levels = plan_levels(
        shape.pixels,
        patch=stem,
        width=width,
        max_hidden_channels=max_hidden_channels,
        blocks=blocks,
        downsamplings=downsamplings,
        coarsest=COARSEST_FEATURES,
    )

    def stage() -> nn.Module:
        only_updates = stabiliser == "zero_gamma"
        trunk = StableTrunk(
            5 * shape.channels, levels, blocks, modes, layout, stabiliser, upsampling, stem, only_updates=only_updates
        )
        return nn.Sequential(trunk, RealImagHead(levels[0].channels, shape.channels, stem, zero=not only_updates))

    networks = nn.ModuleList(stage() for _ in range(1 if shared else stages))
    return UnrolledNetwork(networks, stages if shared else 1, input_transform)
