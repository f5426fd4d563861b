"""The scan contract, checked: every array that comes from a file passes here before anything uses it."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError

FARTHEST = 1_000_000
"""No object is wider, in pixels: positions beyond are in another unit."""

Number = TypeVar("Number", np.float32, np.float64, np.complex64)


class ScanChecker:
    """Checks the arrays of one file; every DataError names the file, the key and the remedy."""

    def __init__(self, source: str, amplitudes_key: str = "diff3d", probe_key: str = "probeGuess") -> None:
        self.source = source
        self.amplitudes_key = amplitudes_key
        self.probe_key = probe_key

    def fail(self, key: str, wrong: str, remedy: str) -> DataError:
        """The error to raise, one sentence: file, key, what is wrong, remedy."""
        return DataError(f"{self.source}: {key} {wrong}; {remedy}.")

    def numbers(self, array: NDArray[Any], key: str, dtype: type[Number]) -> NDArray[Number]:
        """`array` as `dtype`, after checking that it holds finite numbers, complex ones if `dtype` is."""
        kind, accepted = ("complex", "c") if issubclass(dtype, np.complexfloating) else ("real", "iuf")
        if array.dtype.kind not in accepted:
            raise self.fail(key, f"has dtype {array.dtype} where {kind} numbers are due", f"store it as {kind}")
        if array.size == 0:
            raise self.fail(key, "is empty", "check how the file was made")
        with np.errstate(over="ignore"):
            converted = np.asarray(array, dtype=dtype, order="C")
        finite = np.isfinite(converted)
        if not finite.all():
            where = tuple(int(index) for index in np.argwhere(~finite)[0])
            count = int(array.size - finite.sum())
            raise self.fail(
                key, f"has {count} values that are NaN, infinite or too large (first at {where})", "replace them"
            )
        return converted

    def flag(self, array: NDArray[Any], key: str) -> bool:
        """A single truth value."""
        if array.size != 1 or array.dtype.kind not in "biu":
            raise self.fail(key, f"is {array.dtype} of shape {array.shape}", "store True or False")
        return bool(array.item())

    def positive(self, array: NDArray[Any], key: str, count: int) -> list[float]:
        """`count` positive numbers."""
        values = self.numbers(array, key, np.float64).ravel().tolist()
        if len(values) != count or min(values) <= 0:
            raise self.fail(key, f"holds {values}", f"store {count} positive number{'s' * (count > 1)}")
        return values

    def amplitudes(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """(M, N, N) non-negative amplitudes with at least one photon somewhere, as float32."""
        key = self.amplitudes_key
        if array.ndim != 3 or array.shape[1] != array.shape[2]:
            raise self.fail(key, f"has shape {array.shape}", "it must be (M, N, N), one square pattern a position")
        if array.shape[1] < 8 or array.shape[1] % 2:
            raise self.fail(key, f"has patterns of {array.shape[1]} pixels", "crop or pad them to an even number ≥ 8")
        array = self.numbers(array, key, np.float32)
        if array.min() < 0:
            where = tuple(int(index) for index in np.argwhere(array < 0)[0])
            raise self.fail(
                key, f"is negative at {where}", "amplitudes are square roots of photon counts: subtract no background"
            )
        empty = np.flatnonzero(array.max(axis=(1, 2)) == 0)
        if len(empty) == len(array):
            raise self.fail(key, "holds only empty patterns", "check the detector's export")
        if len(empty):
            raise self.fail(
                key,
                f"has {len(empty)} empty patterns (first: {int(empty[0])})",
                "remove them together with their positions",
            )
        return array

    def positions(self, y: NDArray[Any], x: NDArray[Any], count: int) -> NDArray[np.float64]:
        """(M, 2) (y, x) positions, one a pattern, as float64."""
        converted = []
        for key, array in (("ycoords", y), ("xcoords", x)):
            converted.append(self.numbers(array, key, np.float64))
            if array.shape != (count,):
                raise self.fail(
                    key, f"has shape {array.shape} but there are {count} patterns", "give one position a pattern"
                )
            if np.abs(converted[-1]).max() > FARTHEST:
                raise self.fail(
                    key, f"reaches beyond {FARTHEST} pixels", "positions are in object pixels; rescale them"
                )
        return np.stack(converted, axis=1)

    def probe(self, array: NDArray[Any], pixels: int) -> NDArray[np.complex64]:
        """(N, N) probe as complex64, of the patterns' size and not zero."""
        key = self.probe_key
        if array.shape != (pixels, pixels):
            raise self.fail(
                key,
                f"has shape {array.shape} but the patterns are {pixels} x {pixels}",
                f"give one probe mode of {pixels} x {pixels} pixels",
            )
        probe = self.numbers(array, key, np.complex64)
        if not np.abs(probe).max() > 0:
            raise self.fail(key, "is zero everywhere", "give an estimate of the probe")
        return probe

    def object(self, array: NDArray[Any], key: str) -> NDArray[np.complex64]:
        """(H, W) object as complex64."""
        if array.ndim != 2:
            raise self.fail(key, f"has shape {array.shape}", "it must be (H, W), one slice")
        return self.numbers(array, key, np.complex64)

    def inside(self, scan: Scan) -> Scan:
        """The scan, after checking that every patch lies on its object."""
        height, width = scan.canvas_shape()
        half = scan.pixels / 2
        low = scan.positions - half
        high = scan.positions + half - np.array([height, width])
        # Half a pixel of slack: the outermost sub-pixel positions are rounded inwards by many programs.
        outside = np.flatnonzero((low < -0.5).any(axis=1) | (high > 0.5).any(axis=1))
        if len(outside):
            y, x = scan.positions[outside[0]]
            raise self.fail(
                "xcoords, ycoords",
                f"put {len(outside)} patches outside the {height} x {width} object (first: pattern {outside[0]} at "
                f"y={y:.1f}, x={x:.1f})",
                "positions are the patch centres in object pixels; shift or rescale them",
            )
        return scan
