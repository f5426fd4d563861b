"""Options of the clippers: type, bounds, description and default, stated once for the factories of every library."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

Clipping: TypeAlias = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False, description="Largest allowed ratio of a unit's gradient norm to its weight norm."),
]
CLIPPING: Final = 0.01

Eps: TypeAlias = Annotated[
    float,
    Field(
        gt=0,
        allow_inf_nan=False,
        description="Least weight norm that is reckoned with, so that units initialised to zero can move.",
    ),
]
EPS: Final = 1e-3

Unit: TypeAlias = Annotated[
    Literal["unit", "tensor"],
    Field(
        description="What is clipped together: the weights of one output unit (vectors and scalars whole), or a tensor."
    ),
]
UNIT: Final = "unit"

MaxNorm: TypeAlias = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False, description="Largest allowed L2 norm of all gradients together; choose the "
    "clipper 'none' for no bound."),
]  # fmt: skip
MAX_NORM: Final = 1.0

MaxValue: TypeAlias = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False, description="Largest allowed modulus of an element of the gradients; choose the "
    "clipper 'none' for no bound."),
]  # fmt: skip
MAX_VALUE: Final = 0.5
