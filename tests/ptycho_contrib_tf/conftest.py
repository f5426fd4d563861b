"""A small scan and all that the TensorFlow engine needs to train on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ptycho_contrib_tf.engine import KerasEngine, build
from ptycho_contrib_tf.library import keras, tf
from ptycho_host.components import Generator
from ptycho_host.config import TrainOptions
from ptycho_host.contracts import (
    Bundle,
    ClipReport,
    ForwardResult,
    GeneratorInputs,
    Measurement,
    PatchShape,
    TrainingComponents,
    TrainingProblem,
    WeightedLoss,
)
from ptycho_host.data.grouping import hold_out
from ptycho_host.data.scan import Scan
from ptycho_host.physics.dose import count_photons, probe_for_dose
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.physics.patches import extract_patches
from ptycho_host.records import EpochReport

PIXELS = 32


def simulate(obj: np.ndarray, step: float = 4.0, photons: float = 1e7, jitter: float = 0.0) -> Scan:
    """A scan of the object (H, H) on a raster under a disc of 18 pixels with a curved phase."""
    rng = np.random.default_rng(1)
    line = np.arange(PIXELS / 2, len(obj) - PIXELS / 2 + 0.5, step)
    positions = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    positions = np.clip(positions + rng.uniform(-jitter, jitter, positions.shape), line[0], line[-1])
    y, x = np.mgrid[:PIXELS, :PIXELS] - PIXELS / 2 + 0.5
    radius = np.hypot(y, x)
    probe = (radius <= 9) * np.exp(0.03j * radius**2)
    patches = extract_patches(obj, positions, PIXELS)
    transmitted = np.sum(np.abs(patches * probe) ** 2) / (len(patches) * np.sum(np.abs(probe) ** 2))
    probe = probe_for_dose(probe, float(transmitted), photons)
    amplitudes = count_photons(diffraction_amplitude(patches, probe), rng)
    return Scan(amplitudes, positions, probe, truth=obj.astype(np.complex64), name="small")


def structured_object(side: int = 56) -> np.ndarray:
    image = gaussian_filter(np.random.default_rng(0).normal(size=(side, side)), 2) * 4
    return (0.7 + 0.2 * np.tanh(image)) * np.exp(1j * image)


@pytest.fixture(scope="session")
def scan() -> Scan:
    """49 patterns of 32 x 32 pixels."""
    return simulate(structured_object())


@pytest.fixture(scope="session")
def simulated() -> Callable[..., Scan]:
    """`simulate`, for other objects."""
    return simulate


class Network(keras.Model):
    """A small residual network on the back-projection."""

    def __init__(self, width: int = 8, channels: int = 1, dropout: float = 0.01) -> None:
        super().__init__()
        self.hidden = keras.layers.Conv2D(width, 5, padding="same", activation="gelu")
        self.dropout = keras.layers.Dropout(dropout)
        self.last = keras.layers.Conv2D(
            2 * channels, 5, padding="same", kernel_initializer="zeros", name="last", dtype="float32"
        )

    def call(self, inputs: GeneratorInputs) -> tf.Tensor:
        seen = [tf.math.log1p(inputs.amplitude), tf.math.real(inputs.initial), tf.math.imag(inputs.initial)]
        images = tf.transpose(tf.concat(seen, axis=1), [0, 2, 3, 1])
        change = tf.transpose(self.last(self.dropout(self.hidden(images))), [0, 3, 1, 2])
        return inputs.initial + tf.complex(*tf.split(change, 2, axis=1))


class Constant(keras.Model):
    """What the reference system collapsed to: one output, whatever the pattern."""

    def __init__(self) -> None:
        super().__init__()
        self.level = self.add_weight(shape=(), initializer="ones", name="level")

    def call(self, inputs: GeneratorInputs) -> tf.Tensor:
        level = tf.convert_to_tensor(self.level)
        return tf.complex(level, 0.0) * tf.ones_like(inputs.initial)


@dataclass(frozen=True)
class Built:
    """Stands where the host puts a configured component."""

    component: ClassVar[Generator] = Generator("made", "Made by a test.", "nowhere:build", backend="tensorflow")

    make: Callable[[], keras.Model]

    def build(self, shape: PatchShape) -> keras.Model:
        return self.make()


@dataclass
class Recorder:
    """A run and its progress that remember what they were told."""

    checkpoints: Path
    resume: bool = False
    stop_after: int | None = None
    reports: list[EpochReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def progress(self) -> Recorder:
        return self

    def start(self, task: str, total: int, unit: str) -> None:
        pass

    def advance(self, units: int, **status: float | int | str) -> None:
        pass

    def note(self, message: str) -> None:
        self.notes.append(message)

    def finish(self) -> None:
        pass

    def epoch_finished(self, report: EpochReport, bundle: Any) -> None:
        self.reports.append(report)
        if report.epoch == self.stop_after:
            raise KeyboardInterrupt


def mean_absolute(prediction: ForwardResult, target: Measurement) -> tf.Tensor:
    return tf.reduce_mean(tf.abs(prediction.amplitude - target.amplitude))


def clip(parameters: Any) -> ClipReport:
    found = [parameter for parameter in parameters if parameter.grad is not None]
    gradients, norm = tf.clip_by_global_norm([parameter.grad for parameter in found], 1.0)
    for parameter, gradient in zip(found, gradients, strict=True):
        parameter.grad = gradient
    return ClipReport(norm, tf.cast(norm > 1, tf.float32))


@dataclass(frozen=True)
class Laboratory:
    """Trains on a scan in a folder of its own."""

    folder: Path
    scan: Scan
    engine: KerasEngine = field(default_factory=lambda: build(device="cpu", xla=False))

    def on(self, **options: Any) -> Laboratory:
        """The same with other options of the engine."""
        return Laboratory(self.folder, self.scan, build(**{"device": "cpu", "xla": False, **options}))

    def run(self, **settings: Any) -> Recorder:
        return Recorder(self.folder, **settings)

    def problem(self, scan: Scan, seed: int = 0, *, supervised: bool = False, channels: int = 1, **options: Any) -> Any:
        chosen = TrainOptions(**{"epochs": 2, "validation_fraction": 0.1, "learning_rate": 3e-3, **options})
        training, held_out = hold_out(scan.positions, chosen.validation_fraction, np.random.default_rng(0))
        return TrainingProblem(
            scan, training, held_out, IntensityScale.of(scan), chosen, seed, supervised=supervised, channels=channels
        )

    def components(self, make: Callable[[], keras.Model] = Network, loss: Any = mean_absolute) -> TrainingComponents:
        return TrainingComponents(Built(make), (WeightedLoss("mae", 1.0, loss),), clip)

    def train(
        self,
        run: Recorder | None = None,
        *,
        scan: Scan | None = None,
        make: Callable[[], keras.Model] = Network,
        loss: Any = mean_absolute,
        **options: Any,
    ) -> Bundle:
        problem = self.problem(scan or self.scan, **options)
        return self.engine.train(problem, self.components(make, loss), run or self.run())

    def patches(self, bundle: Bundle, scan: Scan | None = None) -> np.ndarray:
        return np.concatenate([batch.patches for batch in self.engine.predict(bundle, scan or self.scan)])

    def constant(self) -> keras.Model:
        return Constant()

    def network(self, **options: Any) -> keras.Model:
        return Network(**options)


@pytest.fixture
def laboratory(tmp_path: Path, scan: Scan) -> Laboratory:
    return Laboratory(tmp_path, scan)
