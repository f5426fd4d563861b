"""The settings group `PtychoHost`: what a user of Ptychodus sees of a run's configuration."""

from __future__ import annotations

import shlex
from typing import Any

from ptychodus.api.observer import Observable, Observer
from ptychodus.api.settings import SettingsRegistry

from ptycho_host.config import RunConfig

EPOCHS = 50
"""What users of Ptychodus know from its other networks; ours may end earlier, by `train.time_limit` or patience."""


class HostSettings(Observable, Observer):  # type: ignore[misc]
    """The settings, the same for all generators; defaults are those of a run.

    Everything else that `ptycho train --set` takes goes into `further_settings`.
    """

    def __init__(self, registry: SettingsRegistry) -> None:
        super().__init__()
        self._group = registry.create_group("PtychoHost")
        self._group.add_observer(self)
        default = RunConfig()
        whole, text = self._group.create_integer_parameter, self._group.create_string_parameter
        self.epochs = whole("epochs", EPOCHS, minimum=1)
        self.batch_size = whole("batch_size", 0, minimum=0)
        self.learning_rate = self._group.create_real_parameter("learning_rate", 0.0, minimum=0.0)
        self.loss = text("loss", default.loss.name)
        self.clip = text("clip", default.clip.name)
        self.stitch = text("stitch", default.stitch.name)
        self.device = text("device", "auto")
        self.seed = whole("seed", default.seed, minimum=0)
        self.probe_mode = whole("probe_mode", 0, minimum=0)
        self.further_settings = text("further_settings", "")

    def flags(self) -> dict[str, Any]:
        """Nested tables as `ptycho_host.config.resolve` takes them; zero leaves a choice to the generator."""
        return {
            "seed": self.seed.get_value(),
            "loss": self.loss.get_value(),
            "clip": self.clip.get_value(),
            "stitch": self.stitch.get_value(),
            "engine": {"device": self.device.get_value()},
            "train": {
                "epochs": self.epochs.get_value(),
                "batch_size": self.batch_size.get_value() or None,
                "learning_rate": self.learning_rate.get_value() or None,
            },
        }

    def further(self) -> list[str]:
        """`KEY=VALUE`, one an entry, as `ptycho train --set` takes them."""
        return shlex.split(self.further_settings.get_value())

    def _update(self, observable: Observable) -> None:
        if observable is self._group:
            self.notify_observers()
