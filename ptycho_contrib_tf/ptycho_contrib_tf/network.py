"""From measured amplitudes to object patches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ptycho_contrib_tf.instrument import Instrument
from ptycho_contrib_tf.library import keras, tf
from ptycho_contrib_tf.physics import back_projection
from ptycho_host.contracts import GeneratorInputs, PatchShape


class PatternNetwork:
    """The generator with the back-projection before it and the intensity factor behind it."""

    def __init__(
        self,
        generator: keras.Model,
        instrument: Instrument,
        shape: PatchShape,
        bad_pixels: NDArray[np.bool_] | None = None,
    ) -> None:
        """Calls the generator once, so that all its variables exist; `bad_pixels` (N, N) are those of the scan."""
        self.generator = generator
        self.instrument = instrument
        self.shape = shape
        self._bad_pixels = bad_pixels
        self(tf.ones((1, shape.channels, shape.pixels, shape.pixels)))

    @property
    def trained(self) -> list[tf.Variable]:
        """All that training changes by gradients."""
        variables = [*self.generator.trainable_variables, *self.instrument.variables.values()]
        return [variable.value for variable in variables]

    def __call__(self, amplitude: tf.Tensor, *, training: bool = False) -> tf.Tensor:
        """Complex patches (B, C, N, N) in model units from amplitudes (B, C, N, N).

        Raises ValueError when the generator returns anything else.
        """
        probe = tf.stop_gradient(self.instrument.probe)
        bad_pixels = None if self._bad_pixels is None else tf.constant(self._bad_pixels)
        seen = GeneratorInputs(amplitude, back_projection(amplitude, probe), probe, bad_pixels)
        patches = self.generator(inputs=seen, training=training)
        if patches.shape != amplitude.shape or not patches.dtype.is_complex:
            raise ValueError(
                f"the generator returned {patches.dtype.name} {tuple(patches.shape)} where complex patches "
                f"{tuple(amplitude.shape)} are due"
            )
        return self.instrument.scaled(patches)
