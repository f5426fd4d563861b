"""What the overlap study can be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ptycho_host.config import Seed
from ptycho_studies.run_settings import Dose, RunSettings
from ptycho_studies.settings import StudySettings

Overlap = Annotated[float, Field(ge=0.05, le=0.95)]
GridSize = Annotated[int, Field(ge=1, le=8)]


class OverlapSettings(StudySettings):
    """Settings of the overlap study; lengths are object pixels."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "quick": {
            "doses": (1e3, 1e5),
            "generators": ("stable_hybrid", "baseline"),
            "pixels": 32,
            "size": 128,
            "groups": 120,
            "epochs": 4,
            "batch_size": 2,
            "narrow": True,
        },
    }

    doses: Annotated[tuple[Dose, ...], Field(description="mean photons a pattern")] = (1e3, 1e4, 1e5)
    overlaps: Annotated[
        tuple[Overlap, ...],
        Field(description="measured overlap of the probe disc with its nearest neighbour's"),
    ] = (0.7, 0.2)
    gridsizes: Annotated[tuple[GridSize, ...], Field(description="the network sees groups of g x g patterns")] = (1, 2)
    generators: Annotated[
        tuple[str, ...], Field(min_length=1, description="networks; baseline learns from the true object")
    ] = ("pinn", "stable_hybrid", "baseline")
    narrow: Annotated[bool, Field(description="the networks' narrow variants, which train faster")] = False
    pixels: Annotated[int, Field(ge=16, le=2048, description="side of a pattern, N")] = 128
    size: Annotated[int, Field(ge=32, le=32768, description="side of the lines object")] = 1024
    pattern: Annotated[
        Literal["raster", "jittered", "spiral", "random"], Field(description="arrangement of the positions")
    ] = "jittered"
    train_fraction: Annotated[float, Field(gt=0, lt=1, description="part of the scan, along y, to train on")] = 0.5
    gap: Annotated[
        float | None,
        Field(ge=0, description="patterns left out between training and test; none: N/2, the probe's diameter"),
    ] = None
    neighbours: Annotated[int, Field(ge=3, le=64, description="nearest patterns that companions are drawn from, K")] = 7
    groups: Annotated[
        int, Field(ge=1, description="groups of four drawn an epoch; those wider than the probe are left out")
    ] = 2000
    epochs: Annotated[int, Field(ge=1, description="passes over the groups")] = 50
    batch_size: Annotated[int, Field(ge=1, description="groups a step")] = 16
    cache: Annotated[str, Field(description="memory for patterns that were read; the others stay on disk")] = "64 MiB"
    run_settings: RunSettings = ()
    seed: Annotated[Seed, Field(description="seed of the trainings")] = 0
    data_seed: Annotated[Seed, Field(description="seed of object, positions and photons")] = 1

    def of_the_data(self) -> dict[str, Any]:
        """The settings that the scans depend on, as plain values; doses and overlaps have files of their own."""
        names = {"pixels", "size", "pattern", "train_fraction", "gap", "data_seed"}
        return self.model_dump(mode="json", include=names)
