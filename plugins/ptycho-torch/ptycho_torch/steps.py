"""Steps of the optimiser, for the host's training loop."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from ptycho_host.contracts import ClipFunction, ClipReport
from ptycho_torch.objective import Objective
from ptycho_torch.patterns import PatternFeed
from ptycho_torch.physics import diffraction_amplitude
from ptycho_torch.state import arrays_of, put_back, weights_of

Indices = NDArray[np.int64]


class FabricSteps:
    """Network, optimiser and data on Lightning Fabric (`ptycho_host.training.loop.TrainingSteps`)."""

    def __init__(
        self,
        fabric: Fabric,
        generator: torch.nn.Module,
        network: torch.nn.Module,
        optimiser: torch.optim.Optimizer,
        feed: PatternFeed,
        objective: Objective,
        clip: ClipFunction,
        channels: int,
    ) -> None:
        """`generator` sees `channels` patterns at once; `network` around it and `optimiser` are of `fabric.setup`."""
        self.network = network
        self._generator = generator
        self._fabric = fabric
        self._optimiser = optimiser
        self._feed = feed
        self._objective = objective
        self._clip = clip
        self._channels = channels
        self._upcoming: Iterator[torch.Tensor] = iter(())

    @contextmanager
    def epoch(self, seed: int, steps: Indices) -> Iterator[None]:
        """Random numbers, such as those of dropout, from `seed`; patterns of `steps` (S, A, G, K) are read ahead."""
        torch.manual_seed(seed)
        groups = (self._seen(groups) for batches in steps for groups in batches)
        with closing(self._feed.stream(groups)) as self._upcoming:
            yield

    def step(self, batches: Indices, rate: float) -> tuple[torch.Tensor, ClipReport]:
        """The epoch's next step at learning rate `rate`, on its batches (A, G, K).

        Gradients that are no numbers change nothing.
        """
        self.network.train()
        losses = []
        for number, groups in enumerate(batches):
            with self._gradients_kept(number + 1 < len(batches)):
                losses.append(self._backward(groups, len(batches)))
        report = self._clip(self._generator.parameters())
        if math.isfinite(report.norm):
            for group in self._optimiser.param_groups:
                group["lr"] = rate
            self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        return torch.stack(losses).mean(), report

    def _gradients_kept(self, more_to_come: bool) -> AbstractContextManager[None]:
        """Processes exchange their gradients only after the last batch of a step."""
        kept: AbstractContextManager[None] = self._fabric.no_backward_sync(self.network, enabled=more_to_come)  # type: ignore[arg-type]
        return kept

    def _backward(self, groups: Indices, batches: int) -> torch.Tensor:
        """Add the gradients of groups (G, K), one of several `batches`; returns their loss."""
        seen = self._seen(groups)
        amplitude = next(self._upcoming)
        patches = self._patches(amplitude, seen)
        loss = self._objective.of_groups(patches, self._objective.measurement(amplitude, seen), groups)
        self._fabric.backward(loss / batches)
        return loss.detach()

    def _patches(self, amplitude: torch.Tensor, seen: Indices) -> torch.Tensor:
        """What the network makes of amplitudes (B, C, N, N) of the patterns `seen` (B, C)."""
        feed = self._feed
        # What a generator is told of the probe is no way to learn it.
        probe = feed.probe.detach()
        patches: torch.Tensor = self.network(amplitude, probe, feed.bad_pixels, feed.scan.positions[seen])
        return patches

    def _seen(self, groups: Indices) -> Indices:
        """Patterns of groups (G, K) as the generator sees them, (G·K/C, C)."""
        return groups.reshape(-1, self._channels)

    @torch.no_grad()
    def pattern_loss(self, groups: Indices) -> float:
        """Mean loss of groups (V, C), each pattern by itself."""
        self.network.eval()
        amplitude = self._feed.amplitude(groups)
        patches = self._patches(amplitude, groups)
        return float(self._objective.of_patterns(patches, self._objective.measurement(amplitude, groups)))

    @torch.no_grad()
    def predicted_amplitudes(self, groups: Indices) -> NDArray[np.float32]:
        """Amplitudes (V, N, N) of the first pattern of each group (V, C)."""
        self.network.eval()
        patches = self._patches(self._feed.amplitude(groups), groups)[:, 0]
        amplitudes: NDArray[np.float32] = diffraction_amplitude(patches, self._feed.probe).cpu().numpy()
        return amplitudes

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Weights and the optimiser's memory."""
        return arrays_of(self.network, self._optimiser)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put them back; raises BundleError when they do not fit."""
        put_back(arrays, self.network, self._optimiser)
        self._optimiser.zero_grad(set_to_none=True)

    def weights(self) -> dict[str, NDArray[Any]]:
        """Parameters and buffers of the generator, and the probe where it is learnt."""
        return weights_of(self._generator) | self._feed.instrument.weights()

    def facts(self) -> dict[str, Any]:
        """How large the generator is."""
        return {"parameters": sum(parameter.numel() for parameter in self._generator.parameters())}
