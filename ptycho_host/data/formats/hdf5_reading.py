"""HDF5 files that are not trusted: nothing outside the file is followed, no claim believed, patterns stay on disk."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.formats.budget import CODEC_AT_BEST, DEFLATE_AT_BEST, check_budget
from ptycho_host.data.formats.hdf5_types import is_standard
from ptycho_host.errors import DataError

BUILT_IN_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
"""DEFLATE, shuffle, Fletcher-32, SZIP, n-bit, scale-offset and LZF: h5py knows them by itself."""
MOST_LINKS = 16
"""How many links to links are followed inside a file."""


class Hdf5Source:
    """One open file; the arrays that are taken from it share one memory budget."""

    def __init__(self, file: h5py.File, path: Path) -> None:
        self.path = path
        self.root = file
        self._taken = 0

    def dataset(self, name: str) -> h5py.Dataset | None:
        """The dataset at a path inside the file, None if there is none; raises DataError for one that cannot be."""
        found = self._followed(name)
        if not isinstance(found, h5py.Dataset):
            return None
        if found.is_virtual or found.external:
            raise self.fail(name, "takes its values from other files", "copy them into one file, with h5repack")
        _check_codec(found, name, self)
        if not self._holds(found):
            raise self.fail(name, f"claims {_bytes(found)} bytes that the file does not hold", "write the file again")
        return found

    def required(self, name: str) -> h5py.Dataset:
        """As `dataset`; raises DataError that tells what the file holds when it is missing."""
        found = self.dataset(name)
        if found is None:
            held = ", ".join(sorted(self.root)[:20]) or "nothing"
            raise DataError(f"{self.path}: '{name}' is missing; the file holds {held}.")
        return found

    def array(self, name: str) -> NDArray[Any]:
        """A dataset of plain values in memory; raises DataError before memory is taken for what does not fit."""
        found = self.required(name)
        self._check_type(found, name)
        self._taken += _bytes(found)
        check_budget(self._taken, str(self.path), name)
        values: NDArray[Any] = np.asarray(found[()])
        return values

    def optional(self, name: str) -> NDArray[Any] | None:
        """As `array`, None if the file has no such dataset."""
        return None if self.dataset(name) is None else self.array(name)

    def text(self, name: str) -> str | None:
        """A single text of fixed length, None if the file has no such dataset."""
        found = self.dataset(name)
        if found is None:
            return None
        if found.size != 1 or found.dtype.kind != "S":
            raise self.fail(name, f"is {found.dtype} of shape {found.shape}", "store one text of fixed length")
        return bytes(self.array(name).item()).decode("utf-8")

    def attribute(self, name: str, key: str) -> Any:
        """A plain attribute of an item ("/" for the file): numbers as an array, a text as str; None if it has none.

        Texts of any length are refused unread: they stand in a heap whose damage libhdf5 can loop in without end.
        """
        item = self._followed(name)
        if item is None or key not in item.attrs:
            return None
        if not is_standard(item.attrs.get_id(key).get_type()):
            raise self.fail(f"attribute '{key}'", "holds text of any length, or references", "store plain values")
        value = np.asarray(item.attrs[key])
        return bytes(value.item()).decode("utf-8") if value.dtype.kind == "S" and value.size == 1 else value

    def names(self, group: str) -> list[str]:
        """Names of the datasets in a group, sorted; none if there is no such group."""
        found = self._followed(group)
        if not isinstance(found, h5py.Group):
            return []
        return sorted(name for name in found if self.dataset(f"{group}/{name}") is not None)

    def patterns(self, name: str, axis: Literal["first", "last"] = "first") -> Hdf5Patterns:
        """Patterns, counted along `axis` of a three-dimensional dataset, left on disk."""
        found = self.required(name)
        self._check_type(found, name)
        chunk = math.prod(found.chunks or (1,)) * found.dtype.itemsize
        # A chunk is unfolded as a whole.
        check_budget(chunk, str(self.path), f"a chunk of {name}")
        return Hdf5Patterns(self.path, name, found.shape, found.dtype, axis)

    def fail(self, name: str, wrong: str, remedy: str) -> DataError:
        """The error to raise, one sentence: file, item, what is wrong, remedy."""
        return DataError(f"{self.path}: {name} {wrong}; {remedy}.")

    def _check_type(self, found: h5py.Dataset, name: str) -> None:
        kind = found.id.get_type()
        if not is_standard(kind):
            wrong = "holds texts of any length, references or strange numbers where plain numbers are due"
            raise self.fail(name, wrong, "store plain numbers")

    def _followed(self, name: str, links_left: int = MOST_LINKS, asked_for: str | None = None) -> Any:
        """What stands at a path, links looked at before they are followed; `asked_for` is where the links began."""
        asked_for = asked_for or name
        place: Any = self.root
        done = ""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        for index, part in enumerate(parts):
            if not isinstance(place, h5py.Group):
                return None
            link = place.get(part, getlink=True)
            if link is None:
                return None
            if isinstance(link, h5py.ExternalLink):
                raise self.fail(asked_for, f"is a link into another file, {link.filename}", "copy it into this file")
            if isinstance(link, h5py.SoftLink):
                if links_left == 0:
                    raise self.fail(asked_for, "is a link to a link without end", "write the file again")
                target = link.path if link.path.startswith("/") else f"{done}/{link.path}"
                return self._followed("/".join([target, *parts[index + 1 :]]), links_left - 1, asked_for)
            place = place[part]
            done = f"{done}/{part}"
        return place

    def _holds(self, found: h5py.Dataset) -> bool:
        """Whether the file can hold what the dataset claims."""
        if min(found.shape or (1,), default=1) == 0:
            return True
        plain = set(_filters(found)) <= BUILT_IN_FILTERS
        at_best = DEFLATE_AT_BEST if plain else CODEC_AT_BEST
        stored = min(int(found.id.get_storage_size()), self.path.stat().st_size)
        # Small datasets may stand in their own header, which counts as no storage.
        return _bytes(found) <= max(at_best * stored, 2**16)


@dataclass(slots=True)
class Hdf5Patterns:
    """Patterns of an HDF5 file; the file is opened when they are first read, in every process anew."""

    path: Path
    name: str
    stored_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axis: Literal["first", "last"]
    _dataset: Any = field(default=None, compare=False, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, N, N)."""
        stored = self.stored_shape
        return stored if self.axis == "first" else (stored[-1], *stored[:-1])

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Some patterns; raises OSError when the file has changed its shape since."""
        if self._dataset is None:
            self._dataset = Hdf5Source(_opened(self.path), self.path).required(self.name)
        if self._dataset.shape != self.stored_shape:
            raise OSError("the file has changed")
        if self.axis == "first":
            return np.asarray(self._dataset[first:last])
        return np.moveaxis(np.asarray(self._dataset[..., first:last]), -1, 0)

    def __getstate__(self) -> tuple[Any, ...]:
        # An open file cannot travel to another process.
        return self.path, self.name, self.stored_shape, self.dtype, self.axis

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.path, self.name, self.stored_shape, self.dtype, self.axis = state
        self._dataset = None


@contextmanager
def open_hdf5(path: Path) -> Iterator[Hdf5Source]:
    """The file at `path`; whatever goes wrong while it is open is a DataError of one sentence."""
    try:
        with _opened(path) as file:
            yield Hdf5Source(file, path)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}; check the path.") from error
    except Exception as error:
        reason = " ".join(str(error or type(error).__name__).split())
        raise DataError(f"{path} cannot be read as HDF5 ({reason}); write it again.") from error


def holds(path: Path, *names: str) -> bool:
    """Whether the file is HDF5 with datasets at all these paths; never raises."""
    try:
        if not path.is_file() or not h5py.is_hdf5(path):
            return False
        with open_hdf5(path) as source:
            return all(source.dataset(name) is not None for name in names)
    except Exception:  # noqa: BLE001 - a damaged file makes h5py raise almost anything
        return False


def _opened(path: Path) -> h5py.File:
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a file.")
    return h5py.File(path, "r", locking="best-effort")


def _bytes(found: h5py.Dataset) -> int:
    return math.prod(found.shape or (1,)) * int(found.dtype.itemsize)


def _filters(found: h5py.Dataset) -> list[int]:
    made = found.id.get_create_plist()
    return [int(made.get_filter(index)[0]) for index in range(made.get_nfilters())]


def _check_codec(found: h5py.Dataset, name: str, source: Hdf5Source) -> None:
    """Make the codecs of hdf5plugin known when the dataset needs one; raises DataError for one that stays unknown."""
    strange = [code for code in _filters(found) if code not in BUILT_IN_FILTERS]
    if not strange:
        return
    # Importing it makes its codecs known to h5py.
    import hdf5plugin  # type: ignore[import-not-found, import-untyped, unused-ignore]  # noqa: F401

    for code in strange:
        if not h5py.h5z.filter_avail(code):
            raise source.fail(name, f"is compressed with codec {code}, which is not known here", "use h5repack")
