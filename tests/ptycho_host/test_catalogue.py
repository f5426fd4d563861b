"""`registry.toml` says exactly what the project's distributions register; a user's overlay is read with care."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from ptycho_host.catalogue import OVERLAY_VARIABLE, Catalogue
from ptycho_host.errors import ConfigError
from ptycho_host.plugins import Host

ROOT = Path(__file__).parents[2]
PROJECTS = [
    tomllib.loads(path.read_text(encoding="utf-8"))["project"]["name"]
    for pattern in ("pyproject.toml", "plugins/*/pyproject.toml", "ptycho_contrib_*/pyproject.toml")
    for path in sorted(ROOT.glob(pattern))
]


def test_every_distribution_of_the_project_is_in_the_catalogue_and_no_other():
    assert sorted({entry.distribution for entry in Catalogue.load().entries}) == sorted(PROJECTS)


@pytest.mark.parametrize("distribution", PROJECTS)
def test_the_catalogue_agrees_with_what_the_distribution_registers(distribution):
    try:
        version(distribution)
    except PackageNotFoundError:
        pytest.skip(f"{distribution} is not installed here")
    known = [
        (entry.kind, entry.name, entry.backend)
        for entry in Catalogue.load().entries
        if entry.distribution == distribution
    ]
    registered = [
        (entry.component.kind, entry.component.name, entry.component.backend)
        for entry in Host.discover().registrations()
        if entry.distribution == distribution
    ]
    assert len(known) == len(set(known))
    assert set(known) == set(registered)


def test_the_overlay_is_found_in_the_users_configuration_folder(tmp_path, monkeypatch):
    monkeypatch.delenv(OVERLAY_VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert Catalogue.load().install_hint("refiner", "mine") == ""
    (tmp_path / "ptycho").mkdir()
    (tmp_path / "ptycho" / "registry.toml").write_text('[lab-refiners]\nrefiner.any = ["mine"]\n')
    assert Catalogue.load().install_hint("refiner", "mine") == (
        " It comes with lab-refiners: run 'pip install lab-refiners'."
    )
    assert {entry.backend for entry in Catalogue.load().entries if entry.name == "mine"} == {None}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (b"[lab\n", "line 1"),
        (b"\xff", "decode"),
        (b"lab = 3\n", "'lab' is no table"),
        (b'[lab]\ngenerators.torch = ["net"]\n', "'lab.generators'"),
        (b'[lab]\ngenerator = ["net"]\n', "'lab.generator' is not of the form"),
        (b'[lab]\ngenerator.torch = "net"\n', "'lab.generator.torch' is not a list"),
    ],
)
def test_a_broken_overlay_is_named_with_what_is_wrong(tmp_path, monkeypatch, text, wrong):
    overlay = tmp_path / "registry.toml"
    overlay.write_bytes(text)
    monkeypatch.setenv(OVERLAY_VARIABLE, str(overlay))
    with pytest.raises(ConfigError) as caught:
        Catalogue.load()
    assert str(overlay) in str(caught.value)
    assert wrong in str(caught.value)
    assert "mend or remove it" in str(caught.value)


def test_a_broken_overlay_hinders_nobody_who_needs_no_hint(tmp_path, monkeypatch):
    overlay = tmp_path / "registry.toml"
    overlay.write_text("[lab")
    monkeypatch.setenv(OVERLAY_VARIABLE, str(overlay))
    assert Host.discover().find("reader", "npz").distribution == "ptycho-host"


def test_what_is_known_but_not_installed_is_missing_whatever_is_loaded(tmp_path, monkeypatch):
    overlay = tmp_path / "registry.toml"
    overlay.write_text('[lab-refiners]\nrefiner.any = ["mine"]\n[ptycho-host]\nrefiner.any = ["npz"]\n')
    monkeypatch.setenv(OVERLAY_VARIABLE, str(overlay))
    assert [(entry.name, entry.install) for entry in Catalogue.load().missing("refiner")] == [
        ("mine", "pip install lab-refiners")
    ]
    assert Catalogue.load().missing("reader") == []


def test_plugins_list_says_what_is_missing_and_bears_a_broken_overlay(ptycho, tmp_path, monkeypatch):
    overlay = tmp_path / "registry.toml"
    overlay.write_text('[lab-refiners]\nrefiner.any = ["mine", "other"]\n')
    monkeypatch.setenv(OVERLAY_VARIABLE, str(overlay))
    outcome = ptycho("plugins", "list", "--kind", "refiner")
    assert outcome.code == 0
    assert outcome.err == "not installed: refiner mine, other; run 'pip install lab-refiners'\n"
    overlay.write_text("[lab")
    outcome = ptycho("plugins", "list", "--kind", "refiner")
    assert outcome.code == 0
    assert outcome.err.startswith(f"warning: the catalogue {overlay} cannot be read")
