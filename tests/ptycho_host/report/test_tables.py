"""The table shows every figure once, explains its dashes, and is plain off a terminal."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from ptycho_host.report.tables import plain_table, print_results, result_rows

ONE: dict[str, Any] = {
    "amplitude": {"ssim": 0.98765, "mae": 0.00123, "mse": 1e-5, "psnr": 31.234, "frc50": 0.25, "frc_half_bit": 0.3},
    "phase": {"ssim": None, "mae": 0.02, "reasons": {"ssim": "the true phase is flat"}},
    "diffraction": {"correlation": 0.995964, "r_factor": 0.0796, "residual": 0.00813, "patterns": 516},
    "training": {"epochs": 3, "patterns_per_second": 1234.5, "seconds": 65.0, "final_loss": 0.01, "collapsed": False},
}
OTHER: dict[str, Any] = {
    "amplitude": {"ssim": 0.5, "mae": 0.0001},
    "diffraction": {"correlation": 0.9959641, "r_factor": 0.5, "residual": 0.1},
}


def printed(results: dict[str, Any], terminal: bool) -> str:
    console = Console(
        file=io.StringIO(), force_terminal=terminal, width=60, color_system="standard" if terminal else None
    )
    print_results(console, results, ["runs/one/report.html [x]"])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_each_figure_is_a_row_with_its_unit() -> None:
    cells = {(row.block, row.label): row.cells for row in result_rows({"one": ONE})}
    assert cells["Amplitude", "SSIM"] == ("0.9877",)
    assert cells["Amplitude", "PSNR"] == ("31.23 dB",)
    assert cells["Phase", "MAE"] == ("0.02 rad",)
    assert cells["Training", "throughput"] == ("1,234 patterns/s",)
    assert cells["Training", "time"] == ("1:05",)
    assert cells["Training", "collapsed"] == ("no",)
    assert ("Held-out", "correlation") not in cells


def test_a_dash_is_explained() -> None:
    row = next(row for row in result_rows({"one": ONE}) if (row.block, row.label) == ("Phase", "SSIM"))
    assert row.cells == ("–",)
    assert row.notes == ("the true phase is flat",)
    assert "– Phase SSIM: the true phase is flat" in plain_table({"one": ONE})


def test_best_of_several_is_marked_by_the_direction_of_the_figure() -> None:
    best = {(row.block, row.label): row.best for row in result_rows({"one": ONE, "other": OTHER})}
    assert best["Amplitude", "SSIM"] == (0,)
    assert best["Amplitude", "MAE"] == (1,)
    # Equal as shown, known for one only, and no matter of better or worse.
    assert best["Diffraction", "correlation"] == ()
    assert best["Phase", "MAE"] == ()
    assert best["Training", "epochs"] == ()


def test_plain_text_off_a_terminal_has_no_escapes_and_one_line_a_row() -> None:
    text = printed({"one": ONE, "other": OTHER}, terminal=False)
    assert "\x1b" not in text
    assert "─" not in text
    lines = text.splitlines()
    assert lines[0].split() == ["one", "other"]
    assert lines[1].split() == ["Amplitude", "SSIM", "0.9877", "0.5000"]
    # Brackets are no markup and long lines are not wrapped.
    assert lines[-1] == "runs/one/report.html [x]"


def test_terminal_gets_the_same_figures() -> None:
    text = printed({"one": ONE, "other": OTHER}, terminal=True)
    assert "\x1b[" in text
    for row in result_rows({"one": ONE, "other": OTHER}):
        assert row.label in text
        assert all(cell in text for cell in row.cells)


def test_no_metrics_make_an_empty_table() -> None:
    assert plain_table({"one": {}}) == ""
    assert result_rows({}) == []
