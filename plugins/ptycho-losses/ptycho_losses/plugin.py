"""What this distribution registers."""

from __future__ import annotations

from ptycho_host import hookimpl
from ptycho_host.components import Loss


@hookimpl
def ptycho_losses() -> list[Loss]:
    """The losses for PyTorch."""
    return [
        Loss(
            "mae",
            backend="torch",
            summary="Mean absolute difference of diffraction amplitudes.",
            target="ptycho_losses.torch_losses.amplitude:mae",
        ),
        Loss(
            "mse",
            backend="torch",
            summary="Mean squared difference of diffraction amplitudes.",
            target="ptycho_losses.torch_losses.amplitude:mse",
        ),
        Loss(
            "poisson",
            backend="torch",
            summary="Negative log-likelihood of the measured photon counts.",
            target="ptycho_losses.torch_losses.poisson:poisson",
        ),
        Loss(
            "tv",
            backend="torch",
            summary="Total variation of the object where the probe shines; a small term beside another loss.",
            target="ptycho_losses.torch_losses.total_variation:tv",
        ),
        Loss(
            "object_mae",
            backend="torch",
            summary="Mean absolute error of the complex object against the truth, global phase removed.",
            target="ptycho_losses.torch_losses.supervised:object_mae",
            supervised=True,
        ),
        Loss(
            "amplitude_phase",
            backend="torch",
            summary="Mean absolute errors of the object's modulus and phase against the truth.",
            target="ptycho_losses.torch_losses.supervised:amplitude_phase",
            supervised=True,
        ),
    ]
