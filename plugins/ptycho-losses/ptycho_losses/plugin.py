"""What this distribution registers."""

from __future__ import annotations

from ptycho_host import hookimpl
from ptycho_host.components import Loss

PACKAGES = {"torch": "ptycho_losses.torch_losses", "tensorflow": "ptycho_losses.tf_losses"}
"""Where each tensor library's factories stand, under the same names."""


@hookimpl
def ptycho_losses() -> list[Loss]:
    """The losses for PyTorch and TensorFlow."""
    return [
        *_loss("amplitude:mae", "Mean absolute difference of diffraction amplitudes."),
        *_loss("amplitude:mse", "Mean squared difference of diffraction amplitudes."),
        *_loss("poisson:poisson", "Negative log-likelihood of the measured photon counts."),
        *_loss(
            "total_variation:tv",
            "Total variation of the object where the probe shines; a small term beside another loss.",
        ),
        *_loss(
            "supervised:object_mae",
            "Mean absolute error of the complex object against the truth, global phase removed.",
            supervised=True,
        ),
        *_loss(
            "supervised:amplitude_phase",
            "Mean absolute errors of the object's modulus and phase against the truth.",
            supervised=True,
        ),
    ]


def _loss(factory: str, summary: str, *, supervised: bool = False) -> list[Loss]:
    """One loss under the name of its `factory` ("module:name"), once a tensor library."""
    name = factory.partition(":")[2]
    return [
        Loss(name, backend=backend, summary=summary, target=f"{package}.{factory}", supervised=supervised)
        for backend, package in PACKAGES.items()
    ]
