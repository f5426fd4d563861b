"""Generator `baseline`: a supervised network after PtychoNN."""

from __future__ import annotations

from ptycho_contrib_tf.library import keras, tf
from ptycho_contrib_tf.options import FiltersScale, InputTransform
from ptycho_contrib_tf.stages import (
    Block,
    Decoder,
    Encoder,
    channels_first,
    channels_last,
    complex_object,
    halvings,
    last_convolution,
    scaled,
    transform_amplitude,
)
from ptycho_host.contracts import GeneratorInputs, PatchShape

ENCODING = 32, 64, 128
DECODING = 128, 64, 32
"""Filters of the three halvings and of the three doublings, at scale 1."""


class Arm(Block):
    """One half of the object: features at an eighth of the size to images (B, N, N, C), linear in the end."""

    def __init__(self, filters: list[int], channels: int, name: str, bias: str) -> None:
        super().__init__(name)
        self.decoder = Decoder(filters)
        self.last = last_convolution(channels, "linear", "last", bias=bias)

    def call(self, features: tf.Tensor, *, pixels: int) -> tf.Tensor:
        """Images of `pixels` a side."""
        return self.last(self.decoder(features, sizes=halvings(pixels, len(DECODING))[-2::-1]))


class Baseline(keras.Model):
    """The object from its amplitude a and its phase phi, each of an arm: O = a exp(i phi)."""

    def __init__(self, encoder: Encoder, amplitude: Arm, phase: Arm, input_transform: InputTransform) -> None:
        super().__init__()
        self.encoder = encoder
        self.amplitude = amplitude
        self.phase = phase
        self.input_transform = input_transform
        self.built = True

    def call(self, inputs: GeneratorInputs) -> tf.Tensor:
        """(B, C, N, N) complex64 object patches in model units."""
        pixels = inputs.amplitude.shape[-1]
        features = self.encoder(channels_last(transform_amplitude(inputs.amplitude, self.input_transform)))
        amplitude, phase = (arm(features, pixels=pixels) for arm in (self.amplitude, self.phase))
        return channels_first(complex_object(amplitude, phase))


def build(
    shape: PatchShape, *, n_filters_scale: FiltersScale = 2.0, input_transform: InputTransform = "none"
) -> keras.Model:
    """Three halvings, then two arms of three doublings for the amplitudes and the phases of all C patterns.

    4,612,418 weights with C = 1 and scale 2, at any N. It is meant for losses that know the truth, such as
    `amplitude_phase`. The bias of the amplitude starts at 1: near zero a phase hardly has a gradient, and 1 is the
    uniform object that explains the mean pattern.

    Source: Cherukara et al., Appl. Phys. Lett. 117 (2020) 044103, with the filters of the reference system.
    """
    decoding = scaled(DECODING, n_filters_scale)
    amplitude = Arm(decoding, shape.channels, "amplitude", bias="ones")
    phase = Arm(decoding, shape.channels, "phase", bias="zeros")
    return Baseline(Encoder(scaled(ENCODING, n_filters_scale)), amplitude, phase, input_transform)
