"""Small scans and files that break the NPZ contract in one place."""

from __future__ import annotations

import numpy as np
import pytest

N, COUNT = 8, 6


@pytest.fixture
def arrays():
    """The arrays of a valid file, all of the contract's keys."""
    rng = np.random.default_rng(5)
    return {
        "diff3d": rng.uniform(0.5, 9, size=(COUNT, N, N)).astype(np.float32),
        "xcoords": rng.uniform(N / 2, 20, size=COUNT),
        "ycoords": rng.uniform(N / 2, 16, size=COUNT),
        "probeGuess": (rng.normal(size=(N, N)) + 1j * rng.normal(size=(N, N))).astype(np.complex64),
        "objectGuess": (rng.normal(size=(20, 24)) + 1j).astype(np.complex64),
        "objectGuessIsTruth": np.array(True),
        "objectPixelM": np.array([1.5e-8, 1.25e-8]),
        "photonEnergyEV": np.array(8.3e3),
        "detectorDistanceM": np.array(1.9),
        "metadata": np.array('{"photons": 1000.0}'),
    }
