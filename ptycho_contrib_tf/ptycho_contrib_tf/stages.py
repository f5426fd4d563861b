"""Building blocks of convolutional encoders and decoders, channels last.

No block knows the size of its images: halved sizes are rounded up, and what is doubled is cut to the size that it came
from. So any number of pixels comes back as it went in. Weights come into being at the first call, named by the way
through the blocks: `encoder/pair1/first/kernel`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ptycho_contrib_tf.library import keras, tf
from ptycho_contrib_tf.options import InputTransform

Activation = str | Callable[[tf.Tensor], tf.Tensor]


def convolution(filters: int, activation: Activation, name: str) -> keras.Layer:
    """A 3x3 convolution to `filters` channels."""
    return keras.layers.Conv2D(filters, 3, padding="same", activation=activation, name=name)


def last_convolution(
    channels: int, activation: Activation, name: str, *, kernel: str = "glorot_uniform", bias: str = "zeros"
) -> keras.Layer:
    """A 3x3 convolution to images, in the precision of its weights even where the layers before have a lower one."""
    return keras.layers.Conv2D(
        channels,
        3,
        padding="same",
        activation=activation,
        kernel_initializer=kernel,
        bias_initializer=bias,
        dtype=keras.config.dtype_policy().variable_dtype,
        name=name,
    )


class Block(keras.layers.Layer):
    """A layer made of layers that build themselves at their first call, without weights of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        # Otherwise Keras traces the call once more for every level of layers inside layers, which takes seconds.
        self.built = True


class ConvolutionPair(Block):
    """Two 3x3 convolutions with ReLU: images (B, H, W, any) to features (B, H, W, filters)."""

    def __init__(self, filters: int, name: str) -> None:
        super().__init__(name)
        self.first = convolution(filters, "relu", "first")
        self.second = convolution(filters, "relu", "second")

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Features of the images."""
        return self.second(self.first(images))


class Encoder(Block):
    """For each number of `filters` a pair of convolutions, then a halving: images (B, N, N, any) to features."""

    def __init__(self, filters: Sequence[int]) -> None:
        super().__init__("encoder")
        self.pairs = numbered_pairs(filters)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Features at the coarsest size."""
        for pair in self.pairs:
            images = tf.nn.max_pool2d(pair(images), ksize=2, strides=2, padding="SAME")
        return images


class Decoder(Block):
    """For each number of `filters` a pair of convolutions, then a doubling to the next of the `sizes` it is given."""

    def __init__(self, filters: Sequence[int]) -> None:
        super().__init__("decoder")
        self.pairs = numbered_pairs(filters)

    def call(self, features: tf.Tensor, *, sizes: Sequence[int]) -> tf.Tensor:
        """(B, m, m, last of the filters), where m is the last of the `sizes`."""
        for pair, size in zip(self.pairs, sizes, strict=True):
            features = doubled(pair(features), size)
        return features


def numbered_pairs(filters: Sequence[int]) -> list[ConvolutionPair]:
    """One pair of convolutions for each number of `filters`: pair1, pair2, …."""
    return [ConvolutionPair(number, f"pair{index}") for index, number in enumerate(filters, start=1)]


def scaled(filters: Iterable[float], scale: float) -> list[int]:
    """Whole numbers of filters nearest to `scale` times the given ones, at least 1."""
    return [max(1, round(scale * number)) for number in filters]


def doubled(images: tf.Tensor, size: int) -> tf.Tensor:
    """Images (B, n, n, F) with every pixel twice along both axes, cut to (B, size, size, F); size is 2n or 2n - 1."""
    return tf.repeat(tf.repeat(images, 2, axis=1), 2, axis=2)[:, :size, :size]


def halvings(pixels: int, times: int) -> list[int]:
    """Sizes of images from `pixels` a side on, halved `times` times and rounded up: `times` + 1 numbers."""
    sizes = [pixels]
    for _ in range(times):
        sizes.append((sizes[-1] + 1) // 2)
    return sizes


def margins(size: int, pixels: int) -> tuple[int, int]:
    """Pixels before and behind an image of `size` a side that bring its pixel size//2 to pixels//2 of `pixels`."""
    before = pixels // 2 - size // 2
    return before, pixels - size - before


def channels_last(images: tf.Tensor) -> tf.Tensor:
    """(B, C, N, N) as (B, N, N, C)."""
    return tf.transpose(images, (0, 2, 3, 1))


def channels_first(images: tf.Tensor) -> tf.Tensor:
    """(B, N, N, C) as (B, C, N, N)."""
    return tf.transpose(images, (0, 3, 1, 2))


def transform_amplitude(amplitude: tf.Tensor, transform: InputTransform) -> tf.Tensor:
    """The amplitudes on the scale named by `transform`; "sqrt" and "log1p" take negative values for zero."""
    match transform:
        case "none":
            return amplitude
        case "sqrt":
            return tf.sqrt(tf.maximum(amplitude, 0))
        case "log1p":
            return tf.math.log1p(tf.maximum(amplitude, 0))


def complex_object(amplitude: tf.Tensor, phase: tf.Tensor) -> tf.Tensor:
    """The complex object a exp(i phi) of real amplitude a and phase phi."""
    return tf.complex(amplitude * tf.cos(phase), amplitude * tf.sin(phase))
