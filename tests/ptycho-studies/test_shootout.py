"""The shootout: its arms, and how collapses are counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ptycho_host import Host
from ptycho_studies.grid_lines.scans import files_in
from ptycho_studies.shootout.figure import shootout_figure
from ptycho_studies.shootout.settings import Shootout
from ptycho_studies.shootout.study import arms_of, summary


def test_the_paper_preset_has_every_combination_once_and_all_can_be_trained(host: Host, tmp_path: Path) -> None:
    settings = Shootout()
    arms = list(arms_of(settings, files_in(settings, tmp_path)).values())
    assert len(arms) == 4 * 2 * 3 * 3
    assert len({arm.label for arm in arms}) == len(arms)
    for arm in arms:
        planned = arm.planned(host)
        assert planned.generator.options["blocks"] in (4, 6, 8)
        assert planned.generator.options["lift"] in ("none", "backprojection")
        assert planned.clip.name == ("none" if planned.generator.name == "stable_hybrid" else arm.name.split("-")[1])


def test_collapses_are_counted_and_scores_have_their_spread() -> None:
    def row(seed: int, collapsed: bool, ssim: float) -> dict[str, Any]:
        return {
            "network": "hybrid", "clip": "norm 1.0", "lift": "none", "depth": 4, "seed": seed, "collapsed": collapsed,
            "best_validation": 0.1, "amplitude_ssim": ssim, "amplitude_mae": 0.2,
        }  # fmt: skip

    rows = [row(0, False, 0.9), row(1, True, 0.3), row(2, False, 0.9)]
    (line,) = summary(rows)
    assert line["collapsed"] == "1 of 3"
    assert line["seeds"] == 3
    assert abs(line["amplitude_ssim"] - 0.7) < 1e-12
    (axes,) = shootout_figure(rows).axes
    marks = [mark.get_marker() for mark in axes.lines if len(mark.get_xdata()) == 1]  # type: ignore[arg-type]
    assert sorted(marks) == ["o", "o", "x"]
