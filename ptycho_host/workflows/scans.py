"""Scans from files, named data sets and simulators; and back to files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ptycho_host.components import Reader, Writer
from ptycho_host.config import CACHE, ComponentChoice
from ptycho_host.configured import ConfiguredComponent, configure
from ptycho_host.contracts import ScanReader, ScanWriter, SimulationRequest
from ptycho_host.data.scan import Scan
from ptycho_host.data.streaming import with_cache
from ptycho_host.errors import DataError, InputError, close_match_hint, quoted
from ptycho_host.physics.bad_pixels import filled
from ptycho_host.plugins import Host


def load_scan(
    source: str | Path,
    *,
    host: Host | None = None,
    reader: ComponentChoice | None = None,
    limit: int | None = None,
    cache: int = CACHE,
) -> Scan:
    """The scan in a file, or of a named data set, ready to train on or to reconstruct.

    `reader` overrides the choice by suffix and content, or gives the chosen one options; `limit` keeps that many
    patterns, evenly spread. Patterns on disk stay there until they are asked for, and are then kept in memory as far
    as `cache` bytes go. Bad pixels hold what the probe alone would give there (`ptycho_host.physics.bad_pixels`).
    Raises DataError that names file, key and remedy, UnknownComponentError for a reader that is not installed.
    """
    scan = read_scan(source, host=host, reader=reader)
    if limit is not None and limit < scan.count:
        scan = scan.subset(np.linspace(0, scan.count - 1, limit).round().astype(np.int64))
    return filled(with_cache(scan, cache))


def read_scan(source: str | Path, *, host: Host | None = None, reader: ComponentChoice | None = None) -> Scan:
    """The scan as it stands in the file, bad pixels and all; otherwise as `load_scan`."""
    host = host or Host.discover()
    maker = scan_maker(source, host, reader)
    if maker.component.kind == "dataset":
        return _made_by(maker)
    built: ScanReader = maker.build()
    return built.read(Path(source))


def scan_maker(source: str | Path, host: Host, choice: ComponentChoice | None = None) -> ConfiguredComponent:
    """The reader of the file, or the data set of that name, with its options checked; raises DataError without one."""
    path = Path(source)
    datasets = {entry.component.name for entry in host.registrations("dataset")}
    if str(source) in datasets and not path.exists():
        return configure(host, "dataset", str(source))
    if not path.exists():
        hint = close_match_hint(str(source), datasets)
        raise DataError(
            f"there is no file or data set '{source}'.{hint} Check the path; data sets: {quoted(sorted(datasets))}."
        )
    if choice is not None and choice.name:
        return configure(host, "reader", choice.name, choice.options)
    found = _reader_for(path, host)
    if found is not None:
        return configure(host, "reader", found, choice.options if choice else {})
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a file or a named data set: {quoted(sorted(datasets))}.")
    formats = quoted(entry.component.name for entry in host.registrations("reader"))
    raise DataError(f"{path} is of no format that an installed reader knows ({formats}); convert it to one of them.")


def _reader_for(path: Path, host: Host) -> str | None:
    """The reader that recognises the content; else the one that knows best what is missing in files of this suffix."""
    by_suffix: list[str] = []
    for entry in host.registrations("reader"):
        assert isinstance(entry.component, Reader)
        # The file is another reader's, most likely: one that is broken must not keep it from being read.
        with entry.passed_over_if_it_fails():
            name = f"{entry.distribution}:{entry.component.name}"
            reader: ScanReader = configure(host, "reader", name).build()
            if reader.recognises(path):
                return name
            if path.is_file() and path.suffix.lower() in entry.component.suffixes:
                by_suffix.append(name)
    namesakes = [name for name in by_suffix if path.suffix.lower() == f".{name.rpartition(':')[2]}"]
    candidates = namesakes or by_suffix
    return candidates[0] if len(candidates) == 1 else None


def write_scan(
    scan: Scan, path: str | Path, *, host: Host | None = None, writer: ComponentChoice | None = None
) -> None:
    """Write the scan in the format that the suffix names, or with `writer`; raises InputError for a strange suffix."""
    host = host or Host.discover()
    chosen = scan_writer(path, host, writer)
    built: ScanWriter = chosen.build()
    with chosen.registration.at_work():
        built.write(scan, Path(path))


def scan_writer(path: str | Path, host: Host, choice: ComponentChoice | None = None) -> ConfiguredComponent:
    """The writer by name or, by the suffix, the one that is named like the format; its options are checked.

    Raises InputError for a strange suffix, and where several writers have it and none is named like it.
    """
    path = Path(path)
    if choice is not None and choice.name:
        return configure(host, "writer", choice.name, choice.options)
    suffix = path.suffix.lower()
    writers = [(entry, entry.component) for entry in host.registrations("writer")]
    suffixes = {known for _, writer in writers if isinstance(writer, Writer) for known in writer.suffixes}
    if suffix not in suffixes:
        raise InputError(
            f"{path}: no writer for '{path.suffix}'; choose a name that ends in {quoted(sorted(suffixes))}."
        )
    fitting = [(entry, writer) for entry, writer in writers if isinstance(writer, Writer) and suffix in writer.suffixes]
    namesakes = [(entry, writer) for entry, writer in fitting if f".{writer.name}" in writer.suffixes]
    chosen = namesakes or fitting
    if len(chosen) > 1:
        names = quoted(f"{entry.distribution}:{writer.name}" for entry, writer in chosen)
        raise InputError(
            f"{path}: several writers write '{suffix}', {names}; choose one with --writer, as `ptycho convert` has it."
        )
    ((entry, writer),) = chosen
    return configure(host, "writer", f"{entry.distribution}:{writer.name}", choice.options if choice else {})


def simulate(name: str, options: Mapping[str, Any] | None = None, *, seed: int = 0, host: Host | None = None) -> Scan:
    """A simulated scan; the same name, options and seed give the same scan."""
    return run_simulator(configure(host or Host.discover(), "simulator", name, options), seed)


def run_simulator(
    simulator: ConfiguredComponent, seed: int, *, host: Host | None = None, probe_from: str | Path | None = None
) -> Scan:
    """The scan that a configured simulator makes under `seed`, with the probe of the scan `probe_from` if given."""
    probe = None if probe_from is None else read_scan(probe_from, host=host).probe
    # Its own stream, so that a simulation does not move with what else a run draws.
    rng = np.random.default_rng([seed, 0])
    return _made_by(simulator, SimulationRequest(probe=probe), rng)


def _made_by(maker: ConfiguredComponent, *arguments: Any) -> Scan:
    """The scan that a simulator or data set makes; raises PluginError when it fails, or makes something else."""
    make = maker.build()
    with maker.registration.at_work():
        scan = make(*arguments)
        if not isinstance(scan, Scan):
            raise TypeError(f"it returned {type(scan).__name__} where a Scan is due")
    return scan
