"""Options that several refiners have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Epochs = Annotated[int, Field(ge=1, le=100_000, description="passes over all patterns")]
BatchSize = Annotated[
    int, Field(ge=1, description="patterns a step; their updates are merged where they overlap, 1 takes them in turn")
]
Probe = Annotated[
    Literal["fixed", "free"], Field(description="free: the probe is refined too; the scan's is where it starts")
]
Modes = Annotated[
    int,
    Field(ge=1, le=16, description="modes of a free probe whose intensities add, for light that is partly coherent"),
]
Positions = Annotated[
    Literal["fixed", "free"], Field(description="free: scan positions are refined too, from the scan's own")
]
PositionStart = Annotated[int, Field(ge=1, description="first epoch in which free positions change")]
ProbeStart = Annotated[int, Field(ge=1, description="first epoch in which a free probe changes")]
LastStep = Annotated[
    float,
    Field(gt=0, le=1, description="factor to which all steps shrink in the last quarter of the epochs, against noise"),
]
Momentum = Annotated[
    float,
    Field(ge=0, lt=1, description="largest part of an epoch's change that is carried on into the next, for slow waves"),
]
Seed = Annotated[int, Field(ge=0, lt=2**32, description="seed of the order in which patterns are taken")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], Field(description="where to compute; auto takes a GPU if there is one")
]
Threads = Annotated[int | None, Field(ge=1, description="CPU threads; none leaves it to Torch")]
