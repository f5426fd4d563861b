"""The frame around every network: transformed inputs, features, head, and the lift by back-projection."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ptycho_contrib_fno.options import HeadKind, InputTransform, Lift
from ptycho_contrib_fno.transforms import transform_amplitude
from ptycho_host.contracts import GeneratorInputs
from ptycho_host.errors import OptionError


class PatchNetwork(nn.Module):
    """A generator made of a `trunk` (images to features) and a `head` (features to complex patches).

    Without lift: O = head(trunk(T(A))). With "backprojection": O = O0 + head(trunk([T(A), Re O0, Im O0])), where T
    is the input transform, A the amplitudes and O0 the back-projected estimate.
    """

    def __init__(self, trunk: nn.Module, head: nn.Module, input_transform: InputTransform, lift: Lift) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.input_transform = input_transform
        self.lift = lift

    def forward(self, inputs: GeneratorInputs) -> Tensor:
        """(B, C, N, N) complex64 object patches in model units."""
        amplitude: Tensor = transform_amplitude(inputs.amplitude, self.input_transform)
        if self.lift == "none":
            patches: Tensor = self.head(self.trunk(amplitude))
            return patches
        initial: Tensor = inputs.initial
        images = torch.cat([amplitude, initial.real, initial.imag], dim=1)
        residual: Tensor = self.head(self.trunk(images))
        return initial + residual


def input_channels(channels: int, lift: Lift) -> int:
    """How many images the trunk of a `PatchNetwork` sees for C = `channels` patterns."""
    return channels if lift == "none" else 3 * channels


def check_lift(lift: Lift, head: HeadKind) -> None:
    """Raises OptionError for a lift with a bounded head: only an unbounded residual can be added to O0."""
    if lift == "backprojection" and head != "real_imag":
        raise OptionError(
            f"generator.lift=backprojection adds the network's output to the back-projection, and head '{head}' cannot "
            "give a residual; set generator.head=real_imag or generator.lift=none."
        )
