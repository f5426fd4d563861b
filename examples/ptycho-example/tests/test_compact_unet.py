"""The generator keeps the contract, starts where it says, and takes patterns of any size."""

import pytest
import torch
from ptycho_host.contracts import GeneratorInputs
from ptycho_host.testing import GeneratorConformance

from ptycho_example.compact_unet import build


class TestCompactUNet(GeneratorConformance):
    """Shapes, seeds, gradients, batches, training, bundles: all that the host relies on."""

    name = "compact_unet"
    options = {"width": 8, "levels": 2}


def inputs(pixels: int, channels: int = 1) -> GeneratorInputs:
    real, imaginary, amplitude = torch.rand(3, 2, channels, pixels, pixels)
    return GeneratorInputs(amplitude, torch.complex(real, imaginary))


@pytest.mark.parametrize("pixels", [8, 22, 64])
def test_untrained_it_returns_the_back_projection_of_any_size(pixels: int) -> None:
    seen = inputs(pixels)
    assert torch.equal(build(width=4)(seen), seen.initial)


def test_patterns_of_a_group_are_treated_alone() -> None:
    network = build(width=4, levels=1)
    torch.nn.init.normal_(network.get_parameter("network.2.weight"))
    seen = inputs(16, channels=4)
    alone = [network(GeneratorInputs(seen.amplitude[:, [c]], seen.initial[:, [c]])) for c in range(4)]
    # Convolutions of other batch sizes round differently.
    torch.testing.assert_close(network(seen), torch.cat(alone, dim=1), rtol=1e-5, atol=1e-5)
