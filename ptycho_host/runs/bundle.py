"""Bundles on disk: `weights.safetensors` and `bundle.toml`, checked by a checksum when they are read back."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ptycho_host.atomic import write_text
from ptycho_host.configured import ConfiguredComponent, configure
from ptycho_host.contracts import Bundle, PatchShape
from ptycho_host.errors import BundleError, RunFailedError
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.plugins import Host
from ptycho_host.runs.tensors import write_arrays

WEIGHTS = "weights.safetensors"
INDEX = "bundle.toml"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _GeneratorTable(_Table):
    name: str
    backend: str
    distribution: str
    version: str = ""
    options: dict[str, Any] = Field(default_factory=dict)


class _ShapeTable(_Table):
    pixels: int = Field(ge=1)
    channels: int = Field(ge=1)


class _ScaleTable(_Table):
    amplitude: float = Field(gt=0, allow_inf_nan=False)
    transmission: float = Field(gt=0, allow_inf_nan=False)


class _Index(_Table):
    """What `bundle.toml` holds."""

    format: int = Field(ge=1, le=1)
    weights_sha256: str
    generator: _GeneratorTable
    shape: _ShapeTable
    intensity_scale: _ScaleTable
    facts: dict[str, Any] = Field(default_factory=dict)


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write the bundle beside `folder` and put it in its place; raises RunFailedError when it cannot be written."""
    fresh, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    registration = bundle.generator.registration
    try:
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh.mkdir(parents=True)
        write_arrays(fresh / WEIGHTS, bundle.weights)
        index = {
            "format": 1,
            "weights_sha256": _sha256(fresh / WEIGHTS),
            "generator": {
                "name": registration.component.name,
                "backend": registration.component.backend or "",
                "distribution": registration.distribution,
                "version": registration.version,
                "options": {key: value for key, value in bundle.generator.as_table().items() if key != "name"},
            },
            "shape": {"pixels": bundle.shape.pixels, "channels": bundle.shape.channels},
            "intensity_scale": {"amplitude": bundle.scale.amplitude, "transmission": bundle.scale.transmission},
            "facts": {key: value for key, value in bundle.facts.items() if value is not None},
        }
        write_text(fresh / INDEX, tomli_w.dumps(index))
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise RunFailedError(f"cannot write {folder}: {error.strerror or error}.") from error


def load_bundle(folder: Path, host: Host) -> Bundle:
    """The bundle, its generator looked up among the installed plugins.

    Raises BundleError for a missing, incomplete or altered bundle, UnknownComponentError when the generator's
    plugin is not installed.
    """
    index = _read_index(folder)
    if _sha256(folder / WEIGHTS) != index.weights_sha256:
        raise BundleError(f"{folder / WEIGHTS} was altered or cut off after it was written; train again.")
    try:
        weights = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError, ValueError) as error:
        raise BundleError(f"{folder / WEIGHTS} cannot be read ({error}); train again.") from error
    return Bundle(
        generator=_generator(index.generator, host),
        weights=weights,
        shape=PatchShape(index.shape.pixels, index.shape.channels),
        scale=IntensityScale(index.intensity_scale.amplitude, index.intensity_scale.transmission),
        facts=index.facts,
    )


def read_facts(folder: Path) -> dict[str, Any]:
    """What the engine noted in the bundle, read without its generator; raises BundleError."""
    return _read_index(folder).facts


def _generator(table: _GeneratorTable, host: Host) -> ConfiguredComponent:
    """The generator, of the distribution that trained it if several have it now."""
    offered = {entry.distribution for entry in host.named("generator", table.name)}
    name = f"{table.distribution}:{table.name}" if len(offered) > 1 else table.name
    return configure(host, "generator", name, table.options, table.backend or None)


def _read_index(folder: Path) -> _Index:
    try:
        with (folder / INDEX).open("rb") as file:
            return _Index.model_validate(tomllib.load(file))
    except FileNotFoundError as error:
        raise BundleError(f"{folder} holds no trained bundle; was the run finished?") from error
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise BundleError(f"{folder / INDEX}: '{place}' {error.errors()[0]['msg'].lower()}; train again.") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise BundleError(f"{folder / INDEX} cannot be read ({error}); train again.") from error


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}); train again.") from error
