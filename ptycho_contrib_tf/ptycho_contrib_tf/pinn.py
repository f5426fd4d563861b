"""Generator `pinn`: the convolutional network of the field's reference system."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from ptycho_contrib_tf.library import keras, tf
from ptycho_contrib_tf.options import AmplitudeActivation, AmplitudeGain, FiltersScale, InputTransform, Lift
from ptycho_contrib_tf.stages import (
    Activation,
    Block,
    ConvolutionPair,
    Decoder,
    Encoder,
    channels_first,
    channels_last,
    complex_object,
    doubled,
    halvings,
    last_convolution,
    margins,
    scaled,
    transform_amplitude,
)
from ptycho_host.contracts import GeneratorInputs, PatchShape
from ptycho_host.errors import OptionError

COARSEST = 8
"""Pixels a side that patterns are halved to, or nearly so where N is no power of two."""
BORDER_FEATURES = 4
"""Features of the last stage that are set aside for the border of the patch."""


class PlainEnding(Block):
    """Features of half the size to images: doubling -> 3x3 convolution -> `activation`.

    Maps (B, N/2, N/2, any) to (B, N, N, channels).
    """

    def __init__(self, channels: int, activation: Activation, kernel: str) -> None:
        super().__init__("ending")
        self.last = last_convolution(channels, activation, "last", kernel=kernel)

    def call(self, features: tf.Tensor, *, pixels: int) -> tf.Tensor:
        """Images of `pixels` a side."""
        return self.last(doubled(features, pixels))


class PaddedEnding(Block):
    """Features of half the size to images whose middle half, where the probe shines, they stand for pixel by pixel.

    All features but the last four -> 3x3 convolution -> `activation`, then zeros around up to N.
    Maps (B, N/2, N/2, any) to (B, N, N, channels).
    """

    def __init__(self, channels: int, activation: Activation, kernel: str) -> None:
        super().__init__("ending")
        self.middle = last_convolution(channels, activation, "middle", kernel=kernel)

    def call(self, features: tf.Tensor, *, pixels: int) -> tf.Tensor:
        """Images of `pixels` a side."""
        around = margins(features.shape[1], pixels)
        return tf.pad(self.middle(features[..., :-BORDER_FEATURES]), [(0, 0), around, around, (0, 0)])


class BorderedEnding(PaddedEnding):
    """A `PaddedEnding` with a coarse border instead of zeros, for a probe that reaches there.

    The last four features -> pair of convolutions -> doubling -> 3x3 convolution -> `border_activation`.
    """

    def __init__(
        self,
        channels: int,
        activation: Activation,
        kernel: str,
        border_filters: int,
        border_activation: Activation,
    ) -> None:
        super().__init__(channels, activation, kernel)
        self.border_pair = ConvolutionPair(border_filters, "border_pair")
        self.border = last_convolution(channels, border_activation, "border", kernel=kernel)

    def call(self, features: tf.Tensor, *, pixels: int) -> tf.Tensor:
        """Images of `pixels` a side."""
        middle = super().call(features, pixels=pixels)
        around = margins(features.shape[1], pixels)
        inside = tf.zeros((1, *features.shape[1:3], 1), middle.dtype)
        outside = tf.pad(inside, [(0, 0), around, around, (0, 0)], constant_values=1)
        coarse = doubled(self.border_pair(features[..., -BORDER_FEATURES:]), pixels)
        return middle + outside * self.border(coarse)


class Arm(Block):
    """One half of the object: features at the coarsest size to images (B, N, N, C)."""

    def __init__(self, decoder: Decoder, ending: keras.Layer, name: str) -> None:
        super().__init__(name)
        self.decoder = decoder
        self.ending = ending

    def call(self, features: tf.Tensor, *, pixels: int) -> tf.Tensor:
        """Images of `pixels` a side."""
        sizes = halvings(pixels, 1 + len(self.decoder.pairs))
        return self.ending(self.decoder(features, sizes=sizes[-2:0:-1]), pixels=pixels)


class Pinn(keras.Model):
    """The object from its amplitude a and its phase phi, each of an arm: O = gain a exp(i phi)."""

    def __init__(
        self, encoder: Encoder, amplitude: Arm, phase: Arm, input_transform: InputTransform, gain: float
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.amplitude = amplitude
        self.phase = phase
        self.input_transform = input_transform
        self.gain = gain
        self.built = True

    def call(self, inputs: GeneratorInputs) -> tf.Tensor:
        """(B, C, N, N) complex64 object patches in model units."""
        pixels = inputs.amplitude.shape[-1]
        features = self.encoder(channels_last(transform_amplitude(inputs.amplitude, self.input_transform)))
        amplitude = self.gain * self.amplitude(features, pixels=pixels)
        return channels_first(complex_object(amplitude, self.phase(features, pixels=pixels)))


class LiftedPinn(keras.Model):
    """The object as what must be added to its back-projection, real and imaginary part each of an arm."""

    def __init__(self, encoder: Encoder, real: Arm, imaginary: Arm, input_transform: InputTransform) -> None:
        super().__init__()
        self.encoder = encoder
        self.real = real
        self.imaginary = imaginary
        self.input_transform = input_transform
        self.built = True

    def call(self, inputs: GeneratorInputs) -> tf.Tensor:
        """(B, C, N, N) complex64 object patches in model units."""
        pixels = inputs.amplitude.shape[-1]
        amplitude = transform_amplitude(inputs.amplitude, self.input_transform)
        images = tf.concat([amplitude, tf.math.real(inputs.initial), tf.math.imag(inputs.initial)], axis=1)
        features = self.encoder(channels_last(images))
        residual = tf.complex(self.real(features, pixels=pixels), self.imaginary(features, pixels=pixels))
        return inputs.initial + channels_first(residual)


def build(
    shape: PatchShape,
    *,
    n_filters_scale: FiltersScale = 2.0,
    pad_object: Annotated[
        bool,
        Field(description="Decode the middle half of the patch at full resolution, rather than all of it coarsely."),
    ] = True,
    probe_big: Annotated[
        bool, Field(description="With pad_object, decode the border of the patch coarsely, rather than leave it zero.")
    ] = True,
    amplitude_activation: AmplitudeActivation = "sigmoid",
    amplitude_gain: AmplitudeGain = 2.0,
    input_transform: InputTransform = "none",
    lift: Lift = "backprojection",
) -> keras.Model:
    """An encoder that halves N to about 8 pixels, and two decoders that end with half of N.

    The filters double from halving to halving up to 128 times `n_filters_scale`; those of the decoders fall from half
    of that to 32 times it. With C = 1, `probe_big`, scale 2 and no lift there are 2,331,772 weights at N = 64 and
    4,661,212 at N = 128: that is the reference system's network. It needs many epochs before its predictions differ
    from pattern to pattern at all, so the lift is the default.

    Gain. In the reference system a sigmoid gave amplitudes up to 1 and a trained factor did the rest. In model units a
    uniform object of modulus 1 explains the mean pattern, so anything with contrast has larger moduli somewhere. With a
    gain of 2 the untrained sigmoid, one half, is that uniform object, and no modulus beyond 2 can be reached: raise the
    gain or choose "softplus" for an object that is mostly dark.

    With the lift, activation and gain do not matter: the arms end linearly in the real and imaginary part of what is
    added to the back-projection, and start at zero, so that the untrained network gives the back-projection itself.

    Training first finds the mean of all patches and stays there for some hundred steps; at high rates ReLUs die
    meanwhile, and all predictions remain equal. The small rate and batches of its descriptor lead out of it.

    The reference system also merged overlapping patches here (`object.big`); the engine does that for any generator.
    Raises OptionError for patterns of less than 8 pixels.
    """
    if shape.pixels < COARSEST:
        raise OptionError(
            f"generator 'pinn' needs patterns of {COARSEST} x {COARSEST} pixels or more, not {shape.pixels} x "
            f"{shape.pixels}; choose another generator."
        )
    channels = shape.channels
    levels = max(1, round(math.log2(shape.pixels / COARSEST)))
    encoding = scaled((128 / 2**level for level in reversed(range(levels))), n_filters_scale)
    decoding = scaled((32 * 2**level for level in reversed(range(levels - 1))), n_filters_scale)
    (border_filters,) = scaled([2048 / shape.pixels], n_filters_scale)

    def arm(
        name: str, activation: Activation, border_activation: Activation = "swish", kernel: str = "glorot_uniform"
    ) -> Arm:
        ending: keras.Layer
        if not pad_object:
            ending = PlainEnding(channels, activation, kernel)
        elif not probe_big:
            ending = PaddedEnding(channels, activation, kernel)
        else:
            ending = BorderedEnding(channels, activation, kernel, border_filters, border_activation)
        return Arm(Decoder(decoding), ending, name)

    if lift == "backprojection":
        real, imaginary = (arm(name, "linear", "linear", kernel="zeros") for name in ("real", "imaginary"))
        return LiftedPinn(Encoder(encoding), real, imaginary, input_transform)
    amplitude, phase = arm("amplitude", amplitude_activation), arm("phase", within_a_turn)
    return Pinn(Encoder(encoding), amplitude, phase, input_transform, amplitude_gain)


def within_a_turn(values: tf.Tensor) -> tf.Tensor:
    """Phases between -pi and pi: pi tanh x."""
    return math.pi * tf.tanh(values)
