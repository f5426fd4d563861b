"""Where a training or a prediction computes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from ptycho_contrib_tf.library import tf
from ptycho_host.errors import InputError

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Devices:
    """TensorFlow's names of the devices that work together, such as `GPU:0`."""

    names: tuple[str, ...]

    @classmethod
    def choose(cls, wanted: Device, count: int = 1) -> Devices:
        """The first `count` devices of the wanted kind; raises InputError when there are not so many."""
        kind = "GPU" if wanted == "cuda" or (wanted == "auto" and tf.config.list_physical_devices("GPU")) else "CPU"
        if kind == "GPU" and not tf.config.list_physical_devices("GPU"):
            raise InputError("engine.device is 'cuda', but TensorFlow finds no CUDA device; use 'auto' or 'cpu'.")
        present = len(tf.config.list_logical_devices(kind))
        if count > present:
            raise InputError(
                f"engine.devices is {count}, but TensorFlow finds {present} {kind}(s); use at most so many."
            )
        return cls(tuple(f"{kind}:{number}" for number in range(count)))

    @property
    def on_gpu(self) -> bool:
        """Whether they are GPUs."""
        return self.names[0].startswith("GPU")

    def strategy(self) -> tf.distribute.Strategy:
        """How a step is shared: one device alone, or copies of the network on all."""
        if len(self.names) == 1:
            return tf.distribute.OneDeviceStrategy(self.names[0])
        return tf.distribute.MirroredStrategy(list(self.names))

    def first(self) -> AbstractContextManager[None]:
        """Whatever is not shared is computed on the first device inside the block."""
        context: AbstractContextManager[None] = tf.device(self.names[0])
        return context
