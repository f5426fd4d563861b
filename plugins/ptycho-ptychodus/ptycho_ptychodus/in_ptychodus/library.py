"""The library `ptycho-host` as Ptychodus lists it: one trainable reconstructor for each installed generator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ptychodus.api.io import save_ptychopinn_training_data, save_training_data
from ptychodus.api.reconstruct import (
    ReconstructInput,
    Reconstructor,
    ReconstructorLibrary,
    ReconstructOutput,
)
from ptychodus.api.settings import SettingsRegistry
from ptychodus.model.processing.subprocess_reconstructor import SubprocessReconstructor

from ptycho_host import Host
from ptycho_host.plugins import Registration
from ptycho_ptychodus.in_ptychodus.requests import ReconstructRequest, TrainRequest
from ptycho_ptychodus.in_ptychodus.settings import HostSettings
from ptycho_ptychodus.model_file import SUFFIX

CHILD = "ptycho_ptychodus.in_ptychodus.child"


class HostLibrary(ReconstructorLibrary):  # type: ignore[misc]
    """Finds the installed generators without importing a tensor library."""

    def __init__(self, settings_registry: SettingsRegistry) -> None:
        super().__init__("ptycho-host")
        self.settings = HostSettings(settings_registry)
        generators = installed_generators(Host.discover())
        self._reconstructors = [HostReconstructor(name, entry, self.settings) for name, entry in generators.items()]

    @property
    def name(self) -> str:
        """As it stands before the first `_` of `Algorithm` in `settings.ini`."""
        return "ptycho-host"

    def __iter__(self) -> Iterator[Reconstructor]:
        return iter(self._reconstructors)


class HostReconstructor(SubprocessReconstructor):  # type: ignore[misc]
    """One generator; it trains and reconstructs in a process of its own, so that Ptychodus never holds a GPU."""

    def __init__(self, name: str, generator: Registration, settings: HostSettings) -> None:
        self._settings = settings
        self._generator = generator
        self._passes: int | None = None
        super().__init__(
            name=name,
            reconstruct_entry_point=f"{CHILD}:reconstruct",
            # Ptychodus asks before it says what is to be done.
            progress_goal_fn=lambda: self._passes or settings.epochs.get_value(),
            build_reconstruct_payload=self._reconstruct_request,
            is_trainable=True,
            train_entry_point=f"{CHILD}:train",
            build_train_payload=self._train_request,
            model_file_filter=f"Models of ptycho-host (*{SUFFIX} bundle.toml)",
            model_file_extension=SUFFIX,
            training_data_file_filter="Training data (*.h5 *.npz)",
            export_training_data=_export,
        )

    def reconstruct(self, parameters: ReconstructInput) -> Iterator[ReconstructOutput]:
        """One pass over all patterns: a single product."""
        self._passes = 1
        try:
            yield from super().reconstruct(parameters)
        finally:
            self._passes = None

    def _reconstruct_request(self, parameters: ReconstructInput, model: Path | None) -> ReconstructRequest:
        if model is None:
            raise RuntimeError(
                f"no model is loaded; train first (ptychodus -b train), or put model{SUFFIX} into the input folder."
            )
        settings = self._settings
        return ReconstructRequest(
            parameters,
            model,
            settings.stitch.get_value(),
            settings.device.get_value(),
            settings.probe_mode.get_value(),
        )

    def _train_request(self, input_path: Path, output_path: Path) -> TrainRequest:
        component = self._generator.component
        generator = {"name": f"{self._generator.distribution}:{component.name}"}
        flags = self._settings.flags() | {"generator": generator, "backend": component.backend}
        return TrainRequest(
            input_path, output_path, flags, self._settings.further(), self._settings.probe_mode.get_value()
        )


def installed_generators(host: Host) -> dict[str, Registration]:
    """Generators that an installed engine can train, by the names that users see.

    The name is the generator's own; its back-end stands behind it where several back-ends have one of that name, and
    its distribution where that is not enough.
    """
    engines = {entry.component.backend for entry in host.registrations("engine")}
    found = [entry for entry in host.registrations("generator") if entry.component.backend in engines]
    by_name = Counter(entry.component.name for entry in found)
    by_backend = Counter((entry.component.name, entry.component.backend) for entry in found)
    named = {}
    for entry in found:
        name, backend = entry.component.name, entry.component.backend
        if by_backend[name, backend] > 1:
            named[f"{name}-{backend}-{entry.distribution}"] = entry
        else:
            named[name if by_name[name] == 1 else f"{name}-{backend}"] = entry
    return named


def _export(path: Path, parameters: ReconstructInput) -> None:
    """As Ptychodus itself writes training data; bad pixels stay marked, and our readers leave them out."""
    save = save_ptychopinn_training_data if path.suffix.lower() == ".npz" else save_training_data
    save(path, parameters, inpaint_bad_pixels=False)
