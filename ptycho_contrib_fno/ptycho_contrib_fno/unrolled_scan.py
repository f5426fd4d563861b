"""Generator `unrolled_scan`: phase retrieval of whole scans, with a network on the canvas that corrects the object."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_contrib_fno.blocks import folded
from ptycho_contrib_fno.levels import Decoder, Level, descend, downsample
from ptycho_contrib_fno.options import Width
from ptycho_host.contracts import PatchShape, RegionInputs

IMAGES = 7
"""What the network sees besides its memory: object, update and last change, two images each, and the light."""
HALF = 1 / 3
"""Light that counts as one half, in units of the scan's typical light."""
SMALLEST = 1e-6
"""Root mean square of an update, in model units, below which there is nothing to go by."""


class CanvasBlock(nn.Module):
    """y = x + gamma conv3x3(GELU(conv3x3(norm(x)))), with gamma 1e-3 for each channel at the start.

    The norm is over the channels of a pixel, so that canvases of all sizes are treated alike. (G, channels, H, W) to
    the same. Layer norm: Ba et al., arXiv:1607.06450; gamma: Touvron et al., ICCV 2021, section 2.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.gamma = nn.Parameter(torch.full((channels, 1, 1), 1e-3))

    def forward(self, x: Tensor) -> Tensor:
        """Features with the block's update added."""
        normalised = F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2]).permute(0, 3, 1, 2)
        update: Tensor = self.second(F.gelu(self.first(normalised)))
        return x + self.gamma * update


class CanvasNetwork(nn.Module):
    """A U-Net for canvases of any size: (G, images, H, W) to (G, made, H, W), zero until it is trained."""

    def __init__(self, images: int, made: int, width: int, levels: int, stem: int) -> None:
        super().__init__()
        self.stem = stem
        # Sizes are those of the canvas; levels only tell the channels here.
        self.plan = [Level(width * 2**level, 0) for level in range(levels)]
        self.lifter = nn.Conv2d(images * stem**2, width, 3, padding=1)
        self.encoder = nn.ModuleList(CanvasBlock(level.channels) for level in self.plan[:-1])
        self.down = nn.ModuleList(downsample(fine, coarse) for fine, coarse in pairwise(self.plan))
        self.bottom = nn.Sequential(*(CanvasBlock(self.plan[-1].channels) for _ in range(2)))
        self.decoder = Decoder(self.plan, "transposed")
        self.head = nn.Conv2d(width, made * stem**2, 1)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """What it makes of the images."""
        height, width = images.shape[-2:]
        multiple = self.stem * 2 ** (len(self.plan) - 1)
        padded = F.pad(images, (0, -width % multiple, 0, -height % multiple))
        features, set_aside = descend(self.lifter(folded(padded, self.stem)), self.encoder, self.down)
        made = self.head(self.decoder(self.bottom(features), set_aside))
        # Images, no longer features: each by itself in memory, as all that is done with them goes image by image.
        return F.pixel_shuffle(made.contiguous(), self.stem)[..., :height, :width].float()


@dataclass(frozen=True, slots=True)
class State:
    """Between two iterations: canvas (G, H, W), its last change, the network's memory (G, memory, H, W)."""

    canvas: Tensor
    change: Tensor
    memory: Tensor
    iteration: int = 0


class UnrolledScan(nn.Module):
    """O_k+1 = Y_k + U_k + s_k l f(Y_k, U_k / s_k, D_k / s_k, l, M_k) and M_k+1 = tanh g(the same).

    O_0 is made of back-projections. Y_k = O_k + b_k D_k goes on from the object by its last change D_k = O_k - O_k-1,
    as Nesterov does: b_k is k/(k + 3), and `momentum` at most. U_k is the parallel projection update of all patterns
    at Y_k, s_k its root mean square where light falls, l the light from 0 to 1, M_k the memory; f and g are one
    network, the same in all iterations. What the network adds scales with what the patterns still ask for: it ends
    where they are explained, and iterations early and late look alike to it.

    In training the first iterations, a random number of them, are not remembered, so that the network learns to go on
    from its own results, however many iterations there are.

    Momentum: Nesterov, Soviet Math. Dokl. 27 (1983) 372.
    """

    def __init__(self, network: CanvasNetwork, iterations: int, tracked: int, memory: int, momentum: float) -> None:
        super().__init__()
        self.network = network
        self.iterations = iterations
        self.tracked = min(tracked, iterations)
        self.memory = memory
        self.momentum = momentum

    def forward(self, region: RegionInputs) -> Tensor:
        """(G, H, W) complex64 objects in model units."""
        canvas: Tensor = region.initial
        light = _relative(region.light)
        memory = torch.zeros(len(canvas), self.memory, *canvas.shape[1:], device=canvas.device)
        state = State(canvas, torch.zeros_like(canvas), memory)
        tracked = self.iterations
        if self.training:
            tracked = self.tracked
            with torch.no_grad():
                for _ in range(int(torch.randint(self.iterations - tracked + 1, ()))):
                    state = self._after(state, region, light)
        for _ in range(tracked):
            state = self._after(state, region, light)
        return state.canvas

    def _after(self, state: State, region: RegionInputs, light: Tensor) -> State:
        """One iteration."""
        carried = min(state.iteration / (state.iteration + 3), self.momentum)
        canvas = state.canvas + carried * state.change
        update = region.update(canvas)
        energy = (light * update.abs().square()).sum(dim=(-2, -1)) / light.sum(dim=(-2, -1))
        size = energy.sqrt().clamp_min(SMALLEST)[:, None, None]
        pairs = (canvas, update / size, state.change / size)
        images = torch.stack([part for pair in pairs for part in (pair.real, pair.imag)] + [light], dim=1)
        made = self.network(torch.cat([images, state.memory], dim=1))
        canvas = canvas + update + size * light * torch.complex(made[:, 0], made[:, 1])
        return State(canvas, canvas - state.canvas, torch.tanh(made[:, 2:]), state.iteration + 1)


def _relative(light: Tensor) -> Tensor:
    """Light (G, H, W) from 0 to 1, three quarters where it is typical, however densely a scan is sampled."""
    typical = light.square().sum(dim=(-2, -1), keepdim=True) / light.sum(dim=(-2, -1), keepdim=True)
    return light / (light + HALF * typical)


def build(
    shape: PatchShape,
    *,
    iterations: Annotated[int, Field(ge=1, description="Projections of all patterns, each with a correction.")] = 24,
    tracked: Annotated[
        int, Field(ge=1, description="The last of them, through which training looks for gradients.")
    ] = 4,
    width: Width = 32,
    levels: Annotated[int, Field(ge=1, le=6, description="Sizes of the features, each half of the one before.")] = 3,
    memory: Annotated[int, Field(ge=0, description="Images that the network hands on to its next iteration.")] = 2,
    stem: Annotated[
        int, Field(ge=1, le=8, description="Pixels a side that one feature pixel stands for at the finest level.")
    ] = 4,
    momentum: Annotated[
        float, Field(ge=0, lt=1, description="Largest part of its last change that the object goes on by.")
    ] = 0.8,
) -> nn.Module:
    """The network that untrained makes plain parallel projections; patterns and canvases may have any size."""
    network = CanvasNetwork(IMAGES + memory, 2 + memory, width, levels, stem)
    return UnrolledScan(network, iterations, tracked, memory, momentum)
