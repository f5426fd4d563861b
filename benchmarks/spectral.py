"""Spectral convolution by matrix products against the same by Fourier transforms, forward and backward, one thread.

Both forms alternate in one process, so that what else the machine does falls on both.

    python benchmarks/spectral.py --seconds 2
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING, Any

from measuring import write_results

if TYPE_CHECKING:
    from torch import Tensor

    from ptycho_contrib_fno.spectral import SpectralConv

BATCH = 8
CASES = (
    (16, 128, 8),
    (32, 64, 8),
    (32, 128, 12),
    (64, 32, 8),
    (64, 32, 12),
    (64, 32, 24),
    (128, 32, 12),
    (128, 32, 32),
    (256, 16, 12),
    (256, 16, 32),
)
"""N, channels, modes."""


def dense(layer: SpectralConv, x: Tensor) -> Tensor:
    """The definition: the whole rfft2, a matrix on each kept frequency, the whole irfft2."""
    import torch

    weight = torch.view_as_complex(layer.weight)
    rows, columns = weight.shape[:2]
    side = rows // 2
    spectrum = torch.fft.rfft2(x)
    out = spectrum.new_zeros(len(x), weight.shape[3], *spectrum.shape[2:])
    for kept, part in ((slice(0, side), weight[:side]), (slice(-side, None), weight[side:])):
        out[:, :, kept, :columns] = torch.einsum("bcyx,yxcd->bdyx", spectrum[:, :, kept, :columns], part)
    return torch.fft.irfft2(out, s=x.shape[-2:])


def truncated(layer: SpectralConv, x: Tensor) -> Tensor:
    """One axis after the other, each cut to the kept frequencies before the next transform."""
    import torch

    weight = torch.view_as_complex(layer.weight)
    rows, columns, channels, _ = weight.shape
    side, size, batch = rows // 2, x.shape[-1], len(x)
    spectrum = torch.fft.fft(torch.fft.rfft(x)[..., :columns], dim=-2)
    spectrum = torch.cat([spectrum[:, :, :side], spectrum[:, :, size - side :]], dim=2)
    spectrum = spectrum.permute(2, 3, 0, 1).reshape(rows * columns, batch, channels)
    mixed = torch.bmm(spectrum, weight.flatten(0, 1)).view(rows, columns, batch, -1).permute(2, 3, 0, 1)
    gap = mixed.new_zeros(batch, mixed.shape[1], size - rows, columns)
    mixed = torch.cat([mixed[:, :, :side], gap, mixed[:, :, side:]], dim=2)
    return torch.fft.irfft(torch.fft.ifft(mixed, dim=-2), n=size)


def compared(size: int, channels: int, modes: int, seconds: float) -> dict[str, Any]:
    import torch

    from ptycho_contrib_fno.spectral import SpectralConv

    torch.manual_seed(0)
    layer = SpectralConv(channels, channels, modes, size)
    x = torch.randn(BATCH, channels, size, size, requires_grad=True)
    # Each form in its own order: FFTs of images that lie one by one, products with the channels last in memory.
    channels_last = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    forms: dict[str, Callable[[], Tensor]] = {
        "dense": lambda: dense(layer, x),
        "truncated": lambda: truncated(layer, x),
        "products": lambda: layer(channels_last),
    }
    with torch.no_grad():
        due = forms["dense"]()
        errors = {name: ((form() - due).norm() / due.norm()).item() for name, form in forms.items()}
    taken: dict[str, list[float]] = {name: [] for name in forms}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken["products"]) < 4:
        for name, form in forms.items():
            started = time.process_time()
            form().sum().backward()
            taken[name].append(time.process_time() - started)
    # The first pass allocates.
    milliseconds = {name: 1e3 * median(times[1:]) for name, times in taken.items()}
    return {
        "size": size,
        "channels": channels,
        "modes": modes,
        "milliseconds": milliseconds,
        "faster_than_dense": milliseconds["dense"] / milliseconds["products"],
        "faster_than_truncated": milliseconds["truncated"] / milliseconds["products"],
        "relative_error": errors["products"],
    }


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="for each size")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for size, channels, modes in CASES:
        rows.append(compared(size, channels, modes, arguments.seconds))
        print(rows[-1], flush=True)
    print(write_results("spectral", {"batch": BATCH, "rows": rows}))


if __name__ == "__main__":
    main()
