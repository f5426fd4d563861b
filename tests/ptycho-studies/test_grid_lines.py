"""The grid-lines study: counts, objects, probes, tiles; and all of it once, small."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from ptycho_host import Host, Run, Scan
from ptycho_host.config import ComponentChoice
from ptycho_host.contracts import PatchBatch
from ptycho_host.errors import ConfigError, DataError, InputError
from ptycho_host.physics.patches import extract_patches
from ptycho_studies.grid_lines.probes import make_probe, run_steps
from ptycho_studies.grid_lines.scans import first_of_groups, make_scans, positions, side_by_side
from ptycho_studies.grid_lines.settings import GridLines
from ptycho_studies.grid_lines.stitching import grid_region, stitch
from ptycho_studies.grid_lines.study import grid_lines

SMALL: dict[str, Any] = {"pixels": 32, "size": 72, "segments": 60, "probe": "disc", "test_images": 1, "epochs": 1}


@pytest.mark.parametrize(
    ("pixels", "gridsize", "train", "groups", "test", "stitched"),
    [(64, 1, 6889, 1089, 1089, 330), (128, 1, 4489, 729, 729, 270), (64, 2, 83**2, 33**2, 66**2, 330)],
)
def test_counts_are_the_published_ones(
    pixels: int, gridsize: int, train: int, groups: int, test: int, stitched: int
) -> None:
    settings = GridLines(pixels=pixels, gridsize=gridsize)
    assert len(positions(settings, settings.train_outer_offset)) == train
    assert len(positions(settings, settings.test_outer_offset)) == test
    assert len(first_of_groups(settings, settings.test_outer_offset)) == groups
    assert settings.stitched(settings.test_outer_offset) == stitched
    for offset in (settings.train_outer_offset, settings.test_outer_offset):
        found = positions(settings, offset)
        assert found.min() == pixels / 2
        assert found.max() <= settings.size - pixels / 2


def test_objects_have_the_unit_the_dose_and_the_phase_of_the_formula(host: Host) -> None:
    settings = GridLines(**SMALL, train_images=2, phase=True)
    train, tests, facts = make_scans(settings, host)
    assert train.count == 2 * facts["train_patterns_an_image"] == 2 * 11**2
    assert tests[0].count == 25
    assert train.truth is not None
    objects = train.truth[:, :72], train.truth[:, 72 + 32 :]
    # The unit: the mean over all groups of the largest amplitude that each sees.
    largest = [
        np.abs(obj[y : y + 32, x : x + 32]).max() for obj in objects for y in range(0, 41, 4) for x in range(0, 41, 4)
    ]
    assert np.mean(largest) == pytest.approx(1, rel=1e-5)
    # 1e9 counts on average; their noise is far below single precision.
    energy = np.square(train.batch(slice(None)), dtype=np.float64).sum(axis=(1, 2))
    assert energy.mean() == pytest.approx(1e9, rel=1e-5)
    for obj in objects:
        intensity = np.abs(obj)
        expected = np.pi * np.tanh((intensity - intensity.max() / 2) / (3 * intensity.mean()))
        # Where there is light: the phase of a small complex64 number is rough.
        assert np.abs(np.exp(1j * expected) * intensity - obj).max() < 1e-5
    flat, _, _ = make_scans(settings.model_copy(update={"phase": False}), host)
    assert flat.truth is not None
    assert not flat.truth.imag.any()
    assert np.allclose(np.abs(flat.truth), np.abs(train.truth), atol=1e-6), "the same object without its phase"


def test_no_pattern_sees_two_objects(host: Host) -> None:
    settings = GridLines(**SMALL, train_images=1)
    scan, (other,), _ = make_scans(settings, host)
    joined = side_by_side([scan, other], 32)
    assert joined.truth is not None
    patches = extract_patches(joined.truth, joined.positions, 32)
    for part, single in ((slice(0, scan.count), scan), (slice(scan.count, None), other)):
        assert single.truth is not None
        assert np.array_equal(patches[part], extract_patches(single.truth, single.positions, 32))


def test_probe_modes_keep_what_they_promise(host: Host, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y, x = np.indices((32, 32)) - 16
    stored = np.exp(-(y**2 + x**2) / 60 + 0.01j * (y**2 + x**2)).astype(np.complex64)
    np.savez(tmp_path / "probe.npz", probeGuess=stored, other=rng.random(3))
    settings = GridLines(pixels=64, probe=str(tmp_path / "probe.npz"), probe_smoothing=0)

    def scaled(how: str) -> Any:
        return make_probe(settings.model_copy(update={"probe_scale": how}), host)

    inner = (slice(16, 48), slice(16, 48))
    padded = scaled("pad_preserve")
    assert np.allclose(padded[inner], stored)
    assert not np.delete(padded, np.arange(16, 48), axis=0).any()
    # Twice as many pixels over the same field: every second one is an old one.
    assert np.allclose(scaled("interpolate")[::2, ::2], stored, atol=1e-6)
    extrapolated = scaled("pad_extrapolate")
    assert np.allclose(extrapolated[inner], stored)
    assert np.abs(extrapolated[0, 32]) == pytest.approx(np.abs(stored[0, 16]), rel=1e-4)
    # The phase goes on as the paraboloid that it is: 0.01 r^2.
    assert np.angle(extrapolated[4, 32] * np.exp(-0.01j * 28**2)) == pytest.approx(0, abs=0.05)
    piped = scaled("pad:40|smooth:0.5|interp:64")
    assert np.array_equal(piped, run_steps(run_steps(stored, "pad:40|smooth:0.5"), "interp:64"))
    with pytest.raises(ConfigError, match="makes a probe of 40 pixels, and patterns have 64"):
        scaled("pad:40")
    with pytest.raises(ConfigError, match="'blur:1' of probe_scale"):
        scaled("blur:1|pad:64")
    with pytest.raises(DataError, match="no probe 'nowhere'"):
        make_probe(GridLines(probe="nowhere"), host)


@pytest.mark.parametrize("gridsize", [1, 2])
def test_tiles_of_true_patches_are_the_object(gridsize: int, host: Host) -> None:
    settings = GridLines(**SMALL, train_images=1, gridsize=gridsize)
    _, (scan,), _ = make_scans(settings, host)

    class Knowing:
        """An engine whose network has seen the truth."""

        def predict(self, bundle: Any, scan: Scan) -> Iterator[PatchBatch]:
            assert scan.truth is not None
            for first in range(0, scan.count, 10):
                places = scan.positions[first : first + 10]
                yield PatchBatch(extract_patches(scan.truth, places, 32), places)

    run = SimpleNamespace(
        engine=Knowing,
        host=host,
        config=SimpleNamespace(stitch=ComponentChoice(name="overlap"), refiner=None),
        bundle=SimpleNamespace(scale=SimpleNamespace(physical_object=lambda obj: obj), probe_for=lambda probe: probe),
    )
    objects = stitch(cast("Run", run), scan, settings).objects
    region = grid_region(settings)
    side = settings.stitched(settings.test_outer_offset)
    assert region.shape == (side - settings.offset, side - settings.offset)
    assert scan.truth is not None
    assert np.count_nonzero(np.abs(objects["grid"]) > 0) <= side**2
    for obj in objects.values():
        assert np.allclose(obj[region.slices], scan.truth[region.slices], atol=1e-5)


def test_mistakes_are_told_before_anything_is_written(host: Host, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="hybird"):
        grid_lines(GridLines(**SMALL, arms=("hybird",)), tmp_path / "one", host=host)
    with pytest.raises(InputError, match="widht"):
        grid_lines(GridLines(**SMALL, arms=("fno",), run_settings=("generator.widht=3",)), tmp_path / "two", host=host)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="no room for groups of 64 px"):
        make_scans(GridLines(size=60), host)


@pytest.mark.slow
def test_two_networks_on_groups_from_data_to_figures(host: Host, tmp_path: Path) -> None:
    settings = GridLines(
        **SMALL | {"size": 64},
        train_images=2,
        gridsize=2,
        phase=True,
        arms=("fno", "stable_hybrid"),
        run_settings=(
            *("generator.width=4", "generator.modes=4", "engine.threads=1", "engine.device=cpu"),
            *("refiner.name=lsq_ml", "refiner.epochs=3"),
        ),
    )
    result = grid_lines(settings, tmp_path / "study", host=host)
    made_by = ("grid", "synchronised", "synchronised+lsq_ml")
    assert [(row["arm"], row["stitcher"]) for row in result.rows] == list(product(("fno", "stable_hybrid"), made_by))
    for _, stitched, refined in zip(*[iter(result.rows)] * 3, strict=True):
        assert refined["amplitude_mae"] < stitched["amplitude_mae"]
    assert all(0 < row["amplitude_ssim"] < 1 and row["phase_mae"] > 0 for row in result.rows)
    assert all(path.stat().st_size > 0 for path in result.files)
    objects = json.loads((result.folder / "metrics.json").read_text())["objects"]
    assert {found["region"]["rows"][1] - found["region"]["rows"][0] for found in objects} == {26}
    reconstruction = np.load(result.folder / "reconstructions" / "fno-seed0-test0-grid.npz")["object"]
    assert np.count_nonzero(reconstruction) == 30**2
    trained = [path.stat().st_mtime_ns for path in sorted(result.folder.glob("arms/*/*/metrics.json"))]
    again = grid_lines(settings, tmp_path / "study", host=host)
    assert [path.stat().st_mtime_ns for path in sorted(again.folder.glob("arms/*/*/metrics.json"))] == trained
    assert [row["amplitude_ssim"] for row in again.rows] == [row["amplitude_ssim"] for row in result.rows]
    with pytest.raises(InputError, match=r"begun with other settings \(fixed.photons"):
        grid_lines(settings.model_copy(update={"photons": 1e4}), tmp_path / "study", host=host)
