"""Whatever goes wrong with our part of Ptychodus, it starts, and its log has one line about it."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from ptycho_ptychodus.in_ptychodus import hook


class Core:
    """Takes what the class of Ptychodus 1.7 takes, under the name that its module is given."""

    def __init__(self, task_manager, settings_registry, product_api, algorithm_libraries):
        self.libraries = algorithm_libraries


class CoreOfAnotherVersion:
    def __init__(self, task_manager, settings_registry):
        self.libraries = ()


@pytest.fixture
def model(monkeypatch):
    """A stand-in for `ptychodus.model.core`: Ptychodus itself is not installed here."""
    module = ModuleType(hook.MODEL)
    module.ProcessingCore = Core
    monkeypatch.setitem(sys.modules, hook.MODEL, module)
    monkeypatch.setattr(sys, "argv", ["ptychodus", "-b", "train"])
    return module


def test_who_wants_only_file_readers_is_left_alone(caplog):
    hook.register_plugins(object())
    assert caplog.records == []


def test_the_stock_libraries_stay_when_ours_cannot_be_made(model, caplog):
    hook.register_plugins(object())
    core = model.ProcessingCore(None, None, None, ["pty-chi"])
    # There is no Ptychodus to derive our library from.
    assert core.libraries == ["pty-chi"]
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "ptycho-host: its part of ProcessingCore cannot be added to Ptychodus: No module"
    )


def test_registering_twice_changes_nothing(model):
    hook.register_plugins(object())
    once = model.ProcessingCore
    hook.register_plugins(object())
    assert model.ProcessingCore is once
    assert issubclass(once, Core)


def test_another_version_of_ptychodus_stays_as_it_is(model, caplog):
    model.ProcessingCore = CoreOfAnotherVersion
    hook.register_plugins(object())
    assert model.ProcessingCore is CoreOfAnotherVersion
    (record,) = caplog.records
    assert record.getMessage() == (
        "ptycho-host: its reconstructors cannot be added to Ptychodus: ptychodus.model.core.ProcessingCore takes no "
        "'algorithm_libraries' in this version of Ptychodus"
    )
