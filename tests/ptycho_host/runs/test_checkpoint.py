"""Checkpoints give back the very arrays and the very state, or say that they cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from ptycho_host.errors import BundleError
from ptycho_host.runs.checkpoint import load_checkpoint, save_checkpoint

DTYPES = ["bool", "uint8", "int8", "int32", "int64", "float16", "float32", "float64", "complex64"]


def assert_same(found, expected):
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)


def test_arrays_and_state_come_back(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"layer.{dtype}": (9 * rng.normal(size=(3, 4, 2))).astype(dtype) for dtype in DTYPES}
    state = {"epoch": 3, "rate": 1e-300, "best": None, "done": False, "random": {"pos": [1, 2**70]}, "note": "π"}
    save_checkpoint(tmp_path / "last.safetensors", arrays, state)
    found, found_state = load_checkpoint(tmp_path / "last.safetensors")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert_same(found[name], array)
    assert found_state == state


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(24)[::-2],
        np.asfortranarray(np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)),
        np.broadcast_to(np.array([1.5, 2.5]), (3, 2)),
        np.array(7.0),
        np.zeros((0, 3)),
        np.array([np.nan, np.inf, -0.0]),
    ],
    ids=["transposed", "reversed", "fortran", "broadcast", "without axes", "empty", "not numbers"],
)
def test_however_an_array_lies_in_memory_it_comes_back(tmp_path, array):
    save_checkpoint(tmp_path / "c", {"a": array}, {})
    assert_same(load_checkpoint(tmp_path / "c")[0]["a"], array)


def test_other_byte_orders_come_back_as_numbers(tmp_path):
    save_checkpoint(tmp_path / "c", {"a": np.arange(5, dtype=">f8")}, {})
    np.testing.assert_array_equal(load_checkpoint(tmp_path / "c")[0]["a"], np.arange(5))


def test_no_arrays_are_a_checkpoint_too(tmp_path):
    save_checkpoint(tmp_path / "c", {}, {"epoch": 0})
    assert load_checkpoint(tmp_path / "c") == ({}, {"epoch": 0})


def test_a_state_that_is_not_plain_leaves_the_old_checkpoint(tmp_path):
    save_checkpoint(tmp_path / "c", {}, {"epoch": 1})
    with pytest.raises(TypeError):
        save_checkpoint(tmp_path / "c", {}, {"epoch": np.ones(3)})
    assert load_checkpoint(tmp_path / "c")[1] == {"epoch": 1}
    assert len(list(tmp_path.iterdir())) == 1


def valid(path):
    save_checkpoint(path, {"a": np.arange(6.0)}, {"epoch": 2})
    return path.read_bytes()


DAMAGE = {
    "empty": lambda content: b"",
    "text": lambda content: b"epoch = 2",
    "cut off in the numbers": lambda content: content[:-1],
    "cut off in the header": lambda content: content[:30],
    "longer": lambda content: content + b"0",
    "header of absurd length": lambda content: b"\xff" * 8 + content[8:],
    "header of no JSON": lambda content: content[:8] + b"?" + content[9:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "last.safetensors"
    path.write_bytes(damage(valid(path)))
    with pytest.raises(BundleError, match=r"last\.safetensors is not a checkpoint of this program .*delete it"):
        load_checkpoint(path)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(place=st.integers(0, 8 + 200), value=st.integers(0, 255))
def test_a_changed_byte_of_the_header_is_refused_or_harmless(tmp_path_factory, place, value):
    path = tmp_path_factory.getbasetemp() / "mangled.safetensors"
    content = bytearray(valid(path))
    content[min(place, len(content) - 49)] = value
    path.write_bytes(content)
    try:
        arrays, state = load_checkpoint(path)
    except BundleError:
        return
    assert isinstance(state, dict)
    assert all(isinstance(array, np.ndarray) for array in arrays.values())


@pytest.mark.parametrize("metadata", [None, {"other": "1"}, {"state": "no JSON"}, {"state": "[1]"}])
def test_somebody_else_s_safetensors_file_is_refused(tmp_path, metadata):
    save_file({"a": np.ones(3)}, tmp_path / "theirs.safetensors", metadata=metadata)
    with pytest.raises(BundleError, match="is not a checkpoint of this program"):
        load_checkpoint(tmp_path / "theirs.safetensors")


def test_no_file(tmp_path):
    with pytest.raises(BundleError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "none")
