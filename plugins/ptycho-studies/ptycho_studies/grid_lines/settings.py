"""What the grid-lines study can be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from ptycho_studies.run_settings import RunSettings
from ptycho_studies.settings import StudySettings


class LinesData(StudySettings):
    """What the scans of the study depend on; lengths are object pixels, which are those of a pattern."""

    pixels: int = Field(64, ge=16, le=512, multiple_of=2, description="pixels of a pattern a side, N: 64 or 128")
    gridsize: int = Field(1, ge=1, le=4, description="g: the networks see groups of g x g patterns")
    size: int = Field(392, ge=32, description="side of an object")
    segments: int = Field(400, ge=1, description="segments on a canvas of twice the object's side")
    offset: int = Field(4, ge=1, description="distance of the patterns inside a group")
    train_outer_offset: int = Field(8, ge=2, multiple_of=2, description="twice the distance of groups for training")
    test_outer_offset: int = Field(20, ge=2, multiple_of=2, description="twice the distance of groups for the test")
    train_images: int = Field(2, ge=1, description="objects to train on")
    test_images: int = Field(2, ge=1, description="objects to test on, none of them seen in training")
    photons: float = Field(1e9, gt=0, description="mean photons counted in a training pattern")
    phase: bool = Field(False, description="whether the objects have a phase")
    probe: str = Field(
        "defocused_disc",
        description="defocused_disc, disc (ideal), gold_balls (measured, 11 px wide), or a file: .npy, or .npz with "
        "probeGuess",
    )
    probe_scale: str = Field(
        "pad_preserve",
        description="how the probe gets the size of a pattern: pad_preserve, interpolate, pad_extrapolate, or steps "
        "such as smooth:0.5|pad:128|interp:256",
    )
    probe_smoothing: float = Field(0.5, ge=0, description="standard deviation of the Gaussian that smooths the probe")
    data_seed: int = Field(0, ge=0, lt=2**32, description="seed of objects and photons")

    @property
    def window(self) -> int:
        """Side of what a group of patterns sees."""
        return self.pixels + (self.gridsize - 1) * self.offset

    def stitched(self, outer_offset: int) -> int:
        """Side of the object that the grid stitcher makes of the groups `outer_offset` / 2 apart."""
        return self.groups(outer_offset) * (outer_offset // 2)

    def groups(self, outer_offset: int) -> int:
        """Groups along each axis of an object."""
        return (self.size - self.window) // (outer_offset // 2) + 1

    def of_the_data(self) -> dict[str, Any]:
        """The settings that the scans depend on, as plain values."""
        return self.model_dump(mode="json", include=set(LinesData.model_fields))


class GridLines(LinesData):
    """Settings of the grid-lines study."""

    arms: tuple[str, ...] = Field(
        ("pinn", "baseline", "fno", "hybrid", "stable_hybrid"),
        min_length=1,
        description="generators to compare, NAME or NAME@LOSS; repeat the flag for several",
    )
    loss: str = Field("mae", description="loss of arms that name none; that of baseline is amplitude_phase")
    epochs: int = Field(60, ge=1, description="passes over the training patterns")
    batch_size: int = Field(16, ge=1, description="patterns a step")
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = Field(
        (0,), min_length=1, description="seeds of the training; repeat the flag for several"
    )
    narrow: bool = Field(False, description="the networks' narrow variants, which train faster")
    run_settings: RunSettings = ()

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "quick": {
            "size": 152,
            "segments": 155,  # as crowded as the large object
            "train_images": 1,
            "test_images": 1,
            "epochs": 6,
            "batch_size": 4,
            "narrow": True,
        },
    }
