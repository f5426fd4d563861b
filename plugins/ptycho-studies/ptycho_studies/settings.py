"""What the settings of all studies have in common: frozen, checked, with named presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ptycho_host.errors import ConfigError, InputError, close_match_hint, quoted
from ptycho_host.options import describe_problems, described


class StudySettings(BaseModel):
    """Settings of a study; the defaults are those of the published experiment, the preset `paper`.

    A subclass gives each field a description: the command line makes its flags from the fields. `presets` says by name
    which values differ from the defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}}

    @classmethod
    def preset(cls, name: str = "paper", **changed: Any) -> Self:
        """The named preset with some settings `changed`; None leaves one as it is.

        Raises InputError for an unknown preset, ConfigError that names the setting and what would do.
        """
        if name not in cls.presets:
            raise InputError(
                f"there is no preset '{name}'.{close_match_hint(name, cls.presets)} Presets: {quoted(cls.presets)}."
            )
        given = {key: value for key, value in changed.items() if value is not None}
        try:
            return cls.model_validate({**cls.presets[name], **given})
        except ValidationError as error:
            known = [option.name for option in described(cls)]
            raise ConfigError(describe_problems(error, known, "the study")) from error
