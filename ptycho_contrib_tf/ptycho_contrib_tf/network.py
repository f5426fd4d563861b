"""From measured amplitudes to object patches."""

from __future__ import annotations

from ptycho_contrib_tf.instrument import Instrument
from ptycho_contrib_tf.library import keras, tf
from ptycho_contrib_tf.physics import back_projection
from ptycho_host.contracts import GeneratorInputs, PatchShape


class PatternNetwork:
    """The generator with the back-projection before it and the intensity factor behind it."""

    def __init__(self, generator: keras.Model, instrument: Instrument, shape: PatchShape) -> None:
        """Calls the generator once, so that all its variables exist."""
        self.generator = generator
        self.instrument = instrument
        self.shape = shape
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
        initial = back_projection(amplitude, tf.stop_gradient(self.instrument.probe))
        patches = self.generator(inputs=GeneratorInputs(amplitude, initial), training=training)
        if patches.shape != amplitude.shape or not patches.dtype.is_complex:
            raise ValueError(
                f"the generator returned {patches.dtype.name} {tuple(patches.shape)} where complex patches "
                f"{tuple(amplitude.shape)} are due"
            )
        return self.instrument.scaled(patches)
