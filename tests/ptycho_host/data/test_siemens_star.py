"""The measured scan that travels with the host."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from ptycho_host.data import embedded
from ptycho_host.data.embedded import siemens_star
from ptycho_host.metrics.scan_summary import summarise
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.patches import extract_patches


@pytest.fixture(scope="module")
def scan():
    return siemens_star()()


def test_it_is_what_its_docstring_says(scan):
    summary = summarise(scan)
    assert (scan.name, scan.count, scan.pixels) == ("siemens_star", 116, 64)
    assert (scan.truth, summary.known_object) == (None, "reference")
    assert summary.photons == pytest.approx(439_000, rel=0.001)
    assert summary.step == pytest.approx(4.4, abs=0.05)
    assert summary.probe_diameter == pytest.approx(34, abs=0.5)


def forward(scan, obj, positions):
    return diffraction_amplitude(extract_patches(obj, positions, scan.pixels), scan.probe)


def correlation(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


def test_its_reference_explains_its_patterns(scan):
    predicted, measured = forward(scan, scan.reference, scan.positions), scan.batch(slice(None))
    # Measured: 0.983 over all, 0.974 for the worst pattern; photon noise alone would leave 0.995.
    assert correlation(predicted, measured) > 0.98
    assert min(correlation(p, m) for p, m in zip(predicted, measured, strict=True)) > 0.97
    # The probe is on the scale of the counts.
    assert np.sum(predicted.astype(float) ** 2) == pytest.approx(np.sum(measured.astype(float) ** 2), rel=0.03)


def test_no_other_convention_explains_them_as_well(scan):
    """Axes, orientation, sign of the phase and origin of the positions are those of the contract."""
    measured, positions = scan.batch(slice(None)), scan.positions
    down, along = np.array([0.5, 0]), np.array([0, 0.5])
    right = correlation(forward(scan, scan.reference, positions), measured)
    wrong = {
        "axes swapped": forward(scan, scan.reference.T, positions),
        "rows reversed": forward(scan, scan.reference[::-1], positions),
        "columns reversed": forward(scan, scan.reference[:, ::-1], positions),
        "conjugate": forward(scan, scan.reference.conj(), positions),
        "no object": forward(scan, np.ones_like(scan.reference), positions),
        "half a pixel down": forward(scan, scan.reference, positions + down),
        "half a pixel up": forward(scan, scan.reference, positions - down),
        "half a pixel right": forward(scan, scan.reference, positions + along),
        "half a pixel left": forward(scan, scan.reference, positions - along),
    }
    assert max(correlation(other, measured) for other in wrong.values()) < right - 0.003


def test_the_licence_lies_beside_the_data():
    names = {entry.name for entry in files(embedded).iterdir()}
    data = {name.removesuffix(".npz") for name in names if name.endswith(".npz")}
    assert data
    for name in data:
        text = (files(embedded) / f"{name}.LICENSE.txt").read_text(encoding="utf-8")
        assert "Copyright (c) 2018, UChicago Argonne, LLC" in text
        assert "Redistributions in binary form" in text
