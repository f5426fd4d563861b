"""Options that both generators share, each described once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

FiltersScale = Annotated[
    float,
    Field(ge=0.25, allow_inf_nan=False, description="Factor on the filters of every stage; the coarsest has 128."),
]
InputTransform = Annotated[
    Literal["none", "sqrt", "log1p"],
    Field(description="What is done to the amplitudes before the network sees them."),
]
Lift = Annotated[
    Literal["none", "backprojection"],
    Field(description="Whether the network also sees the back-projected object and learns what must be added to it."),
]
AmplitudeActivation = Annotated[
    Literal["sigmoid", "swish", "softplus", "relu"],
    Field(description="What turns features into the object's amplitude; a lifted network has none."),
]
AmplitudeGain = Annotated[
    float,
    Field(
        gt=0,
        allow_inf_nan=False,
        description="Factor on the object's amplitude, and so the largest amplitude that a sigmoid can give; in model "
        "units a uniform object has 1. A lifted network has none.",
    ),
]
