"""The adapter to pty-chi: without it a sentence, with it the same physics."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_host.contracts import Reconstruction
from ptycho_host.data.scan import Scan
from ptycho_host.errors import InputError
from ptycho_iterative import pty_chi
from ptycho_iterative.lsq_ml import LsqMl

Refined = Callable[..., Reconstruction]
installed = pytest.mark.skipif(not find_spec("ptychi"), reason="needs pty-chi")
# Its own libraries warn of what is theirs.
lenient = pytest.mark.filterwarnings("default")


def test_without_it_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ptychi.api", None)
    monkeypatch.setitem(sys.modules, "ptychi", None)
    with pytest.raises(InputError, match=r"refiner 'ptychi' needs pty-chi, .* pip install \"ptycho-iterative\[ptychi"):
        pty_chi.build()


@installed
@lenient
def test_the_true_object_stays(noiseless: Scan, refined: Refined, object_error: Any) -> None:
    assert noiseless.truth is not None
    start = Reconstruction(noiseless.truth, np.ones(noiseless.truth.shape, np.float32))
    result = refined(pty_chi.build, noiseless, start, epochs=2)
    # It shifts the probe, ours interpolates the object: between pixels they differ by a few thousandths.
    assert object_error(result.object, noiseless) < 0.01
    assert result.refinement[0].residual < 1e-4


@installed
@lenient
def test_both_go_the_same_way(noiseless: Scan, refined: Refined, object_error: Any) -> None:
    theirs, ours = (refined(build, noiseless, epochs=30) for build in (pty_chi.build, LsqMl))
    assert theirs.refinement[0].residual == pytest.approx(ours.refinement[0].residual, rel=0.5)
    assert object_error(theirs.object, noiseless) < 2 * object_error(ours.object, noiseless) + 0.02


@installed
@lenient
def test_nothing_outside_changes(noiseless: Scan, refined: Refined) -> None:
    before = (torch.initial_seed(), random.getstate(), np.random.get_state()[1].tolist(), torch.get_default_dtype())  # noqa: NPY002
    result = refined(pty_chi.build, noiseless, epochs=1, probe="free", seed=7)
    after = (torch.initial_seed(), random.getstate(), np.random.get_state()[1].tolist(), torch.get_default_dtype())  # noqa: NPY002
    assert after == before
    assert result.probe is not None
    assert np.linalg.norm(result.probe) == pytest.approx(np.linalg.norm(noiseless.probe), rel=1e-5)
