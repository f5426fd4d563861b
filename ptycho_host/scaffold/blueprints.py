"""What can be written: for each kind and back-end the components, what they need, and where the templates are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ptycho_host.components import KINDS
from ptycho_host.errors import InputError, close_match_hint, quoted
from ptycho_host.plugins import PLURALS

DEFAULT_BACKEND = "torch"
TRAINING = ("ptycho-host[testing,torch]",)
"""What shows its worth in a run of training needs an engine, on whatever back-end."""


@dataclass(frozen=True, slots=True)
class Part:
    """A component that the plugin registers: its kind, its factory (`module:attribute` in the package), its summary."""

    kind: str
    target: str
    summary: str

    @property
    def descriptor(self) -> str:
        """The descriptor's class in `ptycho_host.components`."""
        return KINDS[self.kind].__name__

    @property
    def hook(self) -> str:
        """The hook that registers it."""
        return PLURALS[self.kind]


@dataclass(frozen=True, slots=True)
class Blueprint:
    """One kind of distribution.

    folders: those of `templates/` that make it, the most special first; "common" comes after them. requires: what the
    package needs beside the host. trial: what its tests and its first use need.
    """

    kind: str
    summary: str
    folders: tuple[str, ...]
    parts: tuple[Part, ...]
    backend: str | None = None
    requires: tuple[str, ...] = ()
    trial: tuple[str, ...] = ("ptycho-host[testing]",)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its components."""
        return tuple(part.kind for part in self.parts)


def blueprint_for(kind: str, backend: str | None) -> Blueprint:
    """The blueprint of a kind; `backend` None takes torch where there is a choice.

    Raises InputError for an unknown kind, and for a back-end that the kind does not have.
    """
    twins = {blueprint.backend: blueprint for blueprint in BLUEPRINTS if blueprint.kind == kind}
    if not twins:
        known = list(dict.fromkeys(blueprint.kind for blueprint in BLUEPRINTS))
        raise InputError(f"there is no template for '{kind}'.{close_match_hint(kind, known)} Kinds: {quoted(known)}.")
    if None in twins:
        if backend is not None:
            raise InputError(f"a {kind} works on NumPy arrays, whatever the back-end; drop --backend.")
        return twins[None]
    chosen = backend or DEFAULT_BACKEND
    if chosen not in twins:
        known = [str(name) for name in twins]
        raise InputError(
            f"there is no template of a {kind} for '{chosen}'.{close_match_hint(chosen, known)} "
            f"Back-ends: {quoted(known)}."
        )
    return twins[chosen]


def _twins(kind: str, module: str, summary: str) -> Iterator[Blueprint]:
    """The same component for Torch and for TensorFlow."""
    # TensorFlow itself is the user's choice: its builds for CPUs and for GPUs are different distributions.
    needs = {"torch": ("torch", "torch>=2.5"), "tensorflow": ("tf", "ptycho-contrib-tf>=0.1")}
    for backend, (extra, library) in needs.items():
        yield Blueprint(
            kind,
            summary,
            (f"{kind}-{backend}", kind),
            (Part(kind, f"{module}:build", summary),),
            backend=backend,
            requires=("pydantic>=2.7", library),
            trial=(f"ptycho-host[testing,{extra}]",),
        )


def _for_numpy(kind: str, module: str, summary: str, trial: tuple[str, ...] = ("ptycho-host[testing]",)) -> Blueprint:
    return Blueprint(
        kind,
        summary,
        (kind,),
        (Part(kind, f"{module}:build", summary),),
        requires=("numpy>=1.26", "pydantic>=2.7"),
        trial=trial,
    )


_READER = Part("reader", "reader:build", "HDF5 with photon counts, positions and probe.")
_WRITER = Part("writer", "writer:build", "HDF5 with photon counts, positions and probe, compressed.")
_FILES = ("h5py>=3.10", "numpy>=1.26", "pydantic>=2.7")

BLUEPRINTS = (
    *_twins("generator", "network", "Three convolutions that correct the back-projection."),
    *_twins("loss", "huber", "Huber loss of diffraction amplitudes: outliers count linearly."),
    *_twins("clipper", "outliers", "Elements of the gradients that stick out of their tensor are cut."),
    _for_numpy("simulator", "spheres", "Spheres of random size and place, thin enough to be projected."),
    _for_numpy("stitcher", "weighted_mean", "Mean of the patches, weighted by the probe's intensity.", TRAINING),
    _for_numpy("refiner", "gradient", "Gradient steps on the object against all patterns, the probe known.", TRAINING),
    Blueprint("reader", _READER.summary, ("reader", "layout"), (_READER,), requires=_FILES),
    Blueprint("writer", _WRITER.summary, ("writer", "layout"), (_WRITER,), requires=_FILES),
    Blueprint(
        "format",
        _READER.summary,
        ("format", "reader", "writer", "layout"),
        (_READER, _WRITER),
        requires=_FILES,
    ),
    Blueprint(
        "command",
        "Print the mean pattern of a scan, ring by ring.",
        ("command",),
        (Part("command", "rings:rings", "Print the mean pattern of a scan, ring by ring."),),
        requires=("numpy>=1.26", "rich>=13.7", "typer>=0.15"),
    ),
    Blueprint("observer", "A line of CSV for each epoch of a run.", ("observer",), (), trial=TRAINING),
)
