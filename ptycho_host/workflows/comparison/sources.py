"""What is compared: finished runs and reconstructions from files.

Neither the generator nor its engine is needed: the product and the JSON files of a run suffice.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ptycho_host.config import RunConfig, resolve
from ptycho_host.data.formats.archive import open_archive
from ptycho_host.data.scan import ComplexArray
from ptycho_host.errors import BundleError, ConfigError, DataError, InputError, quoted
from ptycho_host.metrics.region import Mask
from ptycho_host.physics.illumination import illumination, well_covered
from ptycho_host.runs.bundle import read_facts
from ptycho_host.runs.directory import RunDirectory
from ptycho_host.runs.product import Product, read_product

OBJECT_KEYS = ("object", "objectGuess")
"""Arrays of an NPZ file that are taken for the object, the first one found."""
PASSED_ON = ("training", "reconstruction")
"""Blocks of a run's `metrics.json` that cannot be measured again."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedRun:
    """What a run directory tells about the run itself; `blocks` are those of `metrics.json` that are passed on."""

    config: RunConfig
    fingerprint: str
    blocks: Mapping[str, Mapping[str, Any]]

    @property
    def scan_key(self) -> tuple[str, ...]:
        """Equal for runs whose reconstructions are of the same scan."""
        test = self.config.data.test
        return ("data", self.fingerprint) if test is None else ("test", _located(test))

    @property
    def simulation(self) -> Mapping[str, Any] | None:
        """The simulator with its options, where the reconstruction is of the simulated scan."""
        data = self.config.data
        return self.config.simulator.as_table() if data.source is None and data.test is None else None

    def describe_scan(self) -> str:
        """Where the reconstructed scan comes from, for messages and tables."""
        data = self.config.data
        if data.test is not None:
            return data.test
        return data.source or f"simulated: {self.config.simulator.name}, seed {self.config.seed}"


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One reconstruction: `given` is the path as the user wrote it, `run` what is known about its run, if any.

    object: (H, W) complex64. product: the whole content, where the file tells probe and positions too.
    """

    given: str
    object: ComplexArray = field(repr=False)
    product: Product | None = None
    run: TrainedRun | None = None

    def covered(self) -> Mask | None:
        """Pixels (H, W) of the object that its own scan lit well; None when the file does not tell."""
        product = self.product
        if product is None or len(product.positions) == 0:
            return None
        # One probe that lights the object as all modes together do.
        probe = np.linalg.norm(product.modes, axis=0).astype(np.complex64)
        return well_covered(illumination(product.positions, probe, product.object.shape))


def open_source(given: str) -> Source:
    """The reconstruction in a run directory or file; raises InputError that names it and says what to do."""
    path = Path(given)
    if path.is_dir():
        return _open_run(given, path)
    if not path.exists():
        raise InputError(f"there is no run or file '{given}'; check the path.")
    return read_object(given, path)


def read_object(given: str, path: Path) -> Source:
    """The object in a product (HDF5) or NPZ file; raises DataError."""
    if h5py.is_hdf5(path):
        product = read_product(path)
        return Source(given, product.object, product)
    if zipfile.is_zipfile(path):
        return Source(given, _object_in_npz(path))
    raise DataError(
        f"{path} is no reconstruction: give a run directory, a product (HDF5), or an NPZ file with a complex 'object'."
    )


def _open_run(given: str, path: Path) -> Source:
    directory = RunDirectory.open(path)
    if not (directory.reconstruction.is_file() and directory.metrics.is_file()):
        raise InputError(
            f"run {given} has not finished; finish it with 'ptycho train --resume {given}', or leave it out."
        )
    try:
        config = resolve(directory.config)
    except ConfigError as error:
        raise ConfigError(f"run {given} cannot be used: {error}") from error
    fingerprint = directory.read_environment().get("data_fingerprint")
    if not isinstance(fingerprint, str):
        raise InputError(f"{directory.environment} does not say which data the run was trained on; train anew.")
    product = read_product(directory.reconstruction)
    return Source(given, product.object, product, TrainedRun(config, fingerprint, _passed_on(directory)))


def _passed_on(directory: RunDirectory) -> dict[str, dict[str, Any]]:
    """The blocks of `metrics.json` about training and reconstruction, and the number of parameters."""
    path = directory.metrics
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        blocks = {name: dict(stored.get(name) or {}) for name in PASSED_ON}
        strange = [
            key for block in blocks.values() for key, value in block.items()
            if key != "reasons" and not (value is None or (isinstance(value, int | float) and math.isfinite(value)))
        ]  # fmt: skip
        if strange:
            raise ValueError(f"{quoted(strange)} is no number")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read ({error}); train anew or leave the run out.") from error
    training = blocks["training"]
    try:
        training["parameters"] = read_facts(directory.bundle).get("parameters")
    except BundleError as error:
        training["parameters"] = None
        training["reasons"] = {**(training.get("reasons") or {}), "parameters": str(error).rstrip(".")}
    return {name: block for name, block in blocks.items() if block}


def _object_in_npz(path: Path) -> ComplexArray:
    with open_archive(path, "a reconstruction") as archive:
        key = next((key for key in OBJECT_KEYS if key in archive.keys), None)
        if key is None:
            held = quoted(sorted(archive.keys)) or "nothing"
            raise DataError(f"{path} holds no 'object' or 'objectGuess' (it holds {held}); save the object so.")
        obj = archive.array(key)
    if obj.ndim == 3 and len(obj) == 1:
        obj = obj[0]
    if obj.dtype.kind != "c" or obj.ndim != 2 or obj.size == 0:
        raise DataError(f"{path}: {key} is {obj.dtype} of shape {obj.shape}; it must be complex (H, W).")
    with np.errstate(over="ignore"):
        narrowed: ComplexArray = obj.astype(np.complex64)
    return narrowed


def _located(source: str) -> str:
    """A file's absolute path; the name of a data set as it is."""
    path = Path(source)
    return str(path.resolve()) if path.exists() else source
