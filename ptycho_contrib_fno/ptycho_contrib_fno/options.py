"""Options that several generators share, each described once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Width = Annotated[int, Field(ge=1, description="Feature channels at the finest level.")]
Modes = Annotated[
    int,
    Field(ge=1, description="Frequencies kept on each side of zero in every spectral convolution."),
]
Blocks = Annotated[int, Field(ge=1, description="Spectral blocks one after another.")]
MaxHiddenChannels = Annotated[
    int,
    Field(ge=1, description="Channels stop doubling at this number on the way to coarser levels."),
]
Downsamplings = Annotated[
    int | None,
    Field(ge=0, description="Times that the features are halved in size; chosen from the pattern size if not set."),
]
Layout = Annotated[
    Literal["two_corner", "one_corner"],
    Field(
        description="Rows kept of the spectrum: frequencies of both signs, or only those not negative as in the "
        "reference system (anisotropic; for parity)."
    ),
]
InputTransform = Annotated[
    Literal["none", "sqrt", "log1p", "instancenorm"],
    Field(description="What is done to the amplitudes before the network sees them."),
]
HeadKind = Annotated[
    Literal["real_imag", "amp_phase", "amp_phase_logits"],
    Field(
        description="How features become a complex object: unbounded real and imaginary part, or amplitude in (0, 1) "
        "and phase in (-pi, pi) from separate projections or from one."
    ),
]
Lift = Annotated[
    Literal["none", "backprojection"],
    Field(description="Whether the network also sees the back-projected object and learns what must be added to it."),
]
Upsampling = Annotated[
    Literal["pixel_shuffle", "transposed"],
    Field(description="How features double in size: 3x3 convolution and pixel shuffle, or transposed convolution."),
]
Downsampling = Annotated[
    Literal["strided", "average", "blur"],
    Field(
        description="How features halve in size: convolution of stride 2, or mean of 2 x 2 or binomial filter and then "
        "a 1x1 convolution."
    ),
]
