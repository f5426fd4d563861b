"""`metrics.json` has the documented blocks and no NaN."""

from __future__ import annotations

import json

import numpy as np

from ptycho_host.metrics.diffraction import patch_agreement
from ptycho_host.metrics.object_metrics import object_metrics
from ptycho_host.metrics.region import Region
from ptycho_host.metrics.run_metrics import ReconstructionFigures, RunMetrics, TrainingFigures


def test_all_blocks_have_their_documented_keys() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.5, 1, (32, 32)) * np.exp(1j * rng.uniform(-1, 1, (32, 32)))
    patches = truth[None, :16, :16]
    agreement = patch_agreement([(patches, np.ones((1, 16, 16)))], np.ones((16, 16), dtype=complex))
    written = RunMetrics(
        region=Region.whole((32, 32)),
        object=object_metrics(truth, truth, Region.whole((32, 32))),
        diffraction=agreement,
        training=TrainingFigures(3, 100.0, 2.0, 0.1, False, 512.0),
        reconstruction=ReconstructionFigures(500.0, 0.1),
    ).as_json()
    scores = {"ssim", "mae", "mse", "psnr", "frc50"}
    assert scores <= set(written["amplitude"])
    assert scores <= set(written["phase"])
    assert {"correlation", "r_factor", "residual"} <= set(written["diffraction"])
    assert set(written["training"]) == {
        "epochs", "patterns_per_second", "seconds", "final_loss", "collapsed", "peak_memory_mib",
    }  # fmt: skip
    assert set(written["reconstruction"]) == {"patterns_per_second", "seconds"}
    assert written["region"] == {"rows": [0, 32], "columns": [0, 32]}
    assert json.loads(json.dumps(written, allow_nan=False)) == written


def test_blocks_that_do_not_apply_are_left_out() -> None:
    assert RunMetrics().as_json() == {}


def test_values_that_are_no_numbers_become_null_with_a_reason() -> None:
    written = RunMetrics(training=TrainingFigures(3, float("inf"), 2.0, float("nan"), True, 1.0)).as_json()
    assert written["training"]["final_loss"] is None
    reasons = written["training"]["reasons"]
    assert reasons == {"patterns_per_second": "the value was inf", "final_loss": "the value was nan"}
    json.dumps(written, allow_nan=False)


def test_memory_that_is_not_known_is_null_with_a_reason() -> None:
    written = RunMetrics(training=TrainingFigures(3, 100.0, 2.0, float("nan"), False)).as_json()["training"]
    assert written["peak_memory_mib"] is None
    assert "the same process had taken more" in written["reasons"]["peak_memory_mib"]
    assert written["reasons"]["final_loss"] == "the value was nan"
