"""Process-wide settings of Torch, changed for a while and put back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers from `seed` inside the block; the caller's generators go on as if nothing had happened."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def own_threads(threads: int | None) -> Iterator[None]:
    """Compute with that many CPU threads inside the block; None leaves it to Torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def without_greetings() -> Iterator[None]:
    """Fabric warns inside the block, but tells nothing else."""
    log = logging.getLogger("lightning_fabric")
    before = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(before)
