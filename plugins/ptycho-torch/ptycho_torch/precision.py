"""Arithmetic of the network in lower precision, with the measurements as they are."""

from __future__ import annotations

from typing import Any, Literal

from lightning_fabric.plugins.precision import MixedPrecision, Precision

Arithmetic = Literal["32-true", "bf16-mixed"]


class AutocastOnly(MixedPrecision):
    """Autocast decides operation by operation; Fabric's own rounds what goes into the network to begin with.

    Amplitudes and the probe are data of the physics around the network, which is reckoned in float32.
    """

    def convert_input(self, data: Any) -> Any:
        """As it is."""
        return data


def precision_of(arithmetic: Arithmetic, *, on_gpu: bool) -> Precision:
    """Fabric's plugin for the `arithmetic` of networks on a GPU or a CPU."""
    return Precision() if arithmetic == "32-true" else AutocastOnly(arithmetic, "cuda" if on_gpu else "cpu")
