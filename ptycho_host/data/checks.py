"""The scan contract, checked: every array that comes from a file passes here before anything uses it."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ptycho_host.data.conventions import Convention
from ptycho_host.data.patterns import LoadedPatterns, RawPatterns, StoredPatterns
from ptycho_host.data.scan import BoolArray, Scan
from ptycho_host.errors import DataError

FARTHEST = 1_000_000
"""No object is wider, in pixels: positions beyond are in another unit."""

REAL = "iuf"
"""Kinds of dtypes that hold real numbers."""

Number = TypeVar("Number", np.float32, np.float64, np.complex64)


class ScanChecker:
    """Checks the arrays of one file; every DataError names the file, the key and the remedy."""

    def __init__(
        self,
        source: str,
        amplitudes_key: str = "diff3d",
        probe_key: str = "probeGuess",
        position_keys: tuple[str, str] = ("ycoords", "xcoords"),
    ) -> None:
        """`source` is the file, the others the names that its arrays have, `position_keys` those of y and x."""
        self.source = source
        self.amplitudes_key = amplitudes_key
        self.probe_key = probe_key
        self.position_keys = position_keys

    def fail(self, key: str, wrong: str, remedy: str) -> DataError:
        """The error to raise, one sentence: file, key, what is wrong, remedy."""
        return DataError(f"{self.source}: {key} {wrong}; {remedy}.")

    def numbers(self, array: NDArray[Any], key: str, dtype: type[Number]) -> NDArray[Number]:
        """`array` as `dtype`, after checking that it holds finite numbers, complex ones if `dtype` is."""
        kind, accepted = ("complex", "c") if issubclass(dtype, np.complexfloating) else ("real", REAL)
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

    def pair(self, array: NDArray[Any], key: str) -> tuple[float, float]:
        """Two numbers, y and x."""
        values = self.numbers(array, key, np.float64).ravel().tolist()
        if len(values) != 2:
            raise self.fail(key, f"holds {values}", "store 2 numbers, y and x")
        return values[0], values[1]

    def amplitudes(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """(M, N, N) non-negative amplitudes with at least one photon in each pattern, as float32."""
        return self.patterns(LoadedPatterns(array))[:]

    def patterns(
        self,
        raw: RawPatterns,
        convention: Convention | None = None,
        bad_pixels: BoolArray | None = None,
        empty: Literal["refuse", "drop", "keep"] = "refuse",
    ) -> StoredPatterns:
        """Patterns (M, N, N) still in their file: shape and dtype are checked now, the values when they are read.

        To `drop` empty ones is the business of who has the whole scan: until then they are kept.
        """
        key = self.amplitudes_key
        shape = raw.shape
        if len(shape) != 3 or shape[1] != shape[2]:
            raise self.fail(key, f"has shape {shape}", "it must be (M, N, N), one square pattern a position")
        if shape[1] < 8 or shape[1] % 2:
            raise self.fail(key, f"has patterns of {shape[1]} pixels", "crop or pad them to an even number ≥ 8")
        if raw.dtype.kind not in REAL:
            raise self.fail(key, f"has dtype {raw.dtype} where real numbers are due", "store it as real")
        if shape[0] == 0:
            raise self.fail(key, "is empty", "check how the file was made")
        kept: Literal["refuse", "keep"] = "refuse" if empty == "refuse" else "keep"
        return StoredPatterns(raw, convention or Convention(), self.source, key, bad_pixels, kept)

    def bad_pixels(self, array: NDArray[Any], key: str, pixels: int) -> BoolArray | None:
        """(N, N) truth values, True where a pixel is bad; None if none is. Refuses masks that leave nothing."""
        if array.shape != (pixels, pixels) or array.dtype.kind not in "biu":
            wrong = f"is {array.dtype} of shape {array.shape}"
            raise self.fail(key, wrong, f"it must be ({pixels}, {pixels}) truth values, True where a pixel is bad")
        bad: BoolArray = array.astype(bool)
        if bad.all():
            raise self.fail(key, "marks every pixel as bad", "check what the mask means")
        return bad if bad.any() else None

    def positions(self, y: NDArray[Any], x: NDArray[Any], count: int) -> NDArray[np.float64]:
        """(M, 2) (y, x) positions, one a pattern, as float64."""
        converted = []
        for key, array in zip(self.position_keys, (y, x), strict=True):
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

    def probe(self, array: NDArray[Any], pixels: int, mode: int | None = None) -> NDArray[np.complex64]:
        """(N, N) probe as complex64, of the patterns' size and not zero; of several modes (…, N, N) the chosen one."""
        key = self.probe_key
        if array.ndim > 2 and array.shape[-2:] == (pixels, pixels) and array.size:
            array = self._mode(array.reshape(-1, pixels, pixels), mode)
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

    def _mode(self, modes: NDArray[Any], mode: int | None) -> NDArray[Any]:
        count = len(modes)
        if count == 1 and mode is None:
            return modes[0]  # type: ignore[no-any-return]
        if mode is None:
            power = np.sum(
                np.abs(self.numbers(modes, self.probe_key, np.complex64)) ** 2, axis=(1, 2), dtype=np.float64
            )
            shares = ", ".join(f"{share:.0%}" for share in power / max(power.sum(), np.finfo(float).tiny))
            wrong = f"holds {count} modes with {shares} of the power, and one is used"
            raise self.fail(self.probe_key, wrong, "give one probe mode, or choose: --set data.reader.mode=0")
        if mode >= count:
            raise self.fail(self.probe_key, f"has no mode {mode}", f"choose one from 0 to {count - 1}")
        return modes[mode]  # type: ignore[no-any-return]

    def object(self, array: NDArray[Any], key: str) -> NDArray[np.complex64]:
        """(H, W) object as complex64."""
        if array.ndim != 2:
            raise self.fail(key, f"has shape {array.shape}", "it must be (H, W), one slice")
        return self.numbers(array, key, np.complex64)

    def table(self, text: str, key: str) -> dict[str, Any]:
        """JSON text as a table of plain values."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.fail(key, f"is not JSON ({error})", "remove the key or store JSON text") from error
        return values if isinstance(values, dict) else {key: values}

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
                ", ".join(dict.fromkeys(reversed(self.position_keys))),
                f"put {len(outside)} patches outside the {height} x {width} object (first: pattern {outside[0]} at "
                f"y={y:.1f}, x={x:.1f})",
                "positions are the patch centres in object pixels; shift or rescale them",
            )
        return scan
