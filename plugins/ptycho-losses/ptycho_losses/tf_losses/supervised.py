"""Losses against the true object, compared as `ptycho_losses.torch_losses.supervised` says."""

from __future__ import annotations

import tensorflow as tf

from ptycho_host.contracts import ForwardResult, LossFunction, Measurement
from ptycho_losses.checks import require_same_shape, true_patches
from ptycho_losses.options import CONSTANT_PHASE, PHASE_WEIGHT, ConstantPhase, PhaseWeight
from ptycho_losses.tf_losses.patches import angle, illumination, phase_aligned, weighted_mean


def object_mae(*, constant_phase: ConstantPhase = CONSTANT_PHASE) -> LossFunction:
    """Mean |O - T| of complex patches and truth in model units, weighted by |P|^2.

    The loss raises InputError when the measurement has no true patches, ValueError when the shapes differ.
    """

    def loss(prediction: ForwardResult, target: Measurement) -> tf.Tensor:
        truth = true_patches(target, "object_mae")
        require_same_shape(prediction.object_patches, truth)
        weights = illumination(prediction.probe)
        return weighted_mean(
            tf.abs(phase_aligned(prediction.object_patches, truth, weights, constant_phase) - truth), weights
        )

    return loss


def amplitude_phase(
    *, phase_weight: PhaseWeight = PHASE_WEIGHT, constant_phase: ConstantPhase = CONSTANT_PHASE
) -> LossFunction:
    """Mean ||O| - |T|| in model units plus `phase_weight` times the mean wrapped phase difference in radians.

    Both are weighted by |P|^2. The gradient of a phase grows like 1/|O| where the predicted object is dark. Where
    prediction or truth vanish no phase is defined: its difference and the gradient are zero.
    The loss raises InputError when the measurement has no true patches, ValueError when the shapes differ.
    """

    def loss(prediction: ForwardResult, target: Measurement) -> tf.Tensor:
        truth = true_patches(target, "amplitude_phase")
        require_same_shape(prediction.object_patches, truth)
        weights = illumination(prediction.probe)
        patches = phase_aligned(prediction.object_patches, truth, weights, constant_phase)
        modulus_error = tf.abs(tf.abs(patches) - tf.abs(truth))
        phase_error = tf.abs(angle(patches * tf.math.conj(truth)))
        return weighted_mean(modulus_error + phase_weight * phase_error, weights)

    return loss
