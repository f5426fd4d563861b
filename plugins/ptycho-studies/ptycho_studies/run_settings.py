"""Settings that several studies have."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

Dose: TypeAlias = Annotated[float, Field(gt=0, le=1e15)]
"""Mean photons a pattern."""
RunSettings: TypeAlias = Annotated[
    tuple[str, ...],
    Field(
        description="any setting of all runs, e.g. train.learning_rate=1e-3; may be repeated",
        json_schema_extra={"flag": "--set", "metavar": "KEY=VALUE"},
    ),
]
