"""Options of the clippers: type, bounds and description, stated once for the factories of every tensor library."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

Clipping: TypeAlias = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False, description="Largest allowed ratio of a unit's gradient norm to its weight norm."),
]
Eps: TypeAlias = Annotated[
    float,
    Field(
        gt=0,
        allow_inf_nan=False,
        description="Least weight norm that is reckoned with, so that units initialised to zero can move.",
    ),
]
Unit: TypeAlias = Annotated[
    Literal["unit", "tensor"],
    Field(description="What is clipped together: a slice along dimension 0 (vectors and scalars whole), or a tensor."),
]
MaxNorm: TypeAlias = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False, description="Largest allowed L2 norm of all gradients together; choose the "
    "clipper 'none' for no bound."),
]  # fmt: skip
MaxValue: TypeAlias = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False, description="Largest allowed modulus of an element of the gradients; choose the "
    "clipper 'none' for no bound."),
]  # fmt: skip
