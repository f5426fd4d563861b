"""Options of the losses: type, bounds, description and default, stated once for the factories of every library."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

IncludeConstant: TypeAlias = Annotated[
    bool,
    Field(description="Add lnΓ(y + 1), which makes the value a complete likelihood and leaves the gradient alone."),
]
INCLUDE_CONSTANT: Final = False

Reduction: TypeAlias = Annotated[
    Literal["mean", "sum"],
    Field(description="Mean or sum over all pixels, patterns and groups of a batch."),
]
REDUCTION: Final = "mean"

RateFloor: TypeAlias = Annotated[
    float,
    Field(
        gt=0,
        allow_inf_nan=False,
        description="Photon counts added to the expected rate inside the logarithm, a constant background; "
        "bounds the gradient where the predicted amplitude vanishes.",
    ),
]
RATE_FLOOR: Final = 1e-6

PerPhoton: TypeAlias = Annotated[
    bool,
    Field(
        description="Divide by the data set's mean counts per pixel, so that value and gradient do not grow "
        "with the dose."
    ),
]
PER_PHOTON: Final = True

Differences: TypeAlias = Annotated[
    Literal["isotropic", "anisotropic"],
    Field(description="How the two differences at a pixel combine: root of the sum of squares, or sum of moduli."),
]
DIFFERENCES: Final = "isotropic"

PhaseWeight: TypeAlias = Annotated[
    float,
    Field(ge=0, allow_inf_nan=False, description="Weight of the phase error in radians against the modulus error."),
]  # fmt: skip
PHASE_WEIGHT: Final = 1.0

ConstantPhase: TypeAlias = Annotated[
    Literal["patch", "group"],
    Field(
        description="What has a constant phase of its own: each patch, or all patches that the network sees at once "
        "(a region, for networks of whole scans), so that their phases must agree."
    ),
]
CONSTANT_PHASE: Final = "patch"
