"""Options of the generator that a run is given when it predicts, instead of those that it was trained with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ptycho_host import Host, Run, simulate, train
from ptycho_host.errors import BundleError, ConfigError

pytest.importorskip("torch")

SIMULATOR = {"size": 72, "pixels": 32, "photons": 1e7, "scan": {"step": 8}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    config = {
        "simulator": {"name": "lines", **SIMULATOR},
        "generator": {"name": "unrolled_scan", "iterations": 2, "tracked": 1, "width": 4, "levels": 1},
        "engine": {"device": "cpu", "threads": 1},
        "train": {"epochs": 1},
    }
    train(config, out=folder)
    return folder


def test_more_iterations_than_it_was_trained_with(trained: Path) -> None:
    scan = simulate("lines", SIMULATOR, seed=0)
    own, more = (
        Run.open(trained, settings=settings).reconstruct(scan).object for settings in ([], ["generator.iterations=9"])
    )
    same = Run.open(trained, settings=["generator.iterations=2"]).reconstruct(scan).object
    assert np.array_equal(same, own)
    assert not np.allclose(more, own, atol=1e-3)


def test_patches_cut_from_one_canvas_tell_nothing_of_its_uncertainty(trained: Path) -> None:
    reconstruction = Run.open(trained).reconstruct(simulate("lines", SIMULATOR, seed=0))
    assert (reconstruction.spread, reconstruction.uncertainty) == (None, None)


def test_options_that_the_weights_do_not_fit_are_refused(trained: Path) -> None:
    scan = simulate("lines", SIMULATOR, seed=0)
    with pytest.raises(BundleError, match="the weights do not fit the generator"):
        Run.open(trained, settings=["generator.width=8"]).reconstruct(scan)


def test_another_generator_is_refused(trained: Path) -> None:
    run = Run.open(trained, host=Host.discover(), settings=["generator=stable_hybrid"])
    with pytest.raises(ConfigError, match="was trained with generator 'unrolled_scan' and cannot use 'stable_hybrid'"):
        _ = run.bundle
