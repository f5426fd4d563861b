"""The steps by name, and one after the other; what was done is noted in the scan's metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from ptycho_host.data.scan import Scan
from ptycho_host.errors import ConfigError, close_match_hint, quoted
from ptycho_host.options import OptionSchema
from ptycho_host.preparation.detector import bin_pixels, crop
from ptycho_host.preparation.masks import mask, mask_above, mask_dead, mask_hot
from ptycho_host.preparation.probe import apodise_probe, replace_probe, smooth_probe
from ptycho_host.preparation.selection import drop_empty, subset

Factory = Callable[..., Callable[[Scan], Scan]]
STEPS: Mapping[str, Factory] = {
    "mask": mask,
    "mask_above": mask_above,
    "mask_hot": mask_hot,
    "mask_dead": mask_dead,
    "crop": crop,
    "bin": bin_pixels,
    "replace_probe": replace_probe,
    "smooth_probe": smooth_probe,
    "apodise_probe": apodise_probe,
    "drop_empty": drop_empty,
    "subset": subset,
}
NOTES = "preparation"
"""Key of the metadata under which the steps are noted."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step and its options, checked."""

    name: str
    options: BaseModel

    @classmethod
    def of(cls, name: str, options: Mapping[str, Any]) -> Step:
        """Raises ConfigError for a step that does not exist, OptionError for options that it does not take."""
        if name not in STEPS:
            raise ConfigError(f"there is no step '{name}'.{close_match_hint(name, STEPS)} Steps: {quoted(STEPS)}.")
        return cls(name, schema(name).validate(options))

    def apply(self, scan: Scan) -> Scan:
        """The scan that the step makes, with a note of it; raises DataError when it cannot be made."""
        values = {name: getattr(self.options, name) for name in type(self.options).model_fields}
        made = STEPS[self.name](**values)(scan)
        return noted(made, {"step": self.name, **self.options.model_dump(mode="json", exclude_none=True)})


def schema(name: str) -> OptionSchema:
    """The options of a step: its factory's keyword-only parameters."""
    return OptionSchema(STEPS[name], f"step '{name}'")


def apply_steps(scan: Scan, steps: Sequence[Step]) -> Scan:
    """All steps, in their order."""
    for step in steps:
        scan = step.apply(scan)
    return scan


def noted(scan: Scan, note: Mapping[str, Any]) -> Scan:
    """The scan with one more note of its preparation."""
    before = scan.metadata.get(NOTES, [])
    return replace(scan, metadata={**scan.metadata, NOTES: [*before, dict(note)]})
