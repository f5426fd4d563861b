"""A square around the zero frequency, cut out of patterns that are not square or not centred."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.conventions import Convention
from ptycho_host.data.patterns import RawPatterns

CropOption = Annotated[
    int | None,
    Field(
        ge=8,
        multiple_of=2,
        description="side of the square that is cut out around the zero frequency, whose probe and positions the file "
        "has; none: the patterns are whole, or as large as fits around centre_y, centre_x",
    ),
]
CentreOption = Annotated[
    int | None,
    Field(ge=0, description="row (y) or column (x) of the zero frequency on the detector, from 0; none: the middle"),
]


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows and columns (y, x) of the patterns are kept; as the options ask."""

    crop: int | None = None
    centre_y: int | None = None
    centre_x: int | None = None

    @property
    def asked_for(self) -> bool:
        """Whether anything is to be cut."""
        return (self.crop, self.centre_y, self.centre_x) != (None, None, None)

    def slices(self, rows: int, columns: int, check: ScanChecker) -> tuple[slice, slice]:
        """Rows and columns that are kept, their middle pixel n//2 the zero frequency.

        Raises DataError for patterns that are not square where nothing is asked for, and where the square does not fit.
        """
        if not self.asked_for:
            if rows != columns:
                side = min(rows, columns) // 2 * 2
                remedy = (
                    f"cut a square around the zero frequency: --set data.reader.crop={side}, with data.reader.centre_y "
                    "and centre_x where it is not in the middle"
                )
                raise check.fail(check.amplitudes_key, f"has patterns of {rows} x {columns} pixels", remedy)
            return slice(0, rows), slice(0, columns)
        sides = (rows, columns)
        centres = [
            side // 2 if given is None else given
            for side, given in zip(sides, (self.centre_y, self.centre_x), strict=True)
        ]
        # Of n pixels n/2 lie before the middle one.
        largest = 2 * min(min(centre, side - centre) for side, centre in zip(sides, centres, strict=True))
        pixels = self.crop or max(largest, 8)
        if pixels > largest:
            room = f"which leave {max(largest, 0)} around {tuple(centres)} and not {pixels}"
            wrong = f"has {rows} x {columns} pixels, {room}"
            raise check.fail(check.amplitudes_key, wrong, "ask for a smaller data.reader.crop, or another centre")
        first, second = (slice(centre - pixels // 2, centre + pixels // 2) for centre in centres)
        return first, second

    def cut(self, raw: RawPatterns, convention: Convention, check: ScanChecker) -> RawPatterns:
        """The patterns of the window; raises what `slices` does, and DataError for a zero frequency in the corner."""
        if len(raw.shape) != 3:
            return raw
        if self.asked_for and convention.zero_frequency == "corner":
            wrong = "has its zero frequency in the corner, and nothing can be cut out around it"
            raise check.fail(check.amplitudes_key, wrong, "convert it first, and crop with `ptycho prepare`")
        rows, columns = raw.shape[:0:-1] if convention.transposed else raw.shape[1:]
        y, x = self.slices(rows, columns, check)
        if (y, x) == (slice(0, rows), slice(0, columns)):
            return raw
        return CutPatterns(raw, x, y) if convention.transposed else CutPatterns(raw, y, x)


@dataclass(frozen=True, slots=True)
class CutPatterns:
    """Some rows and columns of other patterns, as they are stored."""

    raw: RawPatterns
    first: slice
    second: slice

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, n, n)."""
        sides = (part.stop - part.start for part in (self.first, self.second))
        return (self.raw.shape[0], *sides)

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the stored values."""
        return self.raw.dtype

    def read(self, first: int, last: int) -> NDArray[Any]:
        """The part of consecutive patterns; raises what their file does."""
        return self.raw.read(first, last)[:, self.first, self.second]
