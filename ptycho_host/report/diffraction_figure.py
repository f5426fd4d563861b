"""Measured patterns beside what the reconstruction predicts for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ptycho_host.report.style import (
    COUNTS_MAP,
    ERROR_MAP,
    INK,
    TITLE,
    colour_bar,
    draw_map,
    new_figure,
    row_label,
    symmetric_limits,
)

Pattern = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class DiffractionExample:
    """One pattern: `measured` and `predicted` amplitudes (N, N), square roots of counts; `label` heads its column."""

    label: str
    measured: Pattern
    predicted: Pattern


def diffraction_figure(examples: Sequence[DiffractionExample]) -> Figure:
    """One column a pattern: measured and predicted counts on one logarithmic scale, and the amplitudes' difference.

    Counting noise alone makes the difference of the square roots scatter by about 0.5. Raises ValueError without
    examples.
    """
    if not examples:
        raise ValueError("a diffraction figure needs at least one pattern")
    figure = new_figure(2.4 * len(examples) + 1.1, 7.5)
    grid = figure.subplots(3, len(examples), squeeze=False)
    brightest = max(float(np.max(example.measured)) for example in examples) ** 2
    brightest = brightest if brightest > 0 else 1.0
    # Five decades at most, and not below the single count where patterns are that bright.
    darkest = max(brightest * 1e-5, min(0.5, brightest * 1e-2))
    counts = LogNorm(darkest, brightest, clip=True)
    differences = [example.predicted - example.measured for example in examples]
    limits = symmetric_limits(*differences)
    for column, (example, difference) in enumerate(zip(examples, differences, strict=True)):
        for row, pattern in enumerate((example.measured, example.predicted)):
            image = draw_map(grid[row][column], np.square(pattern), COUNTS_MAP, (darkest, brightest))
            image.set_norm(counts)
        draw_map(grid[2][column], difference, ERROR_MAP, limits)
        grid[0][column].set_title(example.label, fontsize=TITLE, color=INK, pad=5)
    for row, label in enumerate(("Measured", "Predicted", "Predicted \N{MINUS SIGN} measured")):
        row_label(grid[row][0], label)
    for row, unit in enumerate(("photon counts", "photon counts", "difference (\N{SQUARE ROOT}counts)")):
        colour_bar(grid[row][-1].images[0], grid[row][-1], unit)
    return figure
