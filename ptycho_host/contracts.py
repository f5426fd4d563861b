"""What each kind of factory must return, and the records that flow between components.

`Tensor` stands for an array of the engine's library (torch.Tensor, tf.Tensor); the host never looks inside.
B is the batch, C the patterns of a group (1 unless the engine feeds grids of g x g), N the detector pixels.

Units. Generators work in *model units*: the data set's amplitudes have root mean square 1 over all pixels, and
a uniform object of modulus 1 explains the mean pattern. `ptycho_host.physics.intensity.IntensityScale` converts
to photon counts and to the physical object; it is data and is stored in the bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ptycho_host.config import TrainOptions
    from ptycho_host.configured import ConfiguredComponent
    from ptycho_host.data.scan import Scan
    from ptycho_host.physics.intensity import IntensityScale
    from ptycho_host.processes import Processes, Total
    from ptycho_host.records import EpochReport

Tensor: TypeAlias = Any


# --- generators ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PatchShape:
    """What a generator is built for: N detector pixels a side and C patterns of a group.

    A generator factory may take it as its only positional parameter: `build(shape, *, width=32)`.
    """

    pixels: int
    channels: int = 1


@dataclass(frozen=True, slots=True)
class GeneratorInputs:
    """What a generator sees, in model units.

    amplitude: (B, C, N, N) real, measured amplitudes, root mean square 1 over the data set.
    initial: (B, C, N, N) complex, the back-projected estimate of the object patches
        (`ptycho_host.physics.backprojection`).
    probe: (N, N) complex, for generators that reckon with the measurement themselves. Engines always give it.
    bad_pixels: (N, N) bool, True where the amplitudes tell nothing; None if all pixels are good.
    """

    amplitude: Tensor
    initial: Tensor
    probe: Tensor = None
    bad_pixels: Tensor = None


class RegionInputs(Protocol):
    """What a generator of scope "scan" sees: G regions of K neighbouring patterns, a canvas each, in model units."""

    @property
    def amplitude(self) -> Tensor:
        """(G, K, N, N) real, measured amplitudes."""
        ...

    @property
    def initial(self) -> Tensor:
        """(G, H, W) complex, the back-projections of all patterns merged; 1 where no light falls."""
        ...

    @property
    def light(self) -> Tensor:
        """(G, H, W) real, sum of |P|^2 over the patterns, in units of the probe's largest intensity."""
        ...

    def update(self, canvas: Tensor) -> Tensor:
        """What all patterns together ask to be added to an object (G, H, W) complex: one parallel projection.

        Sum P* (psi' - psi) over the light, with psi' the exit wave that has the measured moduli; differentiable.
        """
        ...


ObjectNetwork: TypeAlias = Callable[[GeneratorInputs], Tensor] | Callable[[RegionInputs], Tensor]
"""What a generator factory returns: a torch.nn.Module or keras.Model.

Its call gives complex patches (B, C, N, N) or, of scope "scan", complex canvases (G, H, W): of any size, for any N.
"""


# --- losses ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ForwardResult:
    """What the physics predicts from the generator's patches.

    amplitude: (B, C, N, N) real, far-field amplitude in model units.
    intensity_scale: square root of photon counts per model unit of amplitude.
    object_patches: (B, C, N, N) complex, in model units.
    probe: (N, N) complex, in model units.
    """

    amplitude: Tensor
    intensity_scale: float
    object_patches: Tensor
    probe: Tensor

    @property
    def counts(self) -> Tensor:
        """(B, C, N, N) real, expected photon counts a pixel."""
        return (self.amplitude * self.intensity_scale) ** 2


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured, on the same scale as `ForwardResult`.

    amplitude: (B, C, N, N) real, model units.
    intensity_scale: square root of photon counts per model unit of amplitude.
    object_patches: (B, C, N, N) complex, true patches in model units; None unless the scan's truth is known.
    """

    amplitude: Tensor
    intensity_scale: float
    object_patches: Tensor | None = None

    @property
    def counts(self) -> Tensor:
        """(B, C, N, N) real, measured photon counts a pixel."""
        return (self.amplitude * self.intensity_scale) ** 2


LossFunction: TypeAlias = Callable[[ForwardResult, Measurement], Tensor]
"""What a loss factory returns: a differentiable scalar from prediction and measurement."""


# --- clippers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClipReport:
    """`norm`: L2 norm of all gradients before clipping; `clipped`: fraction of the units that were scaled.

    Plain numbers, or scalars of the tensor library where the clipper is traced into a compiled step.
    """

    norm: float
    clipped: float


class TrainedParameter(Protocol):
    """A parameter between the backward pass and the step, as clippers see it; a torch.nn.Parameter is one.

    data: the weights. grad: their gradient, or None for a parameter that the loss does not depend on.
    """

    data: Tensor
    grad: Tensor


ClipFunction: TypeAlias = Callable[[Iterable[Any]], ClipReport]
"""What a clipper factory returns: bounds the gradients of the `TrainedParameter`s.

It changes `grad` in place or replaces it, as the tensor library allows, and leaves `data` alone.
"""


# --- simulators ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SimulationRequest:
    """What the caller imposes on a simulator; None leaves it to the simulator's own options.

    probe: (N, N) complex64, sum |P|^2 = photon counts a pattern. positions: (M, 2) float64 (y, x), object pixels.
    """

    probe: NDArray[np.complex64] | None = None
    positions: NDArray[np.float64] | None = None


class SimulateFunction(Protocol):
    """What a simulator factory returns."""

    def __call__(self, request: SimulationRequest, rng: np.random.Generator, /) -> Scan:
        """A scan with its truth; every random draw comes from `rng`."""
        ...


# --- stitchers and refiners ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where an object is assembled.

    shape: (H, W) in object pixels. positions: (M, 2) float64 (y, x) of all patches that will come, in the order in
    which they will come.
    """

    shape: tuple[int, int]
    positions: NDArray[np.float64]


@dataclass(frozen=True)
class PatchBatch:
    """Consecutive patches: `patches` (B, N, N) complex64 and their `positions` (B, 2) float64 (y, x)."""

    patches: NDArray[np.complex64]
    positions: NDArray[np.float64]


class DeviceBatch(PatchBatch):
    """Patches that stay where the engine made them until somebody asks for the array.

    tensor: (B, N, N) complex64 of the engine's library on the engine's device. Who understands it can go on there and
    spare the copy that `patches` takes. fetch: copies such a tensor into memory.
    """

    tensor: Tensor
    fetch: Callable[[Tensor], NDArray[np.complex64]]

    def __init__(
        self, tensor: Tensor, positions: NDArray[np.float64], fetch: Callable[[Tensor], NDArray[np.complex64]]
    ) -> None:
        """Both as in `PatchBatch`."""
        for name, value in (("tensor", tensor), ("positions", positions), ("fetch", fetch)):
            object.__setattr__(self, name, value)

    @property
    def patches(self) -> NDArray[np.complex64]:
        """(B, N, N) complex64, copied whenever it is asked for."""
        patches: NDArray[np.complex64] = self.fetch(self.tensor)
        return patches


@dataclass(frozen=True, slots=True)
class RefinementEpoch:
    """One pass of a refiner over all patterns, counted from 1.

    residual: sum (a - A)^2 / sum A^2 over all good pixels, each pattern as it was met on the way. seconds: how long
    the pass took.
    """

    epoch: int
    residual: float
    seconds: float


@dataclass(frozen=True, slots=True)
class PatchSpread:
    """How far the overlapping patches lie from their mean, pixel by pixel, in the units of the object.

    along, across: (H, W) float32, standard deviation of one patch along the mean's phasor, where it changes the
        amplitude, and across it, where it changes the phase; NaN where too few patches tell.
    patches: (H, W) float32, how many of them count: the variance of the mean is that of one patch over this number, if
        the patches err independently; zero where there are none.
    """

    along: NDArray[np.float32]
    across: NDArray[np.float32]
    patches: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Standard uncertainty of an object, pixel by pixel; NaN where nothing is known of it.

    amplitude: (H, W) float32, in the units of the object. phase: (H, W) float32, radians.
    """

    amplitude: NDArray[np.float32]
    phase: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """An assembled object.

    object: (H, W) complex64, zero where no patch contributed.
    coverage: (H, W) float32, summed weight of the patches on each pixel, largest value 1.
    notes: what the component wants said about it (number of disconnected parts, …).
    probe: (N, N) complex64, what belongs to the object where it was refined too; None: the scan's.
    refinement: how it went, where a refiner tells.
    further_modes: (K, N, N) complex64, modes of the probe besides `probe` whose intensities add to its, strongest
        first; None: the light is coherent.
    positions: (M, 2) float64 (y, x), where the patterns lie if that was refined too; None: where the scan says.
    spread: what a stitcher saw of the patches' differences; None where nobody saw several.
    uncertainty: what the host makes of the spread (`ptycho_host.metrics.uncertainty`); None where it knows nothing.
    """

    object: NDArray[np.complex64]
    coverage: NDArray[np.float32]
    notes: tuple[str, ...] = ()
    probe: NDArray[np.complex64] | None = None
    refinement: tuple[RefinementEpoch, ...] = ()
    further_modes: NDArray[np.complex64] | None = None
    positions: NDArray[np.float64] | None = None
    spread: PatchSpread | None = None
    uncertainty: Uncertainty | None = None

    @property
    def amplitude(self) -> NDArray[np.float32]:
        """(H, W) float32, modulus of the object."""
        amplitude: NDArray[np.float32] = abs(self.object)
        return amplitude

    @property
    def phase(self) -> NDArray[np.float32]:
        """(H, W) float32, phase of the object in radians, -pi to pi."""
        import numpy as np

        phase: NDArray[np.float32] = np.angle(self.object)
        return phase


@runtime_checkable
class PatchStitcher(Protocol):
    """What a stitcher factory returns: an accumulator fed with consecutive batches of patches.

    Memory stays bounded: a stitcher that needs to see the patches again says so and is fed once more.
    """

    def begin(self, canvas: Canvas, probe: NDArray[np.complex64]) -> None:
        """Empty the canvas; `probe` (N, N) weighs the patches."""
        ...

    def add(self, batch: PatchBatch) -> None:
        """Take the next patches, in the order of `canvas.positions`."""
        ...

    def another_pass(self) -> bool:
        """Asked after all patches came: True if they must all come again before `finish`."""
        ...

    def finish(self) -> Reconstruction:
        """The assembled object."""
        ...


@runtime_checkable
class SharedStitcher(PatchStitcher, Protocol):
    """A stitcher whose patches may come to several processes, a stretch of them to each: one that has this as well.

    `begin` gets the whole canvas in all of them, and `finish` gives the whole object. What they must know of each
    other is a sum over all processes.
    """

    def share(self, stretch: slice, total: Total) -> slice:
        """Called after `begin`: the patches of `stretch`, and of no other process, are this one's to add up.

        Returns which patches shall come, `stretch` or more. Each process calls `total` as often, in `another_pass`
        and `finish`.
        """
        ...


class RefineFunction(Protocol):
    """What a refiner factory returns."""

    def __call__(self, scan: Scan, start: Reconstruction, progress: Progress, /) -> Reconstruction:
        """The object after some iterations from `start`, on the physical scale (probe and counts of the scan).

        A probe that was refined too comes with it, with the energy of the scan's. `ptycho train --refine-epochs N`
        sets the option `epochs` of the factory.
        """
        ...


# --- engines ---------------------------------------------------------------------------------------------------


class Progress(Protocol):
    """Where long work reports how far it has come."""

    def start(self, task: str, total: int, unit: str) -> None:
        """A stretch of work of `total` units begins (a new one ends the one before)."""
        ...

    def advance(self, units: int, **status: float | int | str) -> None:
        """`units` more are done; `status` are figures worth showing beside the bar."""
        ...

    def note(self, message: str) -> None:
        """One line that the user must see (a warning, a milestone)."""
        ...

    def finish(self) -> None:
        """The stretch of work is over."""
        ...


@dataclass(frozen=True, slots=True)
class TrainingProblem:
    """Everything an engine needs to know about the data and the schedule.

    scan: all patterns. training, held_out: (K,) int indices into it, disjoint.
    scale: converts amplitudes, probe and object to model units.
    supervised: whether true patches must be cut and handed to the losses.
    channels: C, patterns of a group that the generator sees at once; 1 unless `data.gridsize` asks for more.
    scope: the generator's; of "scan", groups are regions that it makes one object of.
    """

    scan: Scan
    training: NDArray[np.int64]
    held_out: NDArray[np.int64]
    scale: IntensityScale
    options: TrainOptions
    seed: int
    supervised: bool = False
    channels: int = 1
    scope: Literal["pattern", "scan"] = "pattern"

    @property
    def shape(self) -> PatchShape:
        """What the generator is built for."""
        return PatchShape(self.scan.pixels, self.channels)


@dataclass(frozen=True, slots=True)
class WeightedLoss:
    """One term of the training loss: its name, its weight in the sum, and the function."""

    name: str
    weight: float
    loss: LossFunction


@dataclass(frozen=True, slots=True)
class TrainingComponents:
    """The chosen components: the generator still to be built, the loss terms, the clipper."""

    generator: ConfiguredComponent
    losses: tuple[WeightedLoss, ...]
    clip: ClipFunction


class RunContext(Protocol):
    """What an engine may ask of the run it works for."""

    @property
    def checkpoints(self) -> Path:
        """Folder for checkpoints, written with `ptycho_host.runs.checkpoint`."""
        ...

    @property
    def resume(self) -> bool:
        """Whether to go on from the last checkpoint."""
        ...

    @property
    def progress(self) -> Progress:
        """Where to report."""
        ...

    def epoch_finished(self, report: EpochReport, bundle: Callable[[], Bundle] | None = None) -> None:
        """Write one line of the history and tell the observers.

        bundle: the generator as it is now; called when an observer wants to see what it makes of the scan.
        """
        ...


LEARNT_PROBE, FIRST_PROBE = "engine.probe", "engine.first_probe"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A trained generator with all that is needed to use it again.

    generator: the component and its options, to build it anew. weights: its state, arrays by name.
    shape: what it was built for. scale: model units of the training data. facts: fingerprint, seed, collapse, ….
    Where the engine learnt the probe too, the weights hold it and the one that it started from, both in model units as
    real and imaginary part (N, N, 2), under the names `LEARNT_PROBE` and `FIRST_PROBE`.
    """

    generator: ConfiguredComponent
    weights: Mapping[str, NDArray[Any]]
    shape: PatchShape
    scale: IntensityScale
    facts: Mapping[str, Any]

    @property
    def network_weights(self) -> dict[str, NDArray[Any]]:
        """The weights without the two probes: what an engine puts into its network again."""
        return {name: array for name, array in self.weights.items() if name not in (LEARNT_PROBE, FIRST_PROBE)}

    def probe_for(self, probe: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """What training made of a scan's probe (N, N), on its scale; any that training did not start from stays."""
        import numpy as np

        first, learnt = (self.weights.get(name) for name in (FIRST_PROBE, LEARNT_PROBE))
        if first is None or learnt is None or first.shape[:2] != probe.shape:
            return probe
        given = self.scale.for_probe(probe).model_probe(probe)
        if not np.allclose(first[..., 0] + 1j * first[..., 1], given, rtol=1e-4, atol=1e-4 * np.abs(given).max()):
            return probe
        parts = learnt.astype(np.float64)
        better = parts[..., 0] + 1j * parts[..., 1]
        changed: NDArray[np.complex64] = (better * np.linalg.norm(probe) / np.linalg.norm(better)).astype(np.complex64)
        return changed


class Workbench(Protocol):
    """Components of one tensor library, one at a time, with NumPy arrays in and out.

    The conformance suites (`ptycho_host.testing`) try components on it; so may a notebook. Arrays keep their
    precision: float64 in, float64 reckoned. Where the library can share memory with NumPy, arguments are shared, not
    copied, so that a component which changes what it was given is found out. What a component raises comes through.
    """

    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """Random numbers of the library from `seed` inside the block; the caller's go on afterwards as before."""
        ...

    def patches(self, generator: Any, inputs: GeneratorInputs) -> NDArray[Any]:
        """What a built generator makes of `inputs`, both as arrays (B, C, N, N), outside of training."""
        ...

    def weights(self, generator: Any) -> Mapping[str, NDArray[Any]]:
        """Copies of the generator's trainable parameters by name; it has been called once, so all of them exist."""
        ...

    def descend(
        self, generator: Any, inputs: GeneratorInputs, probe: NDArray[Any], rate: float
    ) -> tuple[float, Mapping[str, NDArray[Any] | None]]:
        """One step of plain gradient descent, as in training, on the mean squared difference of amplitudes.

        Those are the far field of the patches under the probe (N, N), and `inputs.amplitude`. Returns the difference
        before the step and the gradients by name; None where it does not depend on a parameter.
        """
        ...

    def loss(
        self, loss: LossFunction, prediction: ForwardResult, target: Measurement
    ) -> tuple[float, NDArray[Any], NDArray[Any]]:
        """Value, and gradients in the predicted amplitude and the predicted object patches (zero if unused).

        Complex gradients point uphill: dL/dRe + i dL/dIm. Raises TypeError for a value that is not one real number.
        """
        ...

    def clip(
        self, clip: ClipFunction, weights: Sequence[NDArray[Any]], gradients: Sequence[NDArray[Any] | None]
    ) -> tuple[list[NDArray[Any] | None], ClipReport]:
        """Copies of the gradients as the clipper leaves them, and its report in plain numbers.

        The clipper gets an iterator, as in training: it can go through the parameters once. Raises
        NotImplementedError for complex weights where the library has none.
        """
        ...


@runtime_checkable
class TrainingEngine(Protocol):
    """What an engine factory returns."""

    def workbench(self) -> Workbench:
        """Single components of the engine's tensor library, tried out on its device."""
        ...

    def train(self, problem: TrainingProblem, components: TrainingComponents, run: RunContext) -> Bundle:
        """Train the generator; raises RunFailedError when the loss stops being a number."""
        ...

    def predict(self, bundle: Bundle, scan: Scan) -> Iterator[PatchBatch]:
        """Object patches in model units of all patterns of `scan`, in order, batch after batch.

        Under the scan's probe as it is: the caller has replaced it by what training made of it (`Bundle.probe_for`).
        """
        ...


@runtime_checkable
class SharedEngine(TrainingEngine, Protocol):
    """An engine whose work several processes can share: one that has these methods as well.

    All processes then call `train` with the same problem and get the same bundle; the first one writes checkpoints.
    """

    def processes(self) -> Processes:
        """The processes that share the work. Those of a launcher are joined, others started: all run this program.

        Called before anything is read or written. Raises InputError when there are not the devices asked for.
        """
        ...

    def predict(self, bundle: Bundle, scan: Scan, share: slice = ...) -> Iterator[PatchBatch]:
        """As `TrainingEngine.predict`, of the patterns of `share` only; it knows of no other process."""
        ...


# --- files -----------------------------------------------------------------------------------------------------


@runtime_checkable
class ScanReader(Protocol):
    """What a reader factory returns."""

    def recognises(self, path: Path) -> bool:
        """Whether the content of the file is of this format (cheap; never raises for a strange file)."""
        ...

    def read(self, path: Path) -> Scan:
        """The validated scan; raises DataError that names file, key and remedy."""
        ...


@runtime_checkable
class ScanWriter(Protocol):
    """What a writer factory returns."""

    def write(self, scan: Scan, path: Path) -> None:
        """Write the scan atomically."""
        ...


class DatasetFunction(Protocol):
    """What a dataset factory returns."""

    def __call__(self) -> Scan:
        """The scan."""
        ...


class NetworkFunction(Protocol):
    """What a network factory returns."""

    def __call__(self) -> Path:
        """The run directory that training wrote; nothing is ever written into it."""
        ...


# --- what is checked ---------------------------------------------------------------------------------------------

WITH_METHODS: Mapping[str, type] = {
    "engine": TrainingEngine,
    "reader": ScanReader,
    "stitcher": PatchStitcher,
    "writer": ScanWriter,
}
"""Kinds whose factories return an object with methods; those of all others return something to call."""
