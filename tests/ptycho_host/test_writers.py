"""Which writer a suffix names."""

from __future__ import annotations

import pytest

from ptycho_host.components import Writer
from ptycho_host.config import ComponentChoice
from ptycho_host.errors import InputError
from ptycho_host.plugins import Host
from ptycho_host.workflows.scans import scan_writer

HDF5 = "ptycho_host.data.formats.hdf5:Hdf5Writer"


def writers(*names):
    return [Writer(name, summary="Another.", target=HDF5, suffixes=(".h5", ".emd")) for name in names]


@pytest.fixture
def host(make_plugin):
    host = Host.discover()
    host.add(make_plugin("alpha", ptycho_writers=writers("alpha", "beta")))
    return host


@pytest.mark.parametrize(("path", "name"), [("a.h5", "hdf5"), ("a.HDF5", "hdf5"), ("a.npz", "npz"), ("a.cxi", "cxi")])
def test_the_writer_that_is_named_like_the_format_is_taken(host, path, name):
    assert scan_writer(path, host).registration.component.name == name


def test_of_several_others_none_is_taken_silently(host):
    with pytest.raises(
        InputError, match=r"a\.emd: several writers write '\.emd', '.*:alpha', '.*:beta'; choose one with --writer"
    ):
        scan_writer("a.emd", host)
    assert scan_writer("a.emd", host, ComponentChoice(name="beta")).registration.component.name == "beta"


def test_a_lone_writer_needs_no_name(make_plugin):
    host = Host([make_plugin("alpha", ptycho_writers=writers("alpha"))])
    assert scan_writer("a.emd", host).registration.component.name == "alpha"
