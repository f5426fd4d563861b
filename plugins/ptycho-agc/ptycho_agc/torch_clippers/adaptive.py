"""Adaptive gradient clipping."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ptycho_agc.options import CLIPPING, EPS, UNIT, Clipping, Eps, Unit
from ptycho_agc.torch_clippers.norms import tensor_norm, unit_norms
from ptycho_host.contracts import ClipFunction, ClipReport


def agc(*, clipping: Clipping = CLIPPING, eps: Eps = EPS, unit: Unit = UNIT) -> ClipFunction:
    """Scale a unit's gradient G down to norm `clipping` max(norm(W), `eps`) where it is longer, W its weights.

    A unit is a slice along dimension 0: the output channel of a convolution or linear layer (the input channel of a
    transposed convolution, and of spectral weights stored input first). Vectors and scalars are one unit. With
    `unit = "tensor"` every tensor is one. Complex weights count by modulus, so the storage (..., 2) of real and
    imaginary parts gives the same.

    Scales initialised to zero (zero-gamma, layer scale) have norm 0, so `eps` alone sets their allowance: a gradient
    norm of `clipping` `eps`, 1e-5 by default, until they have grown beyond `eps`. Adam's step hardly notices a
    constant factor; plain gradient descent moves such scales by no more than that times the learning rate, and
    wants a larger `eps`.

    Gradients that are not finite stay so, and the report's norm shows it. `clipped` is the fraction of units.
    Source: Brock, De, Smith & Simonyan, ICML 2021 (arXiv:2102.06171), equation 3, with its defaults for `eps` and
    the unit; the paper leaves the last layer unclipped, which a clipper that sees parameters only cannot.
    """
    norms_of = unit_norms if unit == "unit" else tensor_norm

    @torch.no_grad()
    def clip(parameters: Iterable[torch.Tensor]) -> ClipReport:
        pairs = [(weight, weight.grad) for weight in parameters if weight.grad is not None]
        if not pairs:
            return ClipReport(norm=0.0, clipped=0.0)
        lengths = [norms_of(gradient) for _, gradient in pairs]
        length = torch.cat(lengths)
        allowed = clipping * torch.cat([norms_of(weight) for weight, _ in pairs]).clamp(min=eps)
        factors = torch.split((allowed / length).clamp(max=1), [len(units) for units in lengths])
        for (_, gradient), factor in zip(pairs, factors, strict=True):
            # (units,) against (units, ...); one factor alone fits every shape.
            gradient.mul_(factor.reshape(-1, *[1] * (gradient.ndim - 1)) if len(factor) > 1 else factor[0])
        clipped = (length > allowed).to(length).mean()
        norm, fraction = torch.stack([tensor_norm(length)[0], clipped]).tolist()
        return ClipReport(norm=norm, clipped=fraction)

    return clip
