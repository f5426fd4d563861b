"""What the shootout can be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ptycho_host.config import Seed
from ptycho_studies.grid_lines.settings import LinesData
from ptycho_studies.run_settings import RunSettings

Network = Literal["hybrid-norm", "hybrid-agc", "stable-zero_gamma", "stable-layer_scale"]
Lift = Literal["none", "backprojection"]


class Shootout(LinesData):
    """Settings of the shootout: those of the grid-lines data, and which networks are trained on them."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "quick": {
            "size": 128,
            "segments": 131,  # as crowded as the large object
            "train_images": 1,
            "test_images": 1,
            "depths": (4,),
            "seeds": (0, 1),
            "epochs": 5,
            "batch_size": 4,
            "narrow": True,
        },
    }

    networks: Annotated[
        tuple[Network, ...],
        Field(min_length=1, description="networks to compare; repeat the flag for several"),
    ] = ("hybrid-norm", "hybrid-agc", "stable-zero_gamma", "stable-layer_scale")
    lifts: Annotated[
        tuple[Lift, ...],
        Field(min_length=1, description="what networks start from: nothing, or the back-projection"),
    ] = ("none", "backprojection")
    depths: Annotated[
        tuple[int, ...], Field(min_length=1, description="blocks of the networks; repeat the flag for several")
    ] = (4, 6, 8)
    seeds: Annotated[
        tuple[Seed, ...], Field(min_length=1, description="seeds of the training; repeat the flag for several")
    ] = (0, 1, 2)
    loss: Annotated[str, Field(description="loss of all networks")] = "mae"
    epochs: Annotated[int, Field(ge=1, description="passes over the training patterns")] = 50
    batch_size: Annotated[int, Field(ge=1, description="patterns a step")] = 16
    narrow: Annotated[bool, Field(description="the networks' narrow variants, which train faster")] = False
    run_settings: RunSettings = ()
