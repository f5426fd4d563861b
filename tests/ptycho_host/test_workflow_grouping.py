"""Which patterns a run trains on, as its options ask: from the configuration to the bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ptycho_host import Host, train
from ptycho_host.errors import InputError

pytest.importorskip("torch")

SETTINGS: dict[str, Any] = {
    "simulator": {"name": "lines", "size": 96, "pixels": 32, "photons": 1e7, "scan": {"step": 4}},
    "generator": {"name": "stable_hybrid", "width": 4, "modes": 4, "blocks": 2},
    "engine": {"device": "cpu", "threads": 1},
}


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.discover()


def test_a_run_on_few_oversampled_patterns_reconstructs_all(host: Host, tmp_path: Path) -> None:
    grouping = {"grouping": "nearest", "neighbour_pool_size": 6, "enable_oversampling": True, "n_groups": 64}
    run = train(
        SETTINGS
        | {"data": {"gridsize": 2, "n_subsample": 150, "subsample_seed": 3}}
        | {"train": {"epochs": 1, **grouping}},
        out=tmp_path / "run",
        host=host,
    )
    facts = run.bundle.facts
    assert facts["training_patterns"] == 150
    assert (facts["grouping"], facts["neighbour_count"]) == ("nearest", 6)
    assert run.metrics["diffraction"]["patterns"] == 289
    assert run.config.data.n_subsample == 150


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ({"n_subsample": 276}, {}, "data.n_subsample is 276, and there are 275 patterns"),
        ({}, {"n_groups": 276}, "train.n_groups is 276"),
        ({"gridsize": 8, "n_subsample": 50}, {}, "data.gridsize needs groups of 64"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything_is_written(
    host: Host, tmp_path: Path, data: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train(SETTINGS | {"data": data, "train": options}, out=tmp_path / "run", host=host)
    assert not (tmp_path / "run").exists()
