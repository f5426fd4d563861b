"""Scans from files, named data sets and simulators; and back to files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ptycho_host.components import Reader, Writer
from ptycho_host.config import ComponentChoice
from ptycho_host.configured import ConfiguredComponent, configure
from ptycho_host.contracts import ScanReader, SimulationRequest
from ptycho_host.data.scan import Scan
from ptycho_host.errors import DataError, InputError, close_match_hint, quoted
from ptycho_host.plugins import Host


def load_scan(
    source: str | Path, *, host: Host | None = None, reader: ComponentChoice | None = None, limit: int | None = None
) -> Scan:
    """The scan in a file, or of a named data set.

    `reader` overrides the choice by suffix and content; `limit` keeps that many patterns, evenly spread. Raises
    DataError that names file, key and remedy, UnknownComponentError for a reader that is not installed.
    """
    host = host or Host.discover()
    path = Path(source)
    datasets = {entry.component.name for entry in host.registrations("dataset")}
    if str(source) in datasets and not path.exists():
        scan = _made_by(configure(host, "dataset", str(source)))
    elif path.is_file():
        scan = _reader_for(path, host, reader).read(path)
    elif path.exists():
        raise DataError(f"{path} is a folder; give a file or a named data set: {quoted(sorted(datasets))}.")
    else:
        hint = close_match_hint(str(source), datasets)
        raise DataError(
            f"there is no file or data set '{source}'.{hint} Check the path; data sets: {quoted(sorted(datasets))}."
        )
    if limit is not None and limit < scan.count:
        scan = scan.subset(np.linspace(0, scan.count - 1, limit).round().astype(np.int64))
    return scan


def _reader_for(path: Path, host: Host, choice: ComponentChoice | None) -> ScanReader:
    if choice is not None:
        chosen: ScanReader = configure(host, "reader", choice.name, choice.options).build()
        return chosen
    by_suffix: list[ScanReader] = []
    for entry in host.registrations("reader"):
        assert isinstance(entry.component, Reader)
        # The file is another reader's, most likely: one that is broken must not keep it from being read.
        with entry.passed_over_if_it_fails():
            reader: ScanReader = configure(host, "reader", f"{entry.distribution}:{entry.component.name}").build()
            if reader.recognises(path):
                return reader
            if path.suffix.lower() in entry.component.suffixes:
                by_suffix.append(reader)
    if len(by_suffix) == 1:
        # The only reader for this suffix knows best what is missing.
        return by_suffix[0]
    formats = quoted(entry.component.name for entry in host.registrations("reader"))
    raise DataError(f"{path} is of no format that an installed reader knows ({formats}); convert it to one of them.")


def write_scan(scan: Scan, path: str | Path, *, host: Host | None = None) -> None:
    """Write the scan in the format that the suffix names; raises InputError when no writer knows the suffix."""
    host = host or Host.discover()
    path = Path(path)
    suffixes: dict[str, str] = {}
    for entry in host.registrations("writer"):
        assert isinstance(entry.component, Writer)
        for suffix in entry.component.suffixes:
            suffixes.setdefault(suffix, f"{entry.distribution}:{entry.component.name}")
    if path.suffix.lower() not in suffixes:
        known = quoted(sorted(suffixes))
        raise InputError(f"{path}: no writer for '{path.suffix}'; choose a name that ends in {known}.")
    configure(host, "writer", suffixes[path.suffix.lower()]).build().write(scan, path)


def simulate(name: str, options: Mapping[str, Any] | None = None, *, seed: int = 0, host: Host | None = None) -> Scan:
    """A simulated scan; the same name, options and seed give the same scan."""
    return run_simulator(configure(host or Host.discover(), "simulator", name, options), seed)


def run_simulator(simulator: ConfiguredComponent, seed: int) -> Scan:
    """The scan that a configured simulator makes under `seed`."""
    # Its own stream, so that a simulation does not move with what else a run draws.
    rng = np.random.default_rng([seed, 0])
    return _made_by(simulator, SimulationRequest(), rng)


def _made_by(maker: ConfiguredComponent, *arguments: Any) -> Scan:
    """The scan that a simulator or data set makes; raises PluginError when it fails, or makes something else."""
    make = maker.build()
    with maker.registration.at_work():
        scan = make(*arguments)
        if not isinstance(scan, Scan):
            raise TypeError(f"it returned {type(scan).__name__} where a Scan is due")
    return scan
