"""Tables: means over test objects, spread over seeds, dashes where nothing is defined."""

from __future__ import annotations

import csv
import io

import pytest

from ptycho_studies.tables import averaged, cell_text, csv_text, markdown_table

ROWS = [
    {"arm": "a", "seed": 0, "image": 0, "ssim": 0.2, "phase": None},
    {"arm": "a", "seed": 0, "image": 1, "ssim": 0.4, "phase": None},
    {"arm": "a", "seed": 1, "image": 0, "ssim": 0.6, "phase": None},
    {"arm": "b", "seed": 0, "image": 0, "ssim": None, "phase": None},
]


def test_images_are_averaged_before_seeds_are_compared() -> None:
    first, second = averaged(ROWS, ("arm",), ("ssim", "phase"))
    # Seed 0 has 0.3 on average, seed 1 has 0.6.
    assert first["seeds"] == 2
    assert first["ssim"] == pytest.approx(0.45)
    assert first["ssim_sd"] == pytest.approx(0.3 / 2**0.5)
    assert second["ssim"] is None
    assert "phase" not in first, "a column without a value is left out"


def test_what_is_not_defined_is_a_dash_or_an_empty_cell() -> None:
    assert [cell_text(value) for value in (None, True, 1234, 0.123456, "x")] == ["–", "yes", "1,234", "0.1235", "x"]
    assert list(csv.DictReader(io.StringIO(csv_text(ROWS))))[3]["ssim"] == ""
    assert markdown_table(ROWS).splitlines()[-1] == "| b | 0 | 0 | – | – |"
