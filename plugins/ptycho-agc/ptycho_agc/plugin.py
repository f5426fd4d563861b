"""What this distribution registers."""

from __future__ import annotations

from ptycho_host import hookimpl
from ptycho_host.components import Clipper

PACKAGES = {"torch": "ptycho_agc.torch_clippers", "tensorflow": "ptycho_agc.tf_clippers"}
"""Where each tensor library's factories stand, under the same names."""


@hookimpl
def ptycho_clippers() -> list[Clipper]:
    """The clippers for PyTorch and TensorFlow."""
    return [
        *_clipper("adaptive:agc", "Adaptive: each unit's gradient norm to a fraction of its weight norm."),
        *_clipper("norm:norm", "Norm of all gradients together to a largest value."),
        *_clipper("value:value", "Each element of the gradients to a largest modulus."),
        *_clipper("norm:none", "Leaves the gradients alone and reports their norm."),
    ]


def _clipper(factory: str, summary: str) -> list[Clipper]:
    """One clipper under the name of its `factory` ("module:name"), once a tensor library."""
    name = factory.partition(":")[2]
    return [
        Clipper(name, backend=backend, summary=summary, target=f"{package}.{factory}")
        for backend, package in PACKAGES.items()
    ]
