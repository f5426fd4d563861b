"""Conformance of losses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_host.components import Loss
from ptycho_host.configured import ConfiguredComponent
from ptycho_host.contracts import ForwardResult, LossFunction, Measurement, Workbench
from ptycho_host.errors import InputError
from ptycho_host.physics.far_field import diffraction_amplitude
from ptycho_host.plugins import Host
from ptycho_host.testing.scans import disc_probe
from ptycho_host.testing.suite import OptionConformance
from ptycho_host.testing.trial import workbench_for

Array = NDArray[Any]

DOSES = (0.03, 1.0, 1e3)
"""Square roots of photon counts a pixel: from a photon in a thousand pixels to a million in each."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a loss is asked about; `true` patches (B, C, N, N) are handed to supervised losses only."""

    prediction: ForwardResult
    measured: Array
    true: Array | None

    @property
    def target(self) -> Measurement:
        """The measurement, on the scale of the prediction."""
        return Measurement(self.measured, self.prediction.intensity_scale, self.true)

    def moved(self, amplitude: Array | float = 0.0, patches: Array | float = 0.0) -> Case:
        """Another prediction."""
        return replace(
            self,
            prediction=replace(
                self.prediction,
                amplitude=self.prediction.amplitude + amplitude,
                object_patches=self.prediction.object_patches + patches,
            ),
        )


class LossConformance(OptionConformance):
    """A loss keeps its contract: one finite number, true gradients, smallest where prediction and measurement agree.

    gradient: "exact" is held against finite differences; a loss that holds something constant on purpose says
    "downhill", and its gradient must still lead down.
    """

    kind = "loss"
    contract = "ptycho_host.contracts, losses"
    gradient: ClassVar[Literal["exact", "downhill"]] = "exact"

    @pytest.fixture
    def bench(self, host: Host, component: ConfiguredComponent) -> Workbench:
        """A workbench of the loss's back-end."""
        return workbench_for(host, component)

    def test_value_is_one_finite_number(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """A scalar for any batch, group and dose, in single precision; so are the gradients finite."""
        for batch, channels in ((1, 1), (3, 1), (2, 4)):
            for scale in DOSES:
                case = self._case(component, batch, channels, scale, np.float32)
                self._finite(component, bench, case, f"at {scale**2:g} photons a pixel")

    def test_dark_and_agreeing_pixels_have_finite_gradients(
        self, component: ConfiguredComponent, bench: Workbench
    ) -> None:
        """Nothing is divided by a predicted or measured amplitude of zero, and |0| has a gradient too."""
        case = self._case(component, dtype=np.float32)
        dark = case.moved(-case.prediction.amplitude, -case.prediction.object_patches)
        unlit = replace(case, measured=np.zeros_like(case.measured))
        settings = [(dark, "predicted to be dark"), (unlit, "measured to be dark")]
        settings.append((replace(dark, measured=unlit.measured), "dark in prediction and measurement"))
        settings.append((self._agreeing(case), "predicted exactly"))
        for chosen, what in settings:
            self._finite(component, bench, chosen, f"where all pixels are {what}")

    def test_gradient_is_that_of_the_value(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """Against central differences in double precision, in three directions each of amplitude and patches."""
        case = self._case(component)
        value, in_amplitude, in_patches = self._value(component, bench, case)
        self.require(
            in_amplitude.any() or in_patches.any(), component, "has no gradient; it must depend on the prediction"
        )
        if self.gradient == "downhill":
            steepness = float(np.sum(in_amplitude**2) + np.sum(np.abs(in_patches) ** 2))
            step = 1e-4 * max(abs(value), 1e-3) / steepness
            below, _, _ = self._value(component, bench, case.moved(-step * in_amplitude, -step * in_patches))
            self.require(below < value, component, "grows along its negative gradient")
            return
        rng = np.random.default_rng(2)
        step = 1e-6
        for _ in range(3):
            for kind, slope in (("amplitude", in_amplitude), ("object_patches", in_patches)):
                direction = rng.normal(size=slope.shape).astype(slope.dtype)
                if np.iscomplexobj(slope):
                    direction = direction + 1j * rng.normal(size=slope.shape)
                steps = (
                    (step * direction, 0.0) if kind == "amplitude" else (0.0, step * direction),
                    (-step * direction, 0.0) if kind == "amplitude" else (0.0, -step * direction),
                )
                above, below = (self._value(component, bench, case.moved(*move))[0] for move in steps)
                found, due = float(np.sum((slope * np.conj(direction)).real)), (above - below) / (2 * step)
                # The difference quotient is exact to the step squared, and to the rounding of the values over it.
                tolerance = 1e-5 * np.linalg.norm(slope) * np.linalg.norm(direction) + 1e-8 * max(abs(value), 1)
                self.require(
                    abs(found - due) < tolerance,
                    component,
                    f"has a gradient of {found:g} along a direction in prediction.{kind} in which it rises by {due:g}; "
                    "let gradients pass everywhere, and reckon in the precision of the arguments",
                )

    def test_agreement_is_best(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """A loss on amplitudes is smallest where they equal the measured ones, at every dose; supervised: at the truth.

        A loss on the patches alone, such as a prior, has no such place.
        """
        rng = np.random.default_rng(3)
        for scale in DOSES:
            case = self._case(component, scale=scale)
            _, in_amplitude, in_patches = self._value(component, bench, case)
            best = self._agreeing(case)
            least, _, _ = self._value(component, bench, best)
            for size in (0.01, 0.3, 3.0):
                # Downwards at most by half, so that amplitudes stay positive.
                change = np.clip(size * rng.normal(size=case.measured.shape), -0.5, None)
                moves: list[tuple[str, tuple[Array | float, Array | float]]] = (
                    [("amplitude", (change * best.measured, 0.0))] if in_amplitude.any() else []
                )
                if case.true is not None and in_patches.any():
                    moves.append(("object_patches", (0.0, change * best.prediction.object_patches)))
                for what, move in moves:
                    value, _, _ = self._value(component, bench, best.moved(*move))
                    self.require(
                        value > least,
                        component,
                        f"falls from {least:g} to {value:g} when prediction.{what} leaves what was measured, at "
                        f"{scale**2:g} photons a pixel; bring both to one scale with intensity_scale",
                    )

    def test_other_shapes_are_refused(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """Prediction and measurement of different shapes are an error, never broadcast."""
        case = self._case(component, batch=2)
        loss: LossFunction = component.build()
        if not self._looks_at_the_target(component, bench, case):
            return
        true = None if case.true is None else case.true[:1]
        try:
            bench.loss(loss, case.prediction, replace(case.target, amplitude=case.measured[:1], object_patches=true))
        except Exception:  # noqa: BLE001 - the tensor library's own error will do
            return
        self.require(
            False, component, "broadcasts a measurement (1, 1, N, N) to a prediction (2, 1, N, N); compare the shapes"
        )

    def test_arguments_are_left_alone(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """Other terms of a sum of losses see the same prediction and measurement."""
        case = self._case(component, dtype=np.float32)
        arrays = [case.prediction.amplitude, case.prediction.object_patches, case.prediction.probe, case.measured]
        arrays += [] if case.true is None else [case.true]
        before = [array.copy() for array in arrays]
        self._value(component, bench, case)
        unchanged = all(np.array_equal(now, then) for now, then in zip(arrays, before, strict=True))
        self.require(unchanged, component, "changes its arguments in place; work on a copy")

    def test_value_repeats_in_any_order(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """The same prediction has the same loss, whatever the order of the batch."""
        case = self._case(component, batch=4)
        order = [2, 0, 3, 1]
        shuffled = Case(
            replace(
                case.prediction,
                amplitude=case.prediction.amplitude[order],
                object_patches=case.prediction.object_patches[order],
            ),
            case.measured[order],
            None if case.true is None else case.true[order],
        )
        with bench.seeded(0):
            first = self._value(component, bench, case)[0]
        with bench.seeded(1):
            again = self._value(component, bench, case)[0]
        other = self._value(component, bench, shuffled)[0]
        self.require(
            first == again and abs(other - first) <= 1e-12 * max(abs(first), 1),
            component,
            f"is {first:g} and then {again:g} of the same prediction, and {other:g} in another order of the batch",
        )

    def test_supervised_is_declared(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """Only a loss whose descriptor says `supervised=True` needs true patches; without them it says so."""
        case = self._case(component)
        if case.true is None:
            self._value(component, bench, case)
            return
        try:
            bench.loss(component.build(), case.prediction, replace(case.target, object_patches=None))
        except InputError:
            return
        except Exception as error:  # noqa: BLE001 - any other failure is what is reported here
            sentence = f"raises {type(error).__name__}"
        else:
            sentence = "says nothing"
        self.require(
            False,
            component,
            f"is supervised, but {sentence} when target.object_patches is None; raise an InputError that says so",
        )

    def try_out(self, host: Host, component: ConfiguredComponent) -> None:
        """Take one value and its gradients."""
        self._finite(component, workbench_for(host, component), self._case(component), "in one of its settings")

    # --- how -----------------------------------------------------------------------------------------------------

    def _case(
        self,
        component: ConfiguredComponent,
        batch: int = 2,
        channels: int = 1,
        scale: float = 10.0,
        dtype: type[np.floating[Any]] = np.float64,
    ) -> Case:
        """Random patches, their pattern, and a measurement of others nearby; everything in model units."""
        rng = np.random.default_rng(1)
        pixels = 12
        shape = (batch, channels, pixels, pixels)
        probe = disc_probe(pixels).astype(np.complex128)
        probe *= pixels / np.linalg.norm(probe)
        patches, true = (rng.uniform(0.5, 1, shape) * np.exp(1j * rng.uniform(-1, 1, shape)) for _ in range(2))
        complex_dtype = np.result_type(dtype, np.complex64)
        prediction = ForwardResult(
            diffraction_amplitude(patches, probe).astype(dtype),
            scale,
            patches.astype(complex_dtype),
            probe.astype(complex_dtype),
        )
        supervised = isinstance(component.component, Loss) and component.component.supervised
        measured = diffraction_amplitude(true, probe).astype(dtype)
        return Case(prediction, measured, true.astype(complex_dtype) if supervised else None)

    def _agreeing(self, case: Case) -> Case:
        patches = case.prediction.object_patches if case.true is None else case.true.copy()
        return replace(
            case, prediction=replace(case.prediction, amplitude=case.measured.copy(), object_patches=patches)
        )

    def _value(self, component: ConfiguredComponent, bench: Workbench, case: Case) -> tuple[float, Array, Array]:
        with self.attempt(component, f"on predictions {case.measured.shape}"):
            return bench.loss(component.build(), case.prediction, case.target)

    def _finite(self, component: ConfiguredComponent, bench: Workbench, case: Case, where: str) -> None:
        value, in_amplitude, in_patches = self._value(component, bench, case)
        self.require(np.isfinite(value), component, f"is {value} {where}")
        self.require(
            np.isfinite(in_amplitude).all() and np.isfinite(in_patches).all(),
            component,
            f"has a gradient that is not finite {where}; guard divisions, logarithms and roots",
        )

    def _looks_at_the_target(self, component: ConfiguredComponent, bench: Workbench, case: Case) -> bool:
        other = replace(case, measured=case.measured + 1, true=None if case.true is None else 1j * case.true + 1)
        return self._value(component, bench, case)[0] != self._value(component, bench, other)[0]
