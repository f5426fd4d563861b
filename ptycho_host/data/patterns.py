"""Patterns that stay on disk until they are asked for, checked and brought to the scan contract when they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.conventions import Convention
from ptycho_host.data.scan import BoolArray
from ptycho_host.errors import DataError

BLOCK = 2**25
"""Bytes of patterns that are moved at a time."""


class RawPatterns(Protocol):
    """Patterns as a file holds them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, N, N), the patterns' axis first whatever it is in the file."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the stored values."""
        ...

    def read(self, first: int, last: int) -> NDArray[Any]:
        """The stored values (last - first, N, N) of consecutive patterns; raises anything when the file is damaged."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedPatterns:
    """Patterns (M, N, N) that are in memory already."""

    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, N, N)."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the array."""
        return self.array.dtype

    def read(self, first: int, last: int) -> NDArray[Any]:
        """A part of the array."""
        return self.array[first:last]


@dataclass(frozen=True, slots=True)
class StoredPatterns:
    """A `PatternSource` over the patterns of a file.

    source, key: file and array, for messages. bad_pixels: (N, N) as in the scan; zero is read there. empty: whether
    patterns without a photon are refused when they are read.
    """

    raw: RawPatterns
    convention: Convention
    source: str
    key: str
    bad_pixels: BoolArray | None = None
    empty: Literal["refuse", "keep"] = "refuse"

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, N, N)."""
        return self.raw.shape

    def __getitem__(self, index: Any, /) -> NDArray[np.float32]:
        """Amplitudes (B, N, N) float32 at `index`, a slice or integers (B,); raises DataError that names the place."""
        wanted = np.arange(self.shape[0])[index].ravel()
        distinct, places = np.unique(wanted, return_inverse=True)
        if len(distinct) == 0:
            return np.empty((0, *self.shape[1:]), dtype=np.float32)
        # Neighbours in the file are read in one go.
        runs = np.split(distinct, np.flatnonzero(np.diff(distinct) > 1) + 1)
        parts = [self._part(int(run[0]), int(run[-1]) + 1) for run in runs]
        read = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return read if len(distinct) == len(wanted) and (np.diff(places) > 0).all() else read[places]

    def look_through(self) -> None:
        """Read all patterns once, block by block, so that what is wrong with them is said now."""
        for part in blocks(self.shape[0], self.shape[-1]):
            self[part]

    def _part(self, first: int, last: int) -> NDArray[np.float32]:
        try:
            stored = self.raw.read(first, last)
        except Exception as error:
            reason = " ".join(str(error or type(error).__name__).split())
            raise self._wrong(f"cannot be read from pattern {first} on ({reason})", "copy the file anew") from error
        values = self.convention.oriented(stored)
        if self.bad_pixels is not None:
            values = np.where(self.bad_pixels, np.zeros((), values.dtype), values)
        with np.errstate(over="ignore"):
            amplitudes = self.convention.amplitudes(values)
        finite = np.isfinite(amplitudes)
        if not finite.all():
            raise self._wrong(
                f"has {finite.size - int(finite.sum())} values that are NaN, infinite or too large "
                f"(first at {_first(~finite, first)})",
                "replace them, or mask the pixels as bad",
            )
        if amplitudes.min() < 0:
            raise self._wrong(
                f"is negative at {_first(amplitudes < 0, first)}",
                "there are no negative photon counts: subtract no background, or mask the pixel as bad",
            )
        if self.empty == "refuse":
            self._refuse_empty(amplitudes, first)
        return amplitudes

    def _refuse_empty(self, amplitudes: NDArray[np.float32], first: int) -> None:
        empty = np.flatnonzero(amplitudes.max(axis=(1, 2)) == 0)
        if len(empty) == self.shape[0]:
            raise self._wrong("holds only empty patterns", "check the detector's export")
        if len(empty):
            raise self._wrong(
                f"has {len(empty)} empty patterns (first: {first + int(empty[0])})",
                "remove them together with their positions, or let the reader: --set data.reader.empty=drop",
            )

    def _wrong(self, wrong: str, remedy: str) -> DataError:
        return DataError(f"{self.source}: {self.key} {wrong}; {remedy}.")


def blocks(count: int, pixels: int, itemsize: int = 4) -> list[slice]:
    """Consecutive slices over `count` patterns of N x N values, each of about BLOCK bytes, at least one pattern."""
    length = max(1, BLOCK // (pixels**2 * itemsize))
    return [slice(first, min(first + length, count)) for first in range(0, count, length)]


def _first(where: NDArray[np.bool_], offset: int) -> tuple[int, int, int]:
    pattern, row, column = (int(place) for place in np.argwhere(where)[0])
    return offset + pattern, row, column
