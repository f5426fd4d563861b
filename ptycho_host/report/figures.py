"""All figures by one import; each returns a matplotlib Figure, and `png` turns it into bytes."""

from ptycho_host.report.curve_figures import frc_figure, training_figure
from ptycho_host.report.diffraction_figure import DiffractionExample, diffraction_figure
from ptycho_host.report.object_figures import comparison_figure, reconstruction_figure
from ptycho_host.report.style import png
from ptycho_host.report.uncertainty_figure import uncertainty_figure

__all__ = [
    "DiffractionExample",
    "comparison_figure",
    "diffraction_figure",
    "frc_figure",
    "png",
    "reconstruction_figure",
    "training_figure",
    "uncertainty_figure",
]
