"""Bundles come back as they were saved, with the generator that made them, or say what is wrong."""

from __future__ import annotations

import stat
import sys
import tomllib
from importlib import import_module

import numpy as np
import pytest
import tomli_w

from ptycho_host.components import Generator
from ptycho_host.configured import configure
from ptycho_host.contracts import Bundle, PatchShape
from ptycho_host.data.scan import Scan
from ptycho_host.errors import BundleError, InputError, OptionError, RunFailedError, UnknownComponentError
from ptycho_host.physics.intensity import IntensityScale
from ptycho_host.plugins import Host
from ptycho_host.runs.bundle import load_bundle, save_bundle

PLUGIN = """
from ptycho_host import hookimpl
from ptycho_host.components import Generator

@hookimpl
def ptycho_generators():
    return [Generator("tinynet", summary="Scales.", target="{package}.net:build", backend="torch")]
"""

NET = """
def build(shape, *, width: int = 8, modes: tuple[int, int] = (3, 4), head: str | None = None):
    return lambda inputs: ("{package}", shape, width, modes, head)
"""


@pytest.fixture
def make_plugin(tmp_path, monkeypatch):
    """Writes a plugin distribution's package and imports its plugin module."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    made = []

    def make(package):
        folder = tmp_path / "site" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        (folder / "plugin.py").write_text(PLUGIN.format(package=package))
        (folder / "net.py").write_text(NET.format(package=package))
        made.append(package)
        return import_module(f"{package}.plugin")

    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] in made]:
        del sys.modules[name]


@pytest.fixture
def plugin(make_plugin):
    return make_plugin("tinynet_dist")


@pytest.fixture
def host(plugin):
    return Host([plugin])


@pytest.fixture
def bundle(host):
    rng = np.random.default_rng(0)
    weights = {
        "lift.weight": rng.normal(size=(4, 3)).astype(np.float32),
        "lift.transposed": rng.normal(size=(4, 3)).astype(np.float32).T,
        "spectral": (rng.normal(size=(2, 2)) + 1j).astype(np.complex64),
        "count": np.array(7),
        "mask": np.array([True, False]),
    }
    generator = configure(host, "generator", "tinynet", {"width": 48, "modes": [5, 6]})
    facts = {"scan": "lines", "seed": 3, "loss": 0.1, "collapsed": False, "validation": None, "more": {"a": [1, 2]}}
    return Bundle(generator, weights, PatchShape(64, 4), IntensityScale(1.0 / 3, 0.7), facts)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run" / "bundle"


@pytest.fixture
def saved(bundle, folder):
    save_bundle(bundle, folder)
    return folder


def edit(folder, change):
    """Change the index as somebody with a text editor would."""
    index = tomllib.loads((folder / "bundle.toml").read_text())
    change(index)
    (folder / "bundle.toml").write_text(tomli_w.dumps(index))


def test_everything_comes_back(saved, bundle, host):
    found = load_bundle(saved, host)
    assert found.weights.keys() == bundle.weights.keys()
    for name, array in bundle.weights.items():
        assert (found.weights[name].dtype, found.weights[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found.weights[name], array)
    assert (found.shape, found.scale) == (bundle.shape, bundle.scale)
    assert found.facts == {name: value for name, value in bundle.facts.items() if value is not None}
    assert found.generator.registration == bundle.generator.registration
    assert found.generator.build(found.shape)(None) == ("tinynet_dist", PatchShape(64, 4), 48, (5, 6), None)


def test_it_is_two_files_that_others_may_read(saved):
    assert sorted(entry.name for entry in saved.iterdir()) == ["bundle.toml", "weights.safetensors"]
    assert [entry.name for entry in saved.parent.iterdir()] == ["bundle"]
    (saved.parent / "plain").write_text("")
    mode = stat.S_IMODE((saved.parent / "plain").stat().st_mode)
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in saved.iterdir()} == {mode}


def test_a_scale_computed_from_a_scan_can_be_saved(bundle, folder, host):
    scan = Scan(np.full((2, 8, 8), 3.0), np.full((2, 2), 4.0), np.ones((8, 8), dtype=np.complex64))
    computed = Bundle(bundle.generator, bundle.weights, bundle.shape, IntensityScale.of(scan), {})
    save_bundle(computed, folder)
    assert load_bundle(folder, host).scale == computed.scale


def test_an_existing_bundle_is_replaced_whole(saved, bundle, host):
    (saved / "stray").write_text("")
    newer = Bundle(bundle.generator, {"w": np.ones(2)}, PatchShape(32), bundle.scale, {})
    save_bundle(newer, saved)
    found = load_bundle(saved, host)
    assert (list(found.weights), found.shape, found.facts) == (["w"], PatchShape(32), {})
    assert sorted(entry.name for entry in saved.iterdir()) == ["bundle.toml", "weights.safetensors"]
    assert [entry.name for entry in saved.parent.iterdir()] == ["bundle"]


def test_leftovers_of_a_killed_run_are_no_obstacle(bundle, folder, host):
    for leftover in (".bundle.new", ".bundle.old"):
        (folder.parent / leftover / "deep").mkdir(parents=True)
    save_bundle(bundle, folder)
    assert load_bundle(folder, host).shape == bundle.shape
    assert [entry.name for entry in folder.parent.iterdir()] == ["bundle"]


def test_a_bundle_that_cannot_be_written_leaves_the_old_one(saved, bundle, host):
    impossible = Bundle(bundle.generator, {"w": np.ones(2, dtype=complex)}, bundle.shape, bundle.scale, {})
    with pytest.raises(RunFailedError, match=r"cannot write .*complex128"):
        save_bundle(impossible, saved)
    assert load_bundle(saved, host).weights.keys() == bundle.weights.keys()
    (saved.parent / "file").write_text("")
    with pytest.raises(RunFailedError, match=r"cannot write .*file/bundle"):
        save_bundle(bundle, saved.parent / "file" / "bundle")


def test_every_altered_byte_of_the_weights_is_noticed(saved, host):
    content = (saved / "weights.safetensors").read_bytes()
    for place in range(0, len(content), 17):
        (saved / "weights.safetensors").write_bytes(
            content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        )
        with pytest.raises(BundleError, match=r"weights\.safetensors was altered or cut off.*train again"):
            load_bundle(saved, host)


def test_weights_that_are_cut_off_are_noticed(saved, host):
    content = (saved / "weights.safetensors").read_bytes()
    (saved / "weights.safetensors").write_bytes(content[:-1])
    with pytest.raises(BundleError, match="altered or cut off"):
        load_bundle(saved, host)


def test_weights_of_another_format_are_refused_even_with_the_right_checksum(saved, host):
    import hashlib

    (saved / "weights.safetensors").write_bytes(b"PK\x03\x04")
    edit(saved, lambda index: index.update(weights_sha256=hashlib.sha256(b"PK\x03\x04").hexdigest()))
    with pytest.raises(BundleError, match=r"weights\.safetensors cannot be read"):
        load_bundle(saved, host)


@pytest.mark.parametrize(
    ("name", "message"),
    [("bundle.toml", "holds no trained bundle; was the run finished"), ("weights.safetensors", "cannot be read")],
)
def test_missing_files_are_named(saved, host, name, message):
    (saved / name).unlink()
    with pytest.raises(BundleError, match=message):
        load_bundle(saved, host)


def test_no_folder(tmp_path, host):
    with pytest.raises(BundleError, match="holds no trained bundle"):
        load_bundle(tmp_path / "none", host)


CHANGES = {
    "a foreign key": (lambda index: index.update(pickle="x"), "'pickle' extra inputs"),
    "a foreign key of the generator": (lambda index: index["generator"].update(target="os:system"), "generator.target"),
    "a foreign key of the scale": (lambda index: index["intensity_scale"].update(probe=1.0), "intensity_scale.probe"),
    "no scale": (lambda index: index.pop("intensity_scale"), "'intensity_scale' field required"),
    "half a scale": (lambda index: index["intensity_scale"].pop("amplitude"), "'intensity_scale.amplitude' field req"),
    "a zero scale": (lambda index: index["intensity_scale"].update(amplitude=0.0), "greater than 0"),
    "an infinite scale": (lambda index: index["intensity_scale"].update(transmission=np.inf), "finite number"),
    "a scale that is no number": (lambda index: index["intensity_scale"].update(amplitude=np.nan), "amplitude"),
    "no checksum": (lambda index: index.pop("weights_sha256"), "'weights_sha256' field required"),
    "no generator": (lambda index: index.pop("generator"), "'generator' field required"),
    "no pixels": (lambda index: index["shape"].update(pixels=0), "shape.pixels"),
    "a format of the future": (lambda index: index.update(format=2), "'format'"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES.keys())
def test_an_index_that_does_not_hold_is_refused(saved, host, change, message):
    edit(saved, change)
    with pytest.raises(BundleError, match=rf"bundle\.toml: .*{message}.*; train again"):
        load_bundle(saved, host)


@pytest.mark.parametrize("content", [b"format = ", b"\xff\xfe", b"= 3"])
def test_an_index_that_is_no_toml_is_refused(saved, host, content):
    (saved / "bundle.toml").write_bytes(content)
    with pytest.raises(BundleError, match=r"bundle\.toml cannot be read .*train again"):
        load_bundle(saved, host)


def test_an_index_of_arrays_in_arrays_without_end_is_refused(saved, host):
    (saved / "bundle.toml").write_text("format = " + "[" * 5000)
    with pytest.raises(BundleError, match="cannot be read"):
        load_bundle(saved, host)


def test_a_generator_that_is_not_installed_comes_with_advice(saved):
    with pytest.raises(UnknownComponentError, match="no generator named 'tinynet' is installed"):
        load_bundle(saved, Host())
    edit(saved, lambda index: index["generator"].update(name="stable_hybrid"))
    with pytest.raises(UnknownComponentError, match="comes with ptycho-contrib-fno: run 'pip install"):
        load_bundle(saved, Host())


def test_an_option_that_the_generator_no_longer_has_is_named(saved, host):
    edit(saved, lambda index: index["generator"]["options"].update(wdith=3))
    with pytest.raises(OptionError, match=r"generator 'tinynet' has no option 'wdith'\. Did you mean 'width'"):
        load_bundle(saved, host)


def test_of_two_distributions_the_one_that_trained_is_taken(saved, plugin, make_plugin):
    other = make_plugin("another_dist")
    for order in ([plugin, other], [other, plugin]):
        assert load_bundle(saved, Host(order)).generator.build(PatchShape(8))(None)[0] == "tinynet_dist"


def test_a_generator_that_moved_to_another_distribution_is_found(saved, make_plugin):
    found = load_bundle(saved, Host([make_plugin("renamed_dist")]))
    assert found.generator.build(PatchShape(8))(None)[0] == "renamed_dist"


def test_every_refusal_is_bad_input():
    assert issubclass(BundleError, InputError)
    assert Generator("tinynet", summary="", target="a:b").kind == "generator"
