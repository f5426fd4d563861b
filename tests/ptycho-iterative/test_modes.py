"""Light of several modes: what is found of it, and what must not change with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from ptycho_host.contracts import Reconstruction, RefineFunction
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_host.metrics.diffraction import diffraction_agreement
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.patches import extract_patches
from ptycho_iterative.lsq_ml import LsqMl
from ptycho_iterative.modes import orthogonal, with_modes
from ptycho_iterative.rpie import Rpie
from ptycho_iterative.sight import wave_difference

Refined = Callable[..., Reconstruction]
SHARE = 0.2


@pytest.fixture(scope="module")
def two_modes(noiseless: Scan) -> Scan:
    """The scan under two modes, a fifth of the light in the second one, which trembles along the diagonal."""
    rows, columns = np.indices(noiseless.probe.shape) - 16
    second = noiseless.probe * (rows + columns)
    second *= np.linalg.norm(noiseless.probe) / np.linalg.norm(second)
    patches = extract_patches(noiseless.truth, noiseless.positions, 32)
    modes = np.sqrt(1 - SHARE) * noiseless.probe, np.sqrt(SHARE) * second
    amplitudes = np.hypot(*(diffraction_amplitude(patches, mode) for mode in modes))
    # Counting noise of an amplitude is 1/2 in standard deviation, whatever the count.
    noisy = np.abs(amplitudes + np.random.default_rng(2).normal(0, 0.5, amplitudes.shape))
    return replace(noiseless, amplitudes=noisy.astype(np.float32))


@pytest.mark.parametrize("build", [Rpie, LsqMl], ids=["rpie", "lsq_ml"])
def test_a_second_mode_brings_the_residual_to_the_noise(
    build: Callable[..., RefineFunction], two_modes: Scan, refined: Refined
) -> None:
    noise = 0.25 / np.mean(np.square(two_modes.batch(slice(None)), dtype=np.float64))
    one, two = (refined(build, two_modes, epochs=40, batch_size=7, probe="free", modes=modes) for modes in (1, 2))
    single = diffraction_agreement(one.object, replace(two_modes, probe=one.probe)).residual
    double = diffraction_agreement(two.object, replace(two_modes, probe=two.probe), two.further_modes).residual
    assert single is not None
    assert double is not None
    assert double < 1.1 * noise
    assert single > 10 * noise
    assert two.probe is not None
    assert two.further_modes is not None
    # All light together is that of the scan's probe; its parts are those of the two modes.
    light = np.sum(np.abs(two_modes.probe) ** 2)
    assert np.sum(np.abs(two.further_modes) ** 2) / light == pytest.approx(SHARE, abs=0.01)
    assert np.sum(np.abs(two.probe) ** 2) / light == pytest.approx(1 - SHARE, abs=0.01)
    assert re.match(r"the modes of the probe have (79|80)\.\d%, (19|20)\.\d% of the light", two.notes[-1])
    overlap = abs(np.vdot(two.probe, two.further_modes[0]))
    assert overlap < 1e-4 * np.linalg.norm(two.probe) * np.linalg.norm(two.further_modes[0])


def test_a_second_refinement_goes_on_with_the_modes(two_modes: Scan, refined: Refined) -> None:
    options = {"batch_size": 7, "probe": "free", "modes": 2}
    first = refined(Rpie, two_modes, epochs=20, **options)
    second = refined(Rpie, two_modes, first, epochs=1, **options)
    assert second.refinement[0].residual < 1.5 * first.refinement[-1].residual
    # A refiner that is asked for one mode gives back one: what explains the patterns is never half told.
    assert refined(Rpie, two_modes, first, epochs=1).further_modes is None


def test_several_modes_of_a_fixed_probe_are_refused() -> None:
    with pytest.raises(InputError, match=r"refiner\.modes is 2: set refiner\.probe=free"):
        LsqMl(modes=2)


def test_new_modes_are_orthogonal_and_take_no_light(noiseless: Scan) -> None:
    probe = torch.from_numpy(noiseless.probe)[None]
    modes = with_modes(probe, 4).flatten(1)
    products = (modes.conj() @ modes.T).abs()
    light = float(probe.abs().square().sum())
    assert float(products.diagonal().sum()) == pytest.approx(light, rel=1e-5)
    assert float((products - products.diag().diag()).max()) < 1e-5 * light
    torch.testing.assert_close(with_modes(probe, 1), probe)


def test_principal_modes_give_the_same_intensities() -> None:
    rng = np.random.default_rng(0)
    shape = (3, 8, 8)
    mixed = torch.from_numpy((rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64))
    modes = orthogonal(mixed)
    obj = torch.from_numpy(rng.normal(size=(8, 8)).astype(np.float32))
    before, after = (torch.fft.fft2(obj * probe).abs().square().sum(dim=0) for probe in (mixed, modes))
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-3)
    powers = modes.abs().square().sum(dim=(1, 2))
    assert torch.all(powers[:-1] >= powers[1:])


def test_the_waves_of_all_modes_are_scaled_alike() -> None:
    rng = np.random.default_rng(1)
    waves = torch.from_numpy((rng.normal(size=(2, 3, 8, 8)) + 1j * rng.normal(size=(2, 3, 8, 8))).astype(np.complex64))
    amplitude = torch.from_numpy(rng.uniform(1, 2, (2, 8, 8)).astype(np.float32))
    chi, sums = wave_difference(waves, amplitude, None)
    before, after = (torch.fft.fft2(psi, norm="ortho") for psi in (waves, waves + chi))
    torch.testing.assert_close(after.abs().square().sum(dim=1).sqrt(), amplitude, rtol=1e-4, atol=1e-5)
    ratio = after / before
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-4, atol=1e-4)
    missing = before.abs().square().sum(dim=1).sqrt() - amplitude
    assert float(sums[0]) == pytest.approx(float(missing.square().sum()), rel=1e-5)


def test_the_difference_is_the_gradient_in_every_mode() -> None:
    rng = np.random.default_rng(2)
    shape = (1, 2, 6, 6)
    waves = torch.from_numpy(rng.normal(size=shape) + 1j * rng.normal(size=shape))
    amplitude = torch.from_numpy(rng.uniform(1, 2, (1, 6, 6)))
    chi, _ = wave_difference(waves, amplitude, None)
    step = 1e-5
    for mode, part in ((0, 1.0), (1, 1j)):
        change = torch.zeros(shape, dtype=torch.complex128)
        change[0, mode, 2, 3] = part * step
        ahead, behind = (wave_difference(waves + sign * change, amplitude, None)[1][0] for sign in (1, -1))
        # d sum (a - A)^2 = -2 Re sum chi* d psi
        expected = -2 * float((chi.conj() * change / step).real.sum())
        assert float(ahead - behind) / (2 * step) == pytest.approx(expected, rel=1e-6)
