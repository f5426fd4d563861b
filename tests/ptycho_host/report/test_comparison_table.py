"""The ranked table: every figure once, in as many parts as the width asks for, dashes explained."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from ptycho_host.metrics.comparison import Comparison, Judgement, ranked
from ptycho_host.report.comparison_table import columns_of, comparison_csv, footnotes, print_comparison

GOOD: dict[str, Any] = {
    "amplitude": {"ssim": 0.98765, "mae": 0.00123, "psnr": 31.234, "frc50": 0.25, "frc_half_bit": 0.3},
    "phase": {"ssim": 0.9, "mae": 0.02, "psnr": 30.0, "frc50": 0.4},
    "diffraction": {"correlation": 0.99998, "residual": 0.00021},
    "training": {"seconds": 65.0, "patterns_per_second": 1234.5, "parameters": 27596, "collapsed": False},
    "reconstruction": {"patterns_per_second": 4321.0, "seconds": 1.0},
}
FLAT: dict[str, Any] = {
    **GOOD,
    "phase": {"ssim": None, "mae": 0.5, "psnr": None, "frc50": None, "reasons": {
        "ssim": "the reconstruction is bad", "psnr": "the reconstruction is bad", "frc50": "the reconstruction is flat",
    }},
    "training": {**GOOD["training"], "collapsed": True},
}  # fmt: skip
FILE: dict[str, Any] = {block: {**GOOD[block], "ssim": 0.1} for block in ("amplitude", "phase", "diffraction")}


def judged(metrics: dict[str, Any], seed: int = 0) -> Judgement:
    return Judgement(f"runs/{seed}", seed, 0, metrics, np.ones((4, 4), np.complex64))


def comparison() -> Comparison:
    better = {**GOOD, "phase": {**GOOD["phase"], "ssim": 0.94}, "training": FLAT["training"]}
    rows, criterion = ranked(
        {
            "file [x].h5": [judged(FILE)],
            "flat": [judged(FLAT)],
            "net (agc)": [judged(GOOD), judged(better, seed=1)],
        }
    )
    return Comparison(rows, criterion, (), ("a remark",))


def printed(width: int, terminal: bool = False) -> list[str]:
    console = Console(
        file=io.StringIO(), force_terminal=terminal, width=width, color_system="standard" if terminal else None
    )
    print_comparison(console, comparison(), ["page    c/comparison.html"])
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_mean_and_spread_stand_to_the_same_decimal() -> None:
    cells = {(column.group, column.label): [cell.text for cell in column.cells] for column in columns_of(comparison())}
    assert cells["Phase", "SSIM"] == ["0.9200 ± 0.0283", "0.1000", "–"]
    assert cells["Amplitude", "SSIM"] == ["0.9877", "0.1000", "0.9877"], "no spread where there is none"
    assert cells["Training", "parameters"] == ["27,596", "–", "27,596"]
    assert cells["Training", "collapsed"] == ["1 of 2", "–", "yes"]
    assert cells["Training", "time"] == ["1:05", "–", "1:05"]


def test_the_best_figure_is_marked_by_its_direction_unless_all_show_the_same() -> None:
    best = {(column.group, column.label): [cell.best for cell in column.cells] for column in columns_of(comparison())}
    assert best["Phase", "SSIM"] == [True, False, False]
    assert best["Phase", "MAE"] == [True, True, False]
    assert best["Diffraction", "residual"] == [False, False, False]
    assert not any(best["Training", "throughput"]), "speed is a fact of the machine too"


def test_a_wide_terminal_gets_one_table_and_a_narrow_one_whole_groups() -> None:
    assert sum(line.startswith("1  net (agc), 2 runs") for line in printed(400)) == 1
    narrow = printed(80)
    tables = [line for line in narrow if line.startswith("1  net (agc), 2 runs")]
    assert len(tables) >= 3
    headings = [line.strip() for line in narrow if line.strip() in ("Amplitude", "Phase")]
    assert headings == ["Amplitude", "Phase"]
    assert all(len(line) <= 80 for line in narrow[: narrow.index("")])


def test_plain_output_is_the_rule_the_remarks_the_reasons_and_the_paths() -> None:
    lines = printed(400)
    assert not any("\x1b" in line for line in lines)
    assert [line.split()[0] for line in lines[3:6]] == ["1", "2", "–"]
    assert lines[6].startswith("Ranked by phase SSIM, higher is better: ")
    assert lines[6].endswith("; mean over the runs of a row.")
    assert lines[7] == "a remark"
    assert lines[-1] == "page    c/comparison.html"
    # Brackets are no markup.
    assert any("file [x].h5" in line for line in lines)


def test_the_terminal_gets_the_same_figures() -> None:
    text = "\n".join(printed(400, terminal=True))
    assert "\x1b[" in text
    assert all(cell.text in text for column in columns_of(comparison()) for cell in column.cells)


def test_each_dash_is_explained_once_and_whole_groups_by_their_name() -> None:
    assert footnotes(comparison()) == [
        "– Training, Reconstruction of file [x].h5: the file does not tell",
        "– Phase SSIM, Phase PSNR of flat: the reconstruction is bad",
        "– Phase FRC50 of flat: the reconstruction is flat",
    ]


def test_csv_has_all_figures_and_leaves_undefined_ones_empty() -> None:
    first, second, third = csv.DictReader(io.StringIO(comparison_csv(comparison())))
    assert [line["rank"] for line in (first, second, third)] == ["1", "2", ""]
    assert (first["name"], first["runs"], first["sources"]) == ("net (agc)", "2", "runs/0 runs/1")
    assert float(first["phase.ssim"]) == pytest.approx(0.92)
    assert float(first["phase.ssim spread"]) == pytest.approx(np.std([0.9, 0.94], ddof=1))
    assert first["amplitude.frc_half_bit"] == "0.3", "also what the table has no room for"
    assert (second["training.seconds"], third["phase.ssim"], third["phase.ssim spread"]) == ("", "", "")
