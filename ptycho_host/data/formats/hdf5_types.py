"""Which types of numbers are read: those that programs write, and no others.

A damaged file can describe numbers whose parts lie anywhere; libhdf5 follows such a description beyond its own memory.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import h5py
from h5py import h5t


def is_standard(kind: h5t.TypeID) -> bool:
    """Whether a stored type is an integer, IEEE number, truth value, complex pair or text of fixed length."""
    what = kind.get_class()
    if what in (h5t.INTEGER, h5t.FLOAT):
        return any(kind.equal(known) for known in _numbers())
    if what == h5t.ENUM:
        return is_standard(kind.get_super())
    if what == h5t.STRING:
        return not kind.is_variable_str()
    if what == h5t.COMPOUND:
        return _is_complex(kind)
    return False


def _is_complex(kind: Any) -> bool:
    """Two equal IEEE numbers, one right behind the other."""
    if kind.get_nmembers() != 2:
        return False
    first, second = (kind.get_member_type(index) for index in (0, 1))
    size = first.get_size()
    return (
        first.get_class() == h5t.FLOAT
        and is_standard(first)
        and bool(first.equal(second))
        and (kind.get_member_offset(0), kind.get_member_offset(1), kind.get_size()) == (0, size, 2 * size)
    )


@cache
def _numbers() -> tuple[h5t.TypeID, ...]:
    integers = [f"STD_{sign}{bits}{order}" for sign in "IU" for bits in (8, 16, 32, 64) for order in ("LE", "BE")]
    floats = [f"IEEE_F{bits}{order}" for bits in (16, 32, 64) for order in ("LE", "BE")]
    named = [getattr(h5t, name) for name in (*integers, *floats)]
    return (*named, h5py.h5t.NATIVE_LDOUBLE)
