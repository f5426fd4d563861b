"""A small scan and all that an engine needs to train on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

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
from ptycho_torch.engine import FabricEngine, build

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


class Network(nn.Module):
    """A small residual network on the back-projection."""

    def __init__(self, width: int, dropout: float = 0.01) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 5, padding=2), nn.GELU(), nn.Dropout(dropout), nn.Conv2d(width, 2, 5, padding=2)
        )
        nn.init.zeros_(self.body[-1].weight)
        nn.init.zeros_(self.body[-1].bias)

    def forward(self, inputs: GeneratorInputs) -> torch.Tensor:
        images = torch.cat([inputs.amplitude.log1p(), inputs.initial.real, inputs.initial.imag], dim=1)
        change = self.body(images).float()
        return inputs.initial + torch.complex(change[:, :1], change[:, 1:])


class Constant(nn.Module):
    """What the reference system collapsed to: one output, whatever the pattern."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.ones(()))

    def forward(self, inputs: GeneratorInputs) -> torch.Tensor:
        return torch.complex(self.level, torch.zeros(())).expand_as(inputs.initial)


@dataclass(frozen=True)
class Built:
    """Stands where the host puts a configured component."""

    component: ClassVar[Generator] = Generator("made", "Made by a test.", "nowhere:build", backend="torch")

    make: Callable[[], nn.Module]

    def build(self, shape: PatchShape) -> nn.Module:
        assert shape.pixels == PIXELS
        return self.make()


@dataclass
class Recorder:
    """A run and its progress that remember what they were told."""

    checkpoints: Path
    resume: bool = False
    stop_after: int | None = None
    reports: list[EpochReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    total: int = 0
    unit: str = ""
    done: int = 0

    @property
    def progress(self) -> Recorder:
        return self

    def start(self, task: str, total: int, unit: str) -> None:
        assert task == "training"
        self.total, self.unit = total, unit

    def advance(self, units: int, **status: float | int | str) -> None:
        self.done += units

    def note(self, message: str) -> None:
        self.notes.append(message)

    def finish(self) -> None:
        pass

    def epoch_finished(self, report: EpochReport, bundle: Any) -> None:
        self.reports.append(report)
        if report.epoch == self.stop_after:
            raise KeyboardInterrupt


def mean_absolute(prediction: ForwardResult, target: Measurement) -> torch.Tensor:
    return (prediction.amplitude - target.amplitude).abs().mean()


def clip(parameters: Any) -> ClipReport:
    norm = float(nn.utils.clip_grad_norm_(list(parameters), 1.0))
    return ClipReport(norm, float(norm > 1))


@dataclass(frozen=True)
class Laboratory:
    """Trains on a scan in a folder of its own."""

    folder: Path
    scan: Scan
    engine: FabricEngine = field(default_factory=lambda: build(device="cpu", threads=1))

    def run(self, **settings: Any) -> Recorder:
        return Recorder(self.folder, **settings)

    def train(
        self,
        run: Recorder | None = None,
        *,
        scan: Scan | None = None,
        make: Callable[[], nn.Module] = lambda: Network(8),
        loss: Any = mean_absolute,
        seed: int = 0,
        supervised: bool = False,
        channels: int = 1,
        **options: Any,
    ) -> Bundle:
        scan = scan or self.scan
        chosen = TrainOptions(**{"epochs": 2, "validation_fraction": 0.1, "learning_rate": 3e-3, **options})
        training, held_out = hold_out(scan.positions, chosen.validation_fraction, np.random.default_rng(0))
        problem = TrainingProblem(scan, training, held_out, IntensityScale.of(scan), chosen, seed, supervised, channels)
        components = TrainingComponents(Built(make), (WeightedLoss("mae", 1.0, loss),), clip)
        return self.engine.train(problem, components, run or self.run())

    def constant(self) -> nn.Module:
        return Constant()

    def without_dropout(self) -> nn.Module:
        return Network(8, dropout=0.0)


@pytest.fixture
def laboratory(tmp_path: Path, scan: Scan) -> Laboratory:
    return Laboratory(tmp_path, scan)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tests share their machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
