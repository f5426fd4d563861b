"""The probe and the intensity scale, known or learnt along with the generator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_contrib_tf.library import keras, tf
from ptycho_contrib_tf.physics import as_complex
from ptycho_host.contracts import FIRST_PROBE, LEARNT_PROBE

LOG_FACTOR = "engine.log_intensity_factor"
"""Name of the weight in bundles: the natural logarithm of the factor on the patches."""


class Instrument:
    """What the engine itself may train: registered variables, absent when everything is taken as known.

    Probe and object meet in a product only, so the learnt probe keeps the energy of the one it started from; the
    intensity factor is a factor on all patches, 1 at the start.
    """

    def __init__(
        self, probe: NDArray[np.complex64], *, trainable_probe: bool = False, trainable_intensity_scale: bool = False
    ) -> None:
        """`probe` (N, N) in model units."""
        self.first_probe = probe
        self._energy = float(np.sum(np.abs(probe) ** 2, dtype=np.float64))
        self._probe = _variable(_parts(probe), "probe") if trainable_probe else None
        zero = np.zeros((), np.float32)
        self._log_factor = _variable(zero, "log_intensity_factor") if trainable_intensity_scale else None

    @property
    def variables(self) -> dict[str, keras.Variable]:
        """What is trained, by its name in bundles and checkpoints."""
        named = {LEARNT_PROBE: self._probe, LOG_FACTOR: self._log_factor}
        return {name: variable for name, variable in named.items() if variable is not None}

    @property
    def probe(self) -> tf.Tensor:
        """The probe (N, N) complex64 in model units."""
        if self._probe is None:
            return tf.constant(self.first_probe)
        parts = tf.convert_to_tensor(self._probe.value)
        parts = parts * tf.sqrt(self._energy / tf.reduce_sum(parts**2))
        return tf.complex(parts[..., 0], parts[..., 1])

    def scaled(self, patches: tf.Tensor) -> tf.Tensor:
        """The generator's patches times the intensity factor."""
        if self._log_factor is None:
            return patches
        return patches * tf.cast(as_complex(tf.exp(self._log_factor.value)), patches.dtype)

    def weights(self) -> dict[str, NDArray[Any]]:
        """What a bundle needs to use a learnt probe again, real and imaginary parts (N, N, 2) by name."""
        if self._probe is None:
            return {}
        return {LEARNT_PROBE: _parts(self.probe.numpy()), FIRST_PROBE: _parts(self.first_probe)}


def _variable(value: NDArray[np.float32], name: str) -> keras.Variable:
    return keras.Variable(value, dtype="float32", trainable=True, autocast=False, name=name)


def _parts(values: NDArray[np.complex64]) -> NDArray[np.float32]:
    return np.stack([values.real, values.imag], axis=-1)
