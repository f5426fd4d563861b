"""Conformance of clippers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_host.configured import ConfiguredComponent
from ptycho_host.contracts import ClipReport, Workbench
from ptycho_host.plugins import Host
from ptycho_host.testing.suite import OptionConformance
from ptycho_host.testing.trial import workbench_for

Array = NDArray[Any]
Gradients = Sequence[Array | None]

SHAPES = ((8, 3, 3, 3), (8,), (5, 8), (), (1, 6))
"""Weights of a convolution, a bias, a linear layer, a scale, a row."""
SIZES = (1e-4, 1.0, 1e5)
"""Gradients far below, about and far above what any clipper is set to."""
ROUNDING = 1e-5
"""Relative error of sums and products in single precision."""


class ClipperConformance(OptionConformance):
    """A clipper keeps its contract: gradients shrink and keep their direction, and its report is true."""

    kind = "clipper"
    contract = "ptycho_host.contracts, clippers"

    @pytest.fixture
    def bench(self, host: Host, component: ConfiguredComponent) -> Workbench:
        """A workbench of the clipper's back-end."""
        return workbench_for(host, component)

    def test_norm_is_that_of_all_gradients_before(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """The report's norm is the L2 norm of all gradients together, before anything was clipped."""
        for size in SIZES:
            gradients = _gradients(size)
            _, report = self._clip(component, bench, _weights(), gradients)
            due = _norm(gradients)
            self.require(
                abs(report.norm - due) <= ROUNDING * due,
                component,
                f"reports a norm of {report.norm:g} for gradients whose L2 norm before clipping is {due:g}",
            )

    def test_gradients_shrink_and_keep_their_direction(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """No tensor's gradient grows, and none points uphill afterwards."""
        for size in SIZES:
            gradients = _gradients(size)
            left, _ = self._clip(component, bench, _weights(), gradients)
            for before, after in zip(gradients, left, strict=True):
                assert before is not None
                shape = before.shape
                self.require(
                    after is not None and after.shape == shape and np.isfinite(after).all(),
                    component,
                    f"does not leave a finite gradient of shape {shape} where one was",
                )
                assert after is not None
                self.require(
                    _norm([after]) <= (1 + ROUNDING) * _norm([before]),
                    component,
                    f"lets the gradient of a weight {shape} grow from {_norm([before]):g} to {_norm([after]):g}",
                )
                self.require(
                    np.vdot(after, before).real >= 0,
                    component,
                    f"turns the gradient of a weight {shape} uphill",
                )

    def test_report_says_whether_anything_was_clipped(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """`clipped` is a fraction; it is zero if and only if all gradients were left as they are."""
        for size in SIZES:
            gradients = _gradients(size)
            left, report = self._clip(component, bench, _weights(), gradients)
            changed = any(
                after is None or _norm([after - before]) > ROUNDING * _norm([before])
                for before, after in zip(gradients, left, strict=True)
                if before is not None
            )
            self.require(0 <= report.clipped <= 1, component, f"reports {report.clipped:g} clipped; it is a fraction")
            self.require(
                changed == (report.clipped > 0),
                component,
                f"reports {report.clipped:g} clipped, but {'changed' if changed else 'left alone'} gradients of size "
                f"{size:g}",
            )

    def test_missing_gradients_are_left_missing(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """A parameter that the loss does not depend on has no gradient; it may be all of them, or none be there."""
        gradients = list(_gradients(1.0))
        gradients[1] = gradients[2] = None
        left, report = self._clip(component, bench, _weights(), gradients)
        self.require(
            [after is None for after in left] == [before is None for before in gradients],
            component,
            "gives a gradient to a parameter that has none, or takes one away",
        )
        due = _norm(gradients)
        self.require(
            abs(report.norm - due) <= ROUNDING * due, component, f"reports {report.norm:g} where {due:g} is due"
        )
        for weights in (_weights(), []):
            _, report = self._clip(component, bench, weights, [None] * len(weights))
            self.require(report.norm == 0, component, f"reports a norm of {report.norm:g} without any gradient")

    def test_zero_gradients_stay_zero(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """A gradient of zero, also of weights that are zero, is not divided by its norm."""
        weights = [np.zeros(shape, np.float32) for shape in SHAPES]
        left, report = self._clip(component, bench, weights, [np.zeros_like(weight) for weight in weights])
        self.require(
            all(after is not None and not after.any() for after in left) and report.norm == 0,
            component,
            "makes something else of gradients that are zero; guard the division by their norm",
        )

    def test_what_is_not_a_number_shows_in_the_report(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """One NaN or infinity in a gradient makes the norm not finite: training stops on it instead of going on."""
        for bad in (np.nan, np.inf):
            gradients = _gradients(1.0)
            broken = gradients[0]
            assert broken is not None
            broken.flat[3] = bad
            _, report = self._clip(component, bench, _weights(), gradients)
            self.require(
                not np.isfinite(report.norm),
                component,
                f"hides a gradient of {bad}: it reports a norm of {report.norm:g}",
            )

    def test_weights_are_left_alone(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """The step is the optimiser's."""
        weights = _weights()
        self._clip(component, bench, weights, _gradients(1e5))
        unchanged = all(np.array_equal(now, then) for now, then in zip(weights, _weights(), strict=True))
        self.require(unchanged, component, "changes the weights")

    def test_complex_weights(self, component: ConfiguredComponent, bench: Workbench) -> None:
        """Spectral weights are complex in libraries that have such parameters; their phase is kept."""
        rng = np.random.default_rng(5)
        weight, before = (
            (rng.normal(size=(2, 4, 3)) + 1j * rng.normal(size=(2, 4, 3))).astype(np.complex64) for _ in range(2)
        )
        with self.attempt(component, "on complex weights"):
            try:
                (after,), report = bench.clip(component.build(), [weight], [1e3 * before])
            except NotImplementedError:
                pytest.skip("the tensor library has no complex parameters")
        due = _norm([1e3 * before])
        self.require(
            after is not None and abs(report.norm - due) <= ROUNDING * due and _norm([after]) <= (1 + ROUNDING) * due,
            component,
            f"takes {report.norm:g} for the norm {due:g} of a complex gradient, or lets it grow",
        )
        assert after is not None
        self.require(np.vdot(after, before).real >= 0, component, "turns a complex gradient uphill")

    def try_out(self, host: Host, component: ConfiguredComponent) -> None:
        """Clip once."""
        left, report = self._clip(component, workbench_for(host, component), _weights(), _gradients(1.0))
        self.require(
            np.isfinite(report.norm) and all(after is not None and np.isfinite(after).all() for after in left),
            component,
            "makes gradients that are not finite",
        )

    def _clip(
        self, component: ConfiguredComponent, bench: Workbench, weights: Sequence[Array], gradients: Gradients
    ) -> tuple[list[Array | None], ClipReport]:
        with self.attempt(component, f"on {len(weights)} parameters"):
            return bench.clip(component.build(), weights, gradients)


def _weights() -> list[Array]:
    rng = np.random.default_rng(3)
    return [np.asarray(rng.normal(size=shape), dtype=np.float32) for shape in SHAPES]


def _gradients(size: float) -> list[Array | None]:
    rng = np.random.default_rng(4)
    return [np.asarray(size * rng.normal(size=shape), dtype=np.float32) for shape in SHAPES]


def _norm(gradients: Gradients) -> float:
    energies = [np.sum(np.abs(gradient).astype(np.float64) ** 2) for gradient in gradients if gradient is not None]
    return float(np.sqrt(sum(energies)))
