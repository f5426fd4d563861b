"""Conformance of readers and writers."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_host.components import Reader, Writer
from ptycho_host.configured import ConfiguredComponent, configure
from ptycho_host.contracts import ScanReader, ScanWriter
from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError, UnknownComponentError
from ptycho_host.plugins import Host, Registration
from ptycho_host.testing.scans import simulated_scan
from ptycho_host.testing.simulators import problem_of
from ptycho_host.testing.suite import OptionConformance

Kept = Literal["truth", "geometry", "metadata"]


class _FileConformance(OptionConformance):
    def test_suffixes_can_be_matched(self, registration: Registration) -> None:
        """Files are told apart by suffixes such as '.npz', written in lower case."""
        assert isinstance(registration.component, Reader | Writer)
        suffixes = registration.component.suffixes
        well = suffixes and all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes)
        self.require(well, registration, f"has suffixes {suffixes}; name at least one, such as '.npz', in lower case")


class WriterConformance(_FileConformance):
    """A writer keeps its contract: what it writes reads back, and a file is the old one or the new one.

    keeps: what the format has room for beside amplitudes, positions and probe. reader: the registered reader of the
    format; none takes that of the writer's name or, where there is none, the first that recognises the file.
    """

    kind = "writer"
    contract = "ptycho_host.contracts, files"
    keeps: ClassVar[tuple[Kept, ...]] = ()
    reader: ClassVar[str | None] = None

    def test_scan_comes_back(self, host: Host, component: ConfiguredComponent, tmp_path: Path) -> None:
        """Amplitudes, positions and probe to single precision, and whatever else the format keeps."""
        scan = simulated_scan(16)
        path = tmp_path / f"scan{self._suffix(component)}"
        self._write(component, scan, path)
        again = self._read(host, component, path)
        pairs: list[tuple[str, NDArray[Any], NDArray[Any]]] = [
            ("amplitudes", again.batch(slice(None)), scan.batch(slice(None))),
            ("positions", again.positions, scan.positions),
            ("probe", again.probe, scan.probe),
        ]
        if "truth" in self.keeps:
            assert scan.truth is not None
            self.require(again.truth is not None, component, "loses the truth, which the suite's `keeps` promises")
            assert again.truth is not None
            pairs.append(("truth", again.truth, scan.truth))
        for name, found, due in pairs:
            self.require(
                found.shape == due.shape and np.allclose(found, due, rtol=1e-5, atol=1e-5 * np.abs(due).max()),
                component,
                f"does not bring back the {name} of a scan",
            )
        for name in ("geometry", "metadata"):
            if name in self.keeps:
                found, due = getattr(again, name), getattr(scan, name)
                self.require(found == due, component, f"does not bring back the {name} of a scan: {found}, not {due}")

    def test_bare_scan_can_be_written(self, host: Host, component: ConfiguredComponent, tmp_path: Path) -> None:
        """A measured scan has no truth, maybe no geometry; its patterns may be read from disk when indexed."""
        full = simulated_scan(16)
        scan = replace(full, truth=None, geometry=None, metadata={}).subset(np.arange(full.count)[::-1])
        path = tmp_path / f"scan{self._suffix(component)}"
        self._write(component, scan, path)
        again = self._read(host, component, path)
        self.require(
            again.truth is None and np.allclose(again.positions, scan.positions, atol=1e-5),
            component,
            "does not bring back a scan without truth and geometry, or in another order",
        )

    def test_a_failure_leaves_the_old_file(self, component: ConfiguredComponent, tmp_path: Path) -> None:
        """When the patterns cannot be read half-way, the old file stays and nothing lies about."""
        path = tmp_path / f"scan{self._suffix(component)}"
        self._write(component, simulated_scan(16), path)
        before = _content(tmp_path)
        broken = replace(simulated_scan(16, seed=3), amplitudes=_Unreadable((25, 16, 16)))
        with suppress(Exception):
            component.build().write(broken, path)
        self.require(
            _content(tmp_path) == before,
            component,
            "changes or leaves files when writing fails; write with ptycho_host.atomic.replacing",
        )

    def try_out(self, host: Host, component: ConfiguredComponent) -> None:
        """Build the writer."""
        writer: ScanWriter = component.build()
        self.require(callable(getattr(writer, "write", None)), component, "has no method write(scan, path)")

    def _suffix(self, component: ConfiguredComponent) -> str:
        assert isinstance(component.component, Writer)
        return component.component.suffixes[0]

    def _write(self, component: ConfiguredComponent, scan: Scan, path: Path) -> None:
        with self.attempt(component, "to write a scan"):
            component.build().write(scan, path)

    def _read(self, host: Host, component: ConfiguredComponent, path: Path) -> Scan:
        reader = _reader(host, component, path, self.reader)
        if reader is None:
            pytest.skip(f"no installed reader recognises what {component.registration.label} writes")
        with self.attempt(component, "to have its file read"):
            return reader.read(path)


class ReaderConformance(_FileConformance):
    """A reader keeps its contract: a valid scan, or one sentence that names file and remedy.

    The example is written by the installed writer of the same name; without one, override `example`.
    """

    kind = "reader"
    contract = "ptycho_host.contracts, files"

    @pytest.fixture
    def example(self, host: Host, component: ConfiguredComponent, tmp_path: Path) -> Path:
        """A small file of the format."""
        return self.make_example(host, component, tmp_path)

    def make_example(self, host: Host, component: ConfiguredComponent, folder: Path) -> Path:
        """Write a small file of the format and return its path; override it where no writer has the reader's name."""
        try:
            writer = configure(host, "writer", component.chosen)
        except UnknownComponentError:
            pytest.fail(
                f"{component.registration.label} has no writer of its name: override `make_example` in the test class."
            )
        assert isinstance(writer.component, Writer)
        path = folder / f"example{writer.component.suffixes[0]}"
        writer.build().write(simulated_scan(16), path)
        return path

    def test_example_is_recognised_and_valid(self, component: ConfiguredComponent, example: Path) -> None:
        """The reader knows its own format, and what it reads keeps the contract of scans; twice the same."""
        reader: ScanReader = component.build()
        with self.attempt(component, f"on {example.name}"):
            self.require(reader.recognises(example) is True, component, "does not recognise a file of its format")
            scan, again = reader.read(example), reader.read(example)
        found = problem_of(scan)
        self.require(found is None, component, f"reads a scan that breaks the contract of scans: {found}")
        self.require(scan.fingerprint() == again.fingerprint(), component, "reads another scan each time")
        self.require(scan.name.strip(), component, "gives the scan no name; the stem of the file will do")

    def test_strange_files_are_not_recognised(
        self, component: ConfiguredComponent, example: Path, tmp_path: Path
    ) -> None:
        """`recognises` says no to other formats, whatever their suffix, and never raises."""
        reader: ScanReader = component.build()
        for path in _strange_files(tmp_path / "strange", example.suffix):
            with self.attempt(component, f"to look at {path.name}; recognises() never raises"):
                recognised = reader.recognises(path)
            self.require(recognised is False, component, f"recognises {path.name}, which is no file of its format")
        for path in _cut_files(tmp_path, example):
            with self.attempt(component, f"to look at {path.name}; recognises() never raises"):
                reader.recognises(path)

    def test_unreadable_files_are_refused_in_a_sentence(
        self, component: ConfiguredComponent, example: Path, tmp_path: Path
    ) -> None:
        """A strange, cut off or missing file is a DataError of one line that names it."""
        reader: ScanReader = component.build()
        strange = _strange_files(tmp_path / "strange", example.suffix)
        for path in [*strange, *_cut_files(tmp_path, example)]:
            try:
                reader.read(path)
            except DataError as error:
                message = str(error)
                self.require(
                    path.name in message and "\n" not in message.strip(),
                    component,
                    f"refuses {path.name} with {message!r}; one line that names the file is due",
                )
            except Exception as error:
                what = f"{type(error).__name__}: {error}".rstrip(".")
                raise AssertionError(
                    f"{component.registration.label} fails on {path.name} with {what}; raise a DataError that names "
                    f"file and remedy (see {self.contract})."
                ) from error
            else:
                self.require(False, component, f"reads a scan from {path.name}, which holds none")

    def test_reading_leaves_the_file_alone(self, component: ConfiguredComponent, example: Path) -> None:
        """Measured data are read only."""
        before = _content(example.parent)
        component.build().read(example).batch(slice(None))
        self.require(
            _content(example.parent) == before,
            component,
            "changes the file, or writes others beside it",
        )

    def try_out(self, host: Host, component: ConfiguredComponent) -> None:
        """Build the reader."""
        reader: ScanReader = component.build()
        well = all(callable(getattr(reader, method, None)) for method in ("recognises", "read"))
        self.require(well, component, "needs the methods recognises(path) and read(path)")


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Patterns on a disk that fails."""

    shape: tuple[int, int, int]

    def __getitem__(self, index: object, /) -> NDArray[np.float32]:
        raise OSError("the disk fails, for a test")

    def __array__(self, *arguments: object, **named: object) -> NDArray[np.float32]:
        raise OSError("the disk fails, for a test")


def _reader(host: Host, component: ConfiguredComponent, path: Path, name: str | None) -> ScanReader | None:
    entries = host.registrations("reader")
    wanted = name or component.component.name
    named = [entry for entry in entries if entry.component.name == wanted]
    for entry in named or entries:
        reader: ScanReader = configure(host, "reader", f"{entry.distribution}:{entry.component.name}").build()
        if named or reader.recognises(path):
            return reader
    return None


def _strange_files(folder: Path, suffix: str) -> list[Path]:
    """Files that hold no scan, and a folder and a missing file, all with the suffix of the format."""
    folder.mkdir(exist_ok=True)
    contents: dict[str, Callable[[Path], object]] = {
        "empty": lambda path: path.touch(),
        "text": lambda path: path.write_text("x,y,counts\n1,2,3\n", encoding="utf-8"),
        "noise": lambda path: path.write_bytes(np.random.default_rng(0).bytes(4096)),
        "other-zip": _other_zip,
        "other-npz": lambda path: _other_npz(path),
        "other-hdf5": _other_hdf5,
        "folder": lambda path: path.mkdir(exist_ok=True),
        "missing": lambda path: None,
    }
    paths = []
    for name, make in contents.items():
        path = folder / f"{name}{suffix}"
        make(path)
        paths.append(path)
    return paths


def _other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing")


def _other_npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.arange(3))


def _other_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a"] = np.arange(3)


def _cut_files(folder: Path, example: Path) -> Sequence[Path]:
    """The example, cut off in the middle and near its end; of an example that is a folder, its largest file."""
    paths = []
    for name, part in (("half", 0.5), ("nearly-all", 0.99)):
        path = folder / f"{name}{example.suffix}"
        if example.is_dir():
            shutil.copytree(example, path)
            files = [entry for entry in path.rglob("*") if entry.is_file()]
            largest = max(files, key=lambda entry: entry.stat().st_size)
        else:
            shutil.copy(example, path)
            largest = path
        content = largest.read_bytes()
        largest.write_bytes(content[: int(part * len(content))])
        paths.append(path)
    return paths


def _content(folder: Path) -> dict[Path, bytes]:
    """All files below the folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
