"""The data of the study: lines objects, where the patterns stand, the scans, and their files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_host import Host, Scan, write_scan
from ptycho_host.atomic import write_text
from ptycho_host.configured import configure
from ptycho_host.contracts import SimulateFunction, SimulationRequest
from ptycho_host.errors import ConfigError
from ptycho_host.physics.illumination import illumination
from ptycho_studies.grid_lines.probes import Complex, make_probe
from ptycho_studies.grid_lines.settings import LinesData

Positions = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DataFiles:
    """Where the scans stand: one file to train on, one for each test object; and what was found out about them."""

    train: Path
    tests: tuple[Path, ...]
    metadata: Path
    facts: Mapping[str, Any]


def group_corners(settings: LinesData, outer_offset: int) -> NDArray[np.int64]:
    """First coordinate of each group along an axis."""
    return np.arange(settings.groups(outer_offset)) * (outer_offset // 2)


def positions(settings: LinesData, outer_offset: int) -> Positions:
    """Centres (M, 2) of all patterns of an object, row by row; patterns that several groups share come once."""
    inside = np.arange(settings.gridsize) * settings.offset
    corners = np.unique(group_corners(settings, outer_offset)[:, None] + inside)
    return raster(corners, settings.pixels)


def first_of_groups(settings: LinesData, outer_offset: int) -> Positions:
    """Centres (G, 2) of the first pattern of each group: a regular raster."""
    return raster(group_corners(settings, outer_offset), settings.pixels)


def raster(corners: NDArray[np.int64], pixels: int) -> Positions:
    """Centres (M, 2) (y, x) of patches with these first coordinates along both axes, row by row."""
    y, x = np.meshgrid(corners, corners, indexing="ij")
    return np.stack([y.ravel(), x.ravel()], axis=-1).astype(np.float64) + pixels / 2


def region_maximum(obj: Complex, settings: LinesData, outer_offset: int) -> float:
    """Mean over the groups of the largest modulus that each of them sees."""
    windows = np.lib.stride_tricks.sliding_window_view(np.abs(obj), (settings.window, settings.window))
    corners = group_corners(settings, outer_offset)
    return float(np.mean([windows[y, corners].max(axis=(1, 2)).mean() for y in corners]))


def side_by_side(scans: Sequence[Scan], gap: int) -> Scan:
    """One scan of several objects (H, W_i) on one canvas, `gap` pixels apart, all with the same probe.

    No pattern sees two of them, so nothing is changed but their positions: this is how several scans are trained on.
    """
    left, truths, places = 0, [], []
    for scan in scans:
        assert scan.truth is not None
        places.append(scan.positions + np.array([0, left]))
        truths.append(np.pad(scan.truth, ((0, 0), (0, gap))))
        left += truths[-1].shape[1]
    joined = np.concatenate(truths, axis=1)
    return replace(
        scans[0],
        amplitudes=np.concatenate([scan.batch(slice(None)) for scan in scans]),
        positions=np.concatenate(places),
        truth=joined[:, : joined.shape[1] - gap],
    )


def make_scans(settings: LinesData, host: Host) -> tuple[Scan, list[Scan], dict[str, Any]]:
    """The scan to train on, those to test on, and facts: counts and scales.

    An object's unit is the mean over the training groups of the largest amplitude in each, and the probe is scaled so
    that a training pattern counts `photons` on average; the test objects get the same unit and the same probe. Raises
    ConfigError when the objects are smaller than a group.
    """
    if settings.size < settings.window:
        raise ConfigError(
            f"an object of {settings.size} px has no room for groups of {settings.window} px; enlarge size."
        )
    probe = make_probe(settings, host)
    options = {
        "size": settings.size,
        "pixels": settings.pixels,
        "segments": settings.segments,
        "amplitude_floor": 0,
        "phase": settings.phase,
    }
    simulate: SimulateFunction = configure(host, "simulator", "lines", options).build()
    places = positions(settings, settings.train_outer_offset)
    objects = [_object(simulate, probe, settings, (0, image)) for image in range(settings.train_images)]
    lit = illumination(places, probe, (settings.size, settings.size)).astype(np.float64)
    counts = np.mean([np.sum(np.abs(obj) ** 2 * lit) for obj in objects]) / len(places)
    beam = (probe * np.sqrt(settings.photons / counts)).astype(np.complex64)
    unit = float(np.mean([region_maximum(obj, settings, settings.train_outer_offset) for obj in objects]))

    def scans(part: int, images: int, outer_offset: int) -> list[Scan]:
        request = SimulationRequest(beam, positions(settings, outer_offset))
        made = [simulate(request, _stream(settings, (part, image))) for image in range(images)]
        return [_in_unit(scan, unit, settings) for scan in made]

    train = scans(0, settings.train_images, settings.train_outer_offset)
    tests = scans(1, settings.test_images, settings.test_outer_offset)
    facts = {
        "train_patterns_an_image": train[0].count,
        "test_patterns_an_image": tests[0].count,
        "stitched_pixels": settings.stitched(settings.test_outer_offset),
        "object_unit": unit,
    }
    side = settings.pixels
    return (train[0] if len(train) == 1 else side_by_side(train, side)), tests, facts


def files_in(settings: LinesData, folder: Path) -> DataFiles:
    """Where the scans of a study in `folder` stand, whether they are there or not."""
    place = folder.absolute() / "datasets"
    tests = tuple(place / f"test{image}.npz" for image in range(settings.test_images))
    return DataFiles(place / "train.npz", tests, place / "metadata.json", {})


def data_files(settings: LinesData, folder: Path, host: Host) -> DataFiles:
    """The scans in `folder/datasets` with `metadata.json` beside them; those that are there already are kept."""
    files = files_in(settings, folder)
    if files.metadata.is_file():
        return replace(files, facts=json.loads(files.metadata.read_text(encoding="utf-8"))["facts"])
    training, testing, facts = make_scans(settings, host)
    metadata = {"settings": settings.of_the_data(), "facts": facts}
    for scan, path in zip([training, *testing], [files.train, *files.tests], strict=True):
        write_scan(replace(scan, metadata={**scan.metadata, "study": metadata}), path, host=host)
    # Written last: it says that the others are complete.
    write_text(files.metadata, json.dumps(metadata, indent=2) + "\n")
    return replace(files, facts=facts)


def _stream(settings: LinesData, image: tuple[int, int]) -> np.random.Generator:
    return np.random.default_rng([settings.data_seed, *image])


def _object(simulate: SimulateFunction, probe: Complex, settings: LinesData, image: tuple[int, int]) -> Complex:
    """The object that the simulator draws from this stream, whatever is asked for besides."""
    middle = np.full((1, 2), settings.size // 2, dtype=np.float64)
    truth = simulate(SimulationRequest(probe.astype(np.complex64), middle), _stream(settings, image)).truth
    assert truth is not None
    return truth


def _in_unit(scan: Scan, unit: float, settings: LinesData) -> Scan:
    """The same exit waves, with the object in another unit."""
    assert scan.truth is not None
    truth, probe = (scan.truth / unit).astype(np.complex64), (scan.probe * unit).astype(np.complex64)
    return replace(scan, truth=truth, probe=probe, name=f"lines{settings.pixels}")
