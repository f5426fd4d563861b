"""What the sweep can be told beside its TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from ptycho_host.config import Seed
from ptycho_studies.settings import StudySettings


class SweepSettings(StudySettings):
    """Settings of a sweep."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "quick": {"config": "quick"}}

    config: Annotated[
        str,
        Field(
            description="TOML file: a run configuration with a table [sweep]; or paper, quick, which come along",
            json_schema_extra={"metavar": "FILE"},
        ),
    ] = "paper"
    random: Annotated[int | None, Field(ge=1, description="draw so many combinations at random; none: all of them")] = (
        None
    )
    seed: Annotated[Seed, Field(description="seed of that draw")] = 0
