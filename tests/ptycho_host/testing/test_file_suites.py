"""The suites of readers and writers pass sound ones, and find each defect."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_host.atomic import replacing
from ptycho_host.components import Reader, Writer
from ptycho_host.data.checks import ScanChecker
from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError
from ptycho_host.testing import ReaderConformance, WriterConformance
from ptycho_host.testing.scans import simulated_scan
from ptycho_host.testing.suite import ComponentConformance

LABEL = b"LAB1"
READER_CHECKS, WRITER_CHECKS = (
    [name for name in dir(suite) if name.startswith("test_") and name != "test_listing_imports_nothing_heavy"]
    for suite in (ReaderConformance, WriterConformance)
)


class SoundWriter:
    """A label and the arrays one after another: a format that keeps no truth."""

    def write(self, scan: Scan, path: Path) -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(self.content(scan))

    def content(self, scan: Scan) -> bytes:
        shape = np.array([scan.count, scan.pixels], np.int64)
        arrays = [scan.batch(slice(None)), scan.positions, scan.probe]
        return LABEL + shape.tobytes() + b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


class SoundReader:
    def recognises(self, path: Path) -> bool:
        try:
            with path.open("rb") as file:
                return file.read(len(LABEL)) == LABEL
        except OSError:
            return False

    def read(self, path: Path) -> Scan:
        check = ScanChecker(str(path), "patterns", "probe")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}; check the path.") from error
        if content[:4] != LABEL or len(content) < 20:
            raise DataError(f"{path} is no file of the lab; export it again.")
        count, pixels = (int(number) for number in np.frombuffer(content, np.int64, 2, offset=4))
        sizes = np.cumsum([20, 4 * count * pixels**2, 16 * count, 8 * pixels**2])
        if len(content) != sizes[-1]:
            raise DataError(f"{path} is cut off; export it again.")
        parts = [content[first:last] for first, last in pairwise(sizes)]
        positions = np.frombuffer(parts[1], np.float64).reshape(count, 2)
        return Scan(
            check.amplitudes(np.frombuffer(parts[0], np.float32).reshape(count, pixels, pixels)),
            check.positions(positions[:, 0], positions[:, 1], count),
            check.probe(np.frombuffer(parts[2], np.complex64).reshape(pixels, pixels), pixels),
            name=path.stem,
        )


SUFFIXES = {"suffixes": (".lab",)}


@pytest.fixture
def of_lab(trial: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A trial of a reader or writer; a sound partner of the other kind is registered beside it."""

    def make(suite: type[ComponentConformance], build: Callable[..., Any], **attributes: Any) -> Any:
        partner, hook, descriptor = (
            (SoundWriter, "ptycho_writers", Writer)
            if suite.kind == "reader"
            else (SoundReader, "ptycho_readers", Reader)
        )
        target = f"{partner.__module__}:{partner.__name__}"
        # The module of a test is not importable by its name.
        monkeypatch.setitem(sys.modules, partner.__module__, sys.modules[__name__])
        other = descriptor("lab", summary="The partner.", target=target, suffixes=(".lab",))
        descriptor_settings = attributes.pop("descriptor", SUFFIXES)
        return trial(suite, build, others={hook: [other]}, descriptor=descriptor_settings, **attributes)

    return make


@pytest.mark.parametrize("check", READER_CHECKS)
def test_a_sound_reader_passes(of_lab: Callable[..., Any], check: str) -> None:
    of_lab(ReaderConformance, lambda: SoundReader()).check(check)


@pytest.mark.parametrize("check", WRITER_CHECKS)
def test_a_sound_writer_passes(of_lab: Callable[..., Any], check: str) -> None:
    of_lab(WriterConformance, lambda: SoundWriter()).check(check)


# --- writers ---------------------------------------------------------------------------------------------------


class SwapsAxes(SoundWriter):
    def content(self, scan: Scan) -> bytes:
        return super().content(replace(scan, positions=scan.positions[:, ::-1].copy()))


class WritesCounts(SoundWriter):
    def content(self, scan: Scan) -> bytes:
        return super().content(replace(scan, amplitudes=np.square(scan.batch(slice(None)))))


class NeedsArrays(SoundWriter):
    def content(self, scan: Scan) -> bytes:
        scan.amplitudes.copy()  # type: ignore[attr-defined]
        return super().content(scan)


class NeedsTruth(SoundWriter):
    def content(self, scan: Scan) -> bytes:
        assert scan.truth is not None
        return super().content(scan)


class WritesInPlace(SoundWriter):
    def write(self, scan: Scan, path: Path) -> None:
        path.write_bytes(LABEL)
        path.write_bytes(self.content(scan))


class LeavesTemporaries(SoundWriter):
    def write(self, scan: Scan, path: Path) -> None:
        temporary = path.with_suffix(".tmp")
        temporary.touch()
        temporary.write_bytes(self.content(scan))
        temporary.replace(path)


COMES_BACK = "test_scan_comes_back"
WRITER_DEFECTS: list[tuple[type, dict[str, Any], str, str]] = [
    (SwapsAxes, {}, COMES_BACK, r"does not bring back the positions"),
    (WritesCounts, {}, COMES_BACK, r"does not bring back the amplitudes"),
    (SoundWriter, {"keeps": ("truth",)}, COMES_BACK, r"loses the truth"),
    (SoundWriter, {"keeps": ("geometry",)}, COMES_BACK, r"does not bring back the geometry of a scan: None, not"),
    (NeedsArrays, {}, "test_bare_scan_can_be_written", r"fails to write a scan: AttributeError"),
    (NeedsTruth, {}, "test_bare_scan_can_be_written", r"fails to write a scan: AssertionError"),
    (WritesInPlace, {}, "test_a_failure_leaves_the_old_file", r"write with ptycho_host.atomic.replacing"),
    (LeavesTemporaries, {}, "test_a_failure_leaves_the_old_file", r"changes or leaves files when writing fails"),
    (SoundWriter, {"descriptor": {"suffixes": ()}}, "test_suffixes_can_be_matched", r"name at least one"),
]


@pytest.mark.parametrize(
    ("writer", "settings", "check", "sentence"), WRITER_DEFECTS, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_defect_of_a_writer_is_found(
    of_lab: Callable[..., Any], writer: type, settings: dict[str, Any], check: str, sentence: str
) -> None:
    with pytest.raises(AssertionError, match=sentence) as failure:
        of_lab(WriterConformance, lambda: writer(), **settings).check(check)
    assert str(failure.value).startswith("writer 'lab' (lab) ")


# --- readers ---------------------------------------------------------------------------------------------------


class Blind(SoundReader):
    def recognises(self, path: Path) -> bool:
        return False


class TakesAll(SoundReader):
    def recognises(self, path: Path) -> bool:
        return path.suffix == ".lab"


class RaisesWhenLooking(SoundReader):
    def recognises(self, path: Path) -> bool:
        return path.read_bytes()[:4] == LABEL


class Unchecked(SoundReader):
    def read(self, path: Path) -> Scan:
        scan = super().read(path)
        return replace(scan, positions=scan.positions.astype(np.float32))  # type: ignore[arg-type]


class Nameless(SoundReader):
    def read(self, path: Path) -> Scan:
        return replace(super().read(path), name="")


class Noisy(SoundReader):
    def read(self, path: Path) -> Scan:
        scan = super().read(path)
        return replace(scan, positions=scan.positions + np.random.default_rng().uniform(0, 1e-3))


class LetsErrorsThrough(SoundReader):
    def read(self, path: Path) -> Scan:
        path.read_bytes()
        return super().read(path)


class ManyLines(SoundReader):
    def read(self, path: Path) -> Scan:
        try:
            return super().read(path)
        except DataError as error:
            raise DataError(f"{error}\nTraceback: …") from error


class Anonymous(SoundReader):
    def read(self, path: Path) -> Scan:
        try:
            return super().read(path)
        except DataError as error:
            raise DataError("this is no file of the lab; export it again.") from error


class AlwaysHasSomething(SoundReader):
    def read(self, path: Path) -> Scan:
        return simulated_scan(16)


class CachesBeside(SoundReader):
    def read(self, path: Path) -> Scan:
        scan = super().read(path)
        path.with_suffix(".cache").touch()
        return scan


VALID = "test_example_is_recognised_and_valid"
STRANGE = "test_strange_files_are_not_recognised"
REFUSED = "test_unreadable_files_are_refused_in_a_sentence"
READER_DEFECTS: list[tuple[type, str, str]] = [
    (Blind, VALID, r"does not recognise a file of its format"),
    (Unchecked, VALID, r"positions are float32, not float64"),
    (Nameless, VALID, r"gives the scan no name"),
    (Noisy, VALID, r"reads another scan each time"),
    (TakesAll, STRANGE, r"recognises empty.lab, which is no file of its format"),
    (RaisesWhenLooking, STRANGE, r"fails to look at folder.lab; recognises\(\) never raises: IsADirectoryError"),
    (LetsErrorsThrough, REFUSED, r"fails on folder.lab with IsADirectoryError.*raise a DataError"),
    (ManyLines, REFUSED, r"one line that names the file is due"),
    (Anonymous, REFUSED, r"one line that names the file is due"),
    (AlwaysHasSomething, REFUSED, r"reads a scan from empty.lab, which holds none"),
    (CachesBeside, "test_reading_leaves_the_file_alone", r"writes others beside it"),
]


@pytest.mark.parametrize(
    ("reader", "check", "sentence"), READER_DEFECTS, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_defect_of_a_reader_is_found(of_lab: Callable[..., Any], reader: type, check: str, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as failure:
        of_lab(ReaderConformance, lambda: reader()).check(check)
    assert str(failure.value).startswith("reader 'lab' (lab) ")


def test_a_reader_without_writer_needs_an_example(trial: Callable[..., Any]) -> None:
    with pytest.raises(pytest.fail.Exception, match="override `make_example`"):
        trial(ReaderConformance, lambda: SoundReader(), descriptor=SUFFIXES).check(VALID)
