"""What the dose study can be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ptycho_host.config import Seed
from ptycho_studies.run_settings import Dose, RunSettings
from ptycho_studies.settings import StudySettings


class DoseSettings(StudySettings):
    """Settings of the dose study."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "quick": {"groups": 600, "epochs": 10, "batch_size": 4, "narrow": True},
    }

    doses: Annotated[tuple[Dose, ...], Field(description="mean photons a pattern")] = (1e9, 1e4)
    losses: Annotated[tuple[str, ...], Field(min_length=1, description="losses to compare")] = ("mae", "poisson")
    backend: Annotated[Literal["torch", "tf"], Field(description="back-end: torch or tf")] = "torch"
    generator: Annotated[str | None, Field(description="network; none: stable_hybrid with torch, pinn with tf")] = None
    narrow: Annotated[bool, Field(description="the networks' narrow variants, which train faster")] = False
    pixels: Annotated[int, Field(ge=16, le=2048, description="side of a pattern, N")] = 64
    size: Annotated[int, Field(ge=32, le=32768, description="side of the lines object")] = 128
    darkest: Annotated[float, Field(ge=0, description="smallest amplitude of the object")] = 0.5
    brightest: Annotated[float, Field(gt=0, description="largest amplitude of the object")] = 1.5
    phase: Annotated[bool, Field(description="whether the object has a phase")] = True
    gridsize: Annotated[int, Field(ge=1, le=8, description="the network sees groups of g x g patterns")] = 2
    positions: Annotated[int, Field(ge=2, description="patterns of the training scan, from which groups are drawn")] = (
        500
    )
    groups: Annotated[int, Field(ge=1, description="groups an epoch, by oversampling")] = 2000
    test_groups: Annotated[int, Field(ge=2, description="patterns of the test scan, each the anchor of a group")] = 128
    neighbours: Annotated[int, Field(ge=1, le=64, description="nearest patterns that companions are drawn from, K")] = 7
    epochs: Annotated[int, Field(ge=1, description="passes over the groups")] = 50
    batch_size: Annotated[int, Field(ge=1, description="groups a step")] = 16
    grid_mode: Annotated[bool, Field(description="scan on a raster instead of random positions")] = False
    run_settings: RunSettings = ()
    seed: Annotated[Seed, Field(description="seed of the trainings")] = 0
    train_seed: Annotated[Seed, Field(description="seed of the training scan: object, positions, photons")] = 1
    test_seed: Annotated[Seed, Field(description="seed of the test scan")] = 2

    @property
    def patterns_a_group(self) -> int:
        """C = g squared."""
        return self.gridsize**2

    def of_the_data(self) -> dict[str, Any]:
        """The settings that the scans depend on, as plain values; doses have files of their own."""
        training = {
            "doses", "losses", "backend", "generator", "narrow", "gridsize", "groups", "neighbours", "epochs",
            "batch_size", "run_settings", "seed",
        }  # fmt: skip
        return self.model_dump(mode="json", exclude=training)
