"""Arms: finished ones are kept, interrupted ones go on, changed ones are refused, failed ones stop no others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ptycho_host import Host, hookimpl
from ptycho_host.components import Loss
from ptycho_host.errors import InputError
from ptycho_studies.arms import Arm, failures, run_arms


class NaughtyLosses:
    """A third party's loss that stops being a number."""

    @hookimpl
    def ptycho_losses(self) -> list[Loss]:
        return [Loss("never", summary="Not a number.", target=f"{__name__}:never", backend="torch")]


def never() -> Any:
    return lambda prediction, target: prediction.amplitude.sum() * float("nan")


def test_no_arm_is_trained_twice_and_none_is_mixed_up(small: dict[str, Any], host: Host, tmp_path: Path) -> None:
    first, interrupted = Arm("one", small), Arm("two", small)
    # As if it had been killed while it was being set up.
    (first.place(tmp_path) / "checkpoints").mkdir(parents=True)
    (first.place(tmp_path) / "config.toml").write_text("half of it = ")
    (run,) = run_arms([first], tmp_path, host=host)
    written = run.directory.metrics.stat().st_mtime_ns
    # As if it had been killed after training: without its results.
    shutil.copytree(run.path, interrupted.place(tmp_path))
    for name in ("report.html", "metrics.json"):
        (interrupted.place(tmp_path) / name).unlink()
    kept, resumed = run_arms([first, interrupted], tmp_path, host=host)
    assert (kept.path, resumed.path) == (first.place(tmp_path), interrupted.place(tmp_path))
    assert kept.directory.metrics.stat().st_mtime_ns == written
    assert kept.metrics["amplitude"] == resumed.metrics["amplitude"]

    changed = Arm("one", small | {"loss": "mse"})
    with pytest.raises(InputError, match=r"one/seed0 .* other settings .*loss\.name: mae -> mse"):
        run_arms([Arm("new", small), changed], tmp_path, host=host)
    assert not (tmp_path / "arms" / "new").exists()


def test_a_failed_arm_is_recorded_and_the_others_are_trained(small: dict[str, Any], tmp_path: Path) -> None:
    host = Host.discover()
    host.add(NaughtyLosses())
    quick = small | {"train": {"epochs": 1}}
    arms = [Arm("bad", quick | {"loss": "never"}), Arm("good", quick)]
    runs = run_arms(arms, tmp_path, host=host)
    assert [run.path.parent.name for run in runs] == ["good"]
    told = failures(arms, tmp_path)
    assert list(told) == ["bad/seed0"]
    assert "number" in told["bad/seed0"]


def test_names_that_make_no_folder_or_stand_twice_are_refused(
    small: dict[str, Any], host: Host, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="cannot be called"):
        Arm("../elsewhere", small)
    with pytest.raises(InputError, match="two arms"):
        run_arms([Arm("one", small), Arm("one", small)], tmp_path, host=host)


@pytest.mark.slow
def test_workers_train_side_by_side_to_the_same_result(small: dict[str, Any], tmp_path: Path) -> None:
    quick = small | {"train": {"epochs": 1}}
    one, two = run_arms([Arm("one", quick), Arm("two", quick)], tmp_path, workers=2)
    assert one.metrics["amplitude"] == two.metrics["amplitude"]
