"""The overlap of discs, the scans of the overlap study, its published numbers, and one small study."""

from __future__ import annotations

import numpy as np
import pytest

from ptycho_host import load_scan
from ptycho_host.errors import InputError
from ptycho_host.physics.illumination import disc_overlap, probe_diameter
from ptycho_studies.overlap import cases, overlap
from ptycho_studies.overlap_scans import ScanHalves, mean_overlap, measured_overlap
from ptycho_studies.overlap_settings import OverlapSettings

TINY = OverlapSettings(
    doses=(1e5,),
    overlaps=(0.6,),
    generators=("stable_hybrid",),
    pixels=32,
    size=96,
    groups=12,
    epochs=1,
    batch_size=2,
    run_settings=("generator.width=4", "generator.modes=4", "generator.blocks=2", "engine.threads=1"),
)


def test_the_paper_preset_has_the_published_numbers():
    settings = OverlapSettings.preset("paper")
    assert settings == OverlapSettings()
    assert (settings.doses, settings.overlaps, settings.gridsizes) == ((1e3, 1e4, 1e5), (0.7, 0.2), (1, 2))
    assert (settings.neighbours, settings.pixels) == (7, 128)
    assert {"pinn", "stable_hybrid", "baseline"} == set(settings.generators)
    assert len(list(cases(settings))) == 3 * 2 * 2 * 3


@pytest.mark.parametrize("distance", [0.0, 3.0, 40.0, 100.0, 170.0, 199.0, 200.0, 250.0])
def test_disc_overlap_against_counted_pixels(distance):
    diameter = 200.0
    y, x = np.indices((401, 601)) - 200.0
    first = y**2 + x**2 <= (diameter / 2) ** 2
    second = y**2 + (x - distance) ** 2 <= (diameter / 2) ** 2
    # Counting is off by the pixels on the rim, less than 1 in 100 of the area here.
    assert disc_overlap(distance, diameter) == pytest.approx((first & second).sum() / first.sum(), abs=0.01)


def test_mean_overlap_of_a_raster_is_that_of_one_step():
    positions = np.stack(np.meshgrid(np.arange(0, 50, 10.0), np.arange(0, 50, 10.0)), axis=-1).reshape(-1, 2)
    assert mean_overlap(positions, 30.0) == pytest.approx(disc_overlap(10.0, 30.0), rel=1e-12)


@pytest.mark.parametrize("asked", [0.7, 0.2])
def test_scans_have_the_asked_overlap_and_their_halves_share_no_light(tmp_path, host, asked):
    settings = TINY.model_copy(update={"size": 240})
    halves = ScanHalves.named(tmp_path, 1e5, asked)
    train = halves.made(settings, 1e5, asked, host)
    test = load_scan(halves.test, host=host)
    # The simulator hits it to 0.01 on the whole scan; on a half the rim weighs more.
    assert measured_overlap(train) == pytest.approx(asked, abs=0.04)
    gap = test.positions[:, 0].min() - train.positions[:, 0].max()
    assert gap >= probe_diameter(train.probe) - 1
    np.testing.assert_array_equal(train.truth, test.truth)


def test_the_object_is_the_same_at_every_overlap_and_positions_at_every_dose(tmp_path, host):
    scans = {
        key: ScanHalves.named(tmp_path, *key).made(TINY, *key, host) for key in ((1e5, 0.6), (1e3, 0.6), (1e5, 0.4))
    }
    for scan in scans.values():
        np.testing.assert_array_equal(scan.truth, scans[1e5, 0.6].truth)
    np.testing.assert_array_equal(scans[1e5, 0.6].positions, scans[1e3, 0.6].positions)
    assert scans[1e5, 0.4].count < scans[1e5, 0.6].count


def test_a_network_nobody_knows_is_refused_before_anything_is_written(tmp_path, host):
    with pytest.raises(InputError, match="no generator named 'stable_hybird'"):
        overlap(TINY.model_copy(update={"generators": ("stable_hybird",)}), tmp_path / "out", host=host)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_small_study_with_both_grid_sizes(tmp_path, host):
    result = overlap(TINY, tmp_path / "out", host=host)
    assert [row["gridsize"] for row in result.rows] == [1, 2]
    assert all(0 < row["amplitude_ssim"] <= 1 for row in result.rows)
    assert all(row["training_patterns"] > 8 for row in result.rows)
    assert (tmp_path / "out" / "figures" / "overlap.png").is_file()
