"""When a training counts as collapsed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ptycho_host.training.watch import COUNTING_VARIANCE, has_collapsed


@pytest.mark.parametrize("contrast", [0.3, 0.01])
def test_collapse_is_seen_however_weak_the_object(contrast: float) -> None:
    """Patterns that vary by `contrast`: predictions that vary alike are well, predictions without variation not."""
    rng = np.random.default_rng(0)
    common = 1 + rng.uniform(size=(1, 16, 16))
    measured = common * (1 + contrast * rng.normal(size=(16, 16, 16)))
    assert has_collapsed(np.broadcast_to(common, measured.shape), measured, intensity_scale=1e4)
    assert not has_collapsed(common + 0.3 * (measured - common), measured, intensity_scale=1e4)


def test_the_bound_on_counting_noise_holds_at_every_dose() -> None:
    for mean in np.geomspace(0.01, 1000, 60):
        counts = np.arange(stats.poisson.ppf(1 - 1e-12, mean) + 1)
        probability = stats.poisson.pmf(counts, mean)
        variance = np.sum(probability * counts) - np.sum(probability * np.sqrt(counts)) ** 2
        # The bound is the mean itself below 0.4 counts; the maximum near 1.3 counts exceeds 0.4 by little.
        assert variance < 1.05 * min(mean, COUNTING_VARIANCE)
