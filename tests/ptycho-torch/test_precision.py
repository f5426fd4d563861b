"""Lower precision inside the network, and nowhere else."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric

from ptycho_torch.precision import precision_of


class Looking(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)
        self.seen: list[torch.dtype] = []

    def forward(self, amplitude: torch.Tensor) -> torch.Tensor:
        made = self.linear(amplitude)
        self.seen += [amplitude.dtype, made.dtype]
        return made


def test_measurements_reach_the_network_as_they_are() -> None:
    fabric = Fabric(accelerator="cpu", devices=1, plugins=[precision_of("bf16-mixed", on_gpu=False)])
    network = Looking()
    made = fabric.setup_module(network)(torch.rand(2, 4))
    assert network.seen == [torch.float32, torch.bfloat16]
    assert made.dtype == torch.float32
