"""NPZ archives that are not trusted: no pickles, no claim believed; patterns stay on disk unless compressed."""

from __future__ import annotations

import math
import mmap
import struct
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ptycho_host.atomic import replacing
from ptycho_host.data.formats.budget import DEFLATE_AT_BEST, check_budget
from ptycho_host.data.patterns import LoadedPatterns, RawPatterns, blocks
from ptycho_host.data.scan import PatternSource
from ptycho_host.errors import DataError

CompressedOption: TypeAlias = Annotated[bool, Field(description="smaller, but no longer read piece by piece")]

REMEDY = "store plain numbers with numpy.savez"


class NpzArchive:
    """One open archive; the arrays that are taken from it share one memory budget."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.path = path
        self._archive = archive
        self._size = path.stat().st_size
        self._taken = 0

    @property
    def keys(self) -> list[str]:
        """Names of the arrays."""
        return [name.removesuffix(".npy") for name in self._archive.namelist() if name.endswith(".npy")]

    def header(self, key: str) -> Header:
        """Shape and dtype that an array claims, held against the archive; raises DataError."""
        try:
            member = self._archive.getinfo(f"{key}.npy")
            with self._archive.open(member) as file:
                header = Header.of(file)
        except Exception as error:
            raise self.fail(key, f"cannot be read ({_reason(error)})") from error
        if header.dtype.hasobject:
            raise self.fail(key, "holds pickled Python objects")
        # No stored or deflated member can be larger than what the whole archive could unfold to.
        absurd = min(header.shape, default=0) < 0 or not 0 <= member.file_size <= DEFLATE_AT_BEST * self._size
        if absurd or header.size != member.file_size - header.length:
            claim = f"claims {header.size} bytes of {header.dtype} {header.shape}, which the file does not hold"
            raise self.fail(key, claim)
        return header

    def claimed_shape(self, key: str) -> tuple[int, ...]:
        """The shape in an array's header, not held against anything; () where there is no header."""
        try:
            with self._archive.open(f"{key}.npy") as file:
                return Header.of(file).shape
        except Exception:  # noqa: BLE001 - only asked to tell formats apart
            return ()

    def is_plain(self, key: str) -> bool:
        """Whether an array holds numbers or text, no pickles; raises DataError for a header that cannot be read."""
        try:
            with self._archive.open(f"{key}.npy") as file:
                return not Header.of(file).dtype.hasobject
        except Exception as error:
            raise self.fail(key, f"cannot be read ({_reason(error)})") from error

    def array(self, key: str) -> NDArray[Any]:
        """One array in memory; raises DataError before memory is taken for what cannot be right or does not fit."""
        header = self.header(key)
        self._taken += header.size
        check_budget(self._taken, str(self.path), key)
        try:
            with self._archive.open(f"{key}.npy") as file:
                array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        except Exception as error:
            raise self.fail(key, f"cannot be read ({_reason(error)})") from error
        return array

    def arrays(self, besides: str, named: Collection[str]) -> dict[str, NDArray[Any]]:
        """All arrays `besides` one: what is `named` must be right, and of the rest pickles are left alone."""
        return {key: self.array(key) for key in self.keys if key != besides and (key in named or self.is_plain(key))}

    def patterns(self, key: str, axis: Literal["first", "last"] = "first") -> RawPatterns:
        """Patterns, counted along `axis` of a three-dimensional array: left on disk unless they are compressed."""
        member = self._archive.getinfo(f"{key}.npy")
        header = self.header(key)
        if member.compress_type != zipfile.ZIP_STORED or header.size == 0 or member.flag_bits & 1:
            return LoadedPatterns(_first(self.array(key), axis))
        try:
            # The archive keeps a checksum: it is compared once, because later reads jump about.
            with self._archive.open(member) as file:
                while file.read(2**22):
                    pass
            start = _content_start(self.path, member) + header.length
        except Exception as error:
            raise self.fail(key, f"cannot be read ({_reason(error)})") from error
        if start + header.size > self._size:
            raise self.fail(key, "ends before its last pattern")
        return MappedPatterns(self.path, start, header.dtype, header.shape, header.fortran, axis)

    def fail(self, key: str, wrong: str, remedy: str = REMEDY) -> DataError:
        """The error to raise, one sentence: file, key, what is wrong, remedy."""
        return DataError(f"{self.path}: {key} {wrong}; {remedy}.")


@dataclass(frozen=True, slots=True)
class Header:
    """What an array in an archive claims to be; `length` is that of the header itself in bytes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    length: int

    @classmethod
    def of(cls, file: IO[bytes]) -> Header:
        """The header at the beginning of an open member; raises ValueError."""
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        return cls(shape, fortran, dtype, file.tell())

    @property
    def size(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(slots=True)
class MappedPatterns:
    """Patterns of an archive that are not compressed: mapped into memory, so that only what is read is loaded."""

    path: Path
    start: int
    dtype: np.dtype[Any]
    stored_shape: tuple[int, ...]
    fortran: bool
    axis: Literal["first", "last"]
    _mapped: tuple[mmap.mmap, NDArray[Any]] | None = field(default=None, compare=False, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, N, N)."""
        stored = self.stored_shape
        return stored if self.axis == "first" else (stored[-1], *stored[:-1])

    def read(self, first: int, last: int) -> NDArray[Any]:
        """A part of the map, copied; pages that were touched do not stay in this process."""
        if self._mapped is None:
            with self.path.open("rb") as file:
                pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            order: Literal["C", "F"] = "F" if self.fortran else "C"
            stored: NDArray[Any] = np.ndarray(self.stored_shape, self.dtype, pages, self.start, order=order)
            self._mapped = pages, stored
        pages, stored = self._mapped
        part = np.array(_first(stored, self.axis)[first:last])
        pages.madvise(mmap.MADV_DONTNEED)
        return part

    def __getstate__(self) -> tuple[Any, ...]:
        # Another process maps the file itself; the map as it is would travel as numbers.
        return self.path, self.start, self.dtype, self.stored_shape, self.fortran, self.axis

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.path, self.start, self.dtype, self.stored_shape, self.fortran, self.axis = state
        self._mapped = None


@contextmanager
def open_archive(path: Path, contract: str) -> Iterator[NpzArchive]:
    """The archive at `path`; whatever goes wrong while it is open is a DataError of one sentence.

    `contract` says what should have been saved, for files that are no archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield NpzArchive(archive, path)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}; check the path.") from error
    except Exception as error:
        if _is_npy(path):
            reason = f"it holds a single array; save all arrays of {contract}"
        else:
            reason = f"{_reason(error)}; save plain arrays"
        raise DataError(f"{path} cannot be read as NPZ: {reason} with numpy.savez.") from error


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and claimed shapes of the arrays in an archive; nothing for anything else, never raises."""
    try:
        with zipfile.ZipFile(path) as archive:
            opened = NpzArchive(archive, path)
            return {key: opened.claimed_shape(key) for key in opened.keys}
    except Exception:  # noqa: BLE001 - a damaged directory makes zipfile raise almost anything
        return {}


def single_array(path: Path) -> NDArray[Any]:
    """The array in an .npy file; raises DataError before memory is taken for what the file cannot hold."""
    try:
        with path.open("rb") as file:
            header = Header.of(file)
            held = path.stat().st_size - header.length
            if header.dtype.hasobject:
                raise DataError(f"{path} holds pickled Python objects; store plain numbers with numpy.save.")
            if min(header.shape, default=0) < 0 or header.size != held:
                raise DataError(f"{path} claims {header.size} bytes, it holds {held}; write it again with numpy.save.")
            check_budget(header.size, str(path), "the array")
            file.seek(0)
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}; check the path.") from error
    except Exception as error:
        raise DataError(f"{path} cannot be read as an array ({_reason(error)}); use numpy.save.") from error
    return array


def write_archive(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    key: str,
    patterns: PatternSource,
    dtype: type,
    *,
    compressed: bool,
    convert: Callable[[NDArray[np.float32]], NDArray[Any]] = np.asarray,
    axis: Literal["first", "last"] = "first",
) -> None:
    """Write an archive atomically, its `patterns` (M, N, N) under `key` as `dtype`, block by block through `convert`.

    `axis` says which axis of the written array counts the patterns.
    """
    compression = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    count, rows, columns = patterns.shape
    shape = (count, rows, columns) if axis == "first" else (rows, columns, count)
    # In Fortran's order the last axis is the slowest, so patterns can follow each other there too.
    claim = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": axis == "last", "shape": shape}
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", compression) as archive:
        with archive.open(f"{key}.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(file, claim)
            for part in blocks(count, columns):
                block: NDArray[Any] = convert(np.asarray(patterns[part], dtype=np.float32)).astype(dtype, copy=False)
                file.write(np.ascontiguousarray(block if axis == "first" else block.swapaxes(1, 2)).tobytes())
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)


def _first(array: NDArray[Any], axis: Literal["first", "last"]) -> NDArray[Any]:
    return array if axis == "first" else np.moveaxis(array, -1, 0)


def _content_start(path: Path, member: zipfile.ZipInfo) -> int:
    """Where the content of a stored member begins: behind its local header, name and extra field."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        local = file.read(30)
    name_length, extra_length = struct.unpack("<HH", local[26:30])
    return int(member.header_offset + 30 + name_length + extra_length)


def _is_npy(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX
    except OSError:
        return False


def _reason(error: Exception) -> str:
    return " ".join(str(error or type(error).__name__).split()) or type(error).__name__
