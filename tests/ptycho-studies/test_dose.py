"""The scans of the dose study, its published numbers, and one small study on either kind of scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ptycho_host.errors import InputError
from ptycho_studies.dose import dose
from ptycho_studies.dose_scans import LinesScan
from ptycho_studies.dose_settings import DoseSettings
from ptycho_studies.scan_files import photon_text

SHAPE = LinesScan(size=64, pixels=32, patterns=49, darkest=0.5, brightest=1.5, phase=True, raster=False)


def test_the_paper_preset_has_the_published_numbers():
    settings = DoseSettings.preset("paper")
    assert settings == DoseSettings()
    assert (settings.doses, settings.losses) == ((1e9, 1e4), ("mae", "poisson"))
    assert (settings.pixels, settings.size, settings.gridsize, settings.neighbours) == (64, 128, 2, 7)
    assert (settings.groups, settings.test_groups, settings.epochs, settings.batch_size) == (2000, 128, 50, 16)
    assert (settings.darkest, settings.brightest) == (0.5, 1.5)
    # Fewer positions than groups: it oversamples.
    assert settings.positions < settings.groups


def test_the_quick_preset_asks_the_same_question():
    paper, quick = DoseSettings.preset("paper"), DoseSettings.preset("quick")
    same = ("doses", "losses", "pixels", "size", "gridsize", "neighbours", "test_groups", "positions")
    assert all(getattr(paper, name) == getattr(quick, name) for name in same)


def test_objects_have_the_asked_contrast(host):
    scan = SHAPE.made(1e4, 3, host)
    assert np.abs(scan.truth).min() == pytest.approx(0.5, rel=1e-5)
    assert np.abs(scan.truth).max() == pytest.approx(1.5, rel=1e-5)
    assert np.ptp(np.angle(scan.truth)) > 0.5


def test_scans_have_the_asked_dose_and_their_probe_explains_it(host):
    photons = 1e5
    scan = SHAPE.made(photons, 3, host)
    counts = (scan.amplitudes[:] ** 2).sum(axis=(1, 2), dtype=np.float64)
    # Five standard deviations of the mean of Poisson counts.
    assert counts.mean() == pytest.approx(photons, abs=5 * (photons / scan.count) ** 0.5)
    # Without object there would be energy(probe) counts; the object's mean squared transmission is between its bounds.
    energy = float(np.sum(np.abs(scan.probe.astype(np.complex128)) ** 2))
    assert 0.5**2 < photons / energy < 1.5**2


def test_doses_differ_in_their_photons_alone(host):
    bright, faint = (SHAPE.made(photons, 3, host) for photons in (1e9, 1e4))
    np.testing.assert_array_equal(bright.positions, faint.positions)
    np.testing.assert_array_equal(bright.truth, faint.truth)
    # Counting noise of the faint scan: the variance of the square root of a count is 1/4 where there are many.
    expected = bright.amplitudes[:] / np.sqrt(1e5)
    many = expected**2 > 20
    assert np.mean((faint.amplitudes[:] - expected)[many] ** 2) == pytest.approx(0.25, rel=0.1)


def test_training_and_test_scans_share_nothing(host):
    train, test = (SHAPE.made(1e4, seed, host) for seed in (1, 2))
    assert not {tuple(p) for p in train.positions} & {tuple(p) for p in test.positions}
    assert np.abs(train.truth - test.truth).max() > 0.1
    with pytest.raises(InputError, match="repeat the training scan"):
        dose(DoseSettings(train_seed=4, test_seed=4), Path("nowhere"), host=host)
    assert not Path("nowhere").exists()


def test_grid_mode_scans_a_raster(host):
    shape = LinesScan(size=64, pixels=32, patterns=49, darkest=0.5, brightest=1.5, phase=True, raster=True)
    scan = shape.made(1e4, 3, host)
    rows = np.unique(scan.positions[:, 0])
    assert len(rows) ** 2 == scan.count
    assert set(np.diff(rows)) == {5.0}


@pytest.mark.parametrize(("photons", "text"), [(1e9, "1e9"), (1e4, "1e4"), (25000, "2.5e4"), (300, "300")])
def test_doses_are_written_as_people_do(photons, text):
    assert photon_text(photons) == text


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"darkest": 2.0}, "darkest must be less"),
        ({"size": 64}, "no room"),
        ({"losses": ("maee",)}, "no loss named 'maee'"),
        ({"generator": "pinn"}, "generator .pinn.: tensorflow"),
        ({"positions": 6}, "neighbour_count"),
    ],
)
def test_settings_that_do_not_hold_are_refused(tmp_path, host, changed, told):
    with pytest.raises(InputError, match=told):
        dose(DoseSettings.preset("quick", **changed), tmp_path / "out", host=host)


@pytest.mark.slow
def test_a_small_study_on_a_raster(tmp_path, host):
    settings = DoseSettings(
        doses=(1e5,),
        pixels=32,
        size=64,
        positions=36,
        groups=60,
        test_groups=16,
        epochs=1,
        batch_size=4,
        grid_mode=True,
        run_settings=("generator.width=4", "generator.modes=4", "generator.blocks=2", "engine.threads=1"),
    )
    result = dose(settings, tmp_path / "out", host=host)
    assert [(row["dose"], row["loss"]) for row in result.rows] == [("1e5", "mae"), ("1e5", "poisson")]
    assert all(0 < row["amplitude_ssim"] <= 1 for row in result.rows)
    assert {path.name for path in result.files} >= {"table.csv", "metrics.json", "dose-amplitude.png", "dose-phase.png"}
    assert dose(settings, tmp_path / "out", host=host).rows == result.rows
