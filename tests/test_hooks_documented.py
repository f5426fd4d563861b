"""Every hook has a page that says what the code says, and every hook is called in one small run of everything."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from ptycho_host import Run, hookimpl, hookspecs, load_scan, simulate, train, write_scan
from ptycho_host.cli.commands import typer_command
from ptycho_host.components import KINDS
from ptycho_host.plugins import PLURALS, Host
from ptycho_host.records import EpochFinished, ReconstructionReady, RunFinished, RunStarted

PAGES = Path(__file__).parents[1] / "docs" / "reference" / "hooks"
HOOKS = [name for name in vars(hookspecs) if name.startswith(f"{hookspecs.PROJECT}_")]
OBSERVERS = [name for name in HOOKS if name not in PLURALS.values()]


def text_of(hook: str) -> str:
    return (PAGES / f"{hook}.md").read_text(encoding="utf-8")


def test_every_kind_has_a_hook() -> None:
    assert set(PLURALS.values()) <= set(HOOKS)
    assert len(OBSERVERS) == 4


def test_there_is_a_page_for_each_hook_and_for_nothing_else() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.md")) == sorted(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_page_shows_the_exact_signature_and_the_docstring(hook: str) -> None:
    function = getattr(hookspecs, hook)
    text = text_of(hook)
    assert f"def {hook}{inspect.signature(function)}: ...".replace("'", "") in text
    assert str(inspect.getdoc(function)) in text
    assert "@hookimpl" in text, "a plugin that uses it"


@pytest.mark.parametrize("hook", PLURALS.values())
def test_the_page_shows_the_descriptor_with_all_its_fields(hook: str) -> None:
    (kind,) = (kind for kind, name in PLURALS.items() if name == hook)
    text = text_of(hook)
    assert f"class {KINDS[kind].__name__}(Component):" in text
    assert all(re.search(rf"^    {name}: ", text, re.MULTILINE) for name in KINDS[kind].__match_args__)


@pytest.mark.parametrize("record", [RunStarted, EpochFinished, ReconstructionReady, RunFinished])
def test_the_shortest_observer_works(record: type[Any], capsys: pytest.CaptureFixture[str]) -> None:
    (hook,) = (name for name in OBSERVERS if name.replace("_", "").endswith(record.__name__.lower()))
    (source,) = re.findall(r"## In its shortest form\n\n```python\n(.*?)```", text_of(hook), re.DOTALL)
    plugin = ModuleType("shortest")
    exec(compile(source, hook, "exec"), vars(plugin))
    host = Host([plugin])
    assert not host.problems
    told = record(*(f"<{name}>" for name in record.__match_args__))
    host.notify(told)
    assert capsys.readouterr().out == f"{told}\n"


# --- one plugin with every hook --------------------------------------------------------------------------------------

MODULE = "everything"
OURS = {
    "generator": "fno",
    "loss": "mae",
    "clipper": "norm",
    "simulator": "lines",
    "stitcher": "probe_weighted",
    "engine": "fabric",
    "reader": "npz",
    "writer": "npz",
}


def refiner() -> Callable[..., Any]:
    """Leaves the object alone and says so."""
    return lambda scan, start, progress: replace(start, notes=(*start.notes, "refined by everything"))


def command(word: str) -> None:
    """Print a word."""
    typer.echo(f"everything says {word}")


@dataclass(frozen=True)
class Everything:
    """A plugin module that implements every hook; what was called of it, in order; what its observers were told."""

    module: ModuleType
    calls: list[str]
    records: list[Any]


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Everything:
    """It registers factories of ours under its own name."""
    calls: list[str] = []
    records: list[Any] = []

    def noted(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(what)
            return function(*arguments, **options)

        return call

    installed = Host.discover()
    factories = {kind: installed.find(kind, name, backend_of(kind)).load() for kind, name in OURS.items()}
    factories |= {
        "refiner": refiner,
        "dataset": lambda: lambda: load_scan(tmp_path / "scan.every", host=Host([module])),
        "network": lambda: lambda: tmp_path / "run",
        "command": command,
    }
    module = ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, module)
    for kind, factory in factories.items():
        setattr(module, kind, noted(kind, factory))
        setattr(module, PLURALS[kind], hookimpl(noted(PLURALS[kind], registering(kind))))
    for hook in OBSERVERS:
        setattr(module, hook, hookimpl(noted(hook, lambda record: records.append(record))))
    return Everything(module, calls, records)


def backend_of(kind: str) -> str | None:
    return "torch" if kind in ("generator", "loss", "clipper", "engine") else None


def registering(kind: str) -> Callable[[], list[Any]]:
    own = {"suffixes": (".every",)} if kind in ("reader", "writer") else {}
    descriptor = KINDS[kind](MODULE, summary="Everything.", target=f"{MODULE}:{kind}", backend=backend_of(kind), **own)
    return lambda: [descriptor]


@pytest.mark.slow
def test_one_plugin_can_do_everything(
    everything: Everything, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = Host([everything.module])
    assert not host.problems

    scan = simulate(MODULE, {"size": 96, "pixels": 32}, host=host)
    write_scan(scan, tmp_path / "scan.every", host=host)
    train(
        {
            "data": {"source": MODULE},
            "generator": {"name": MODULE, "width": 4, "modes": 4, "blocks": 1},
            "loss": MODULE,
            "clip": MODULE,
            "stitch": MODULE,
            "refiner": MODULE,
            "engine": {"name": MODULE, "threads": 1},
            "train": {"epochs": 2},
        },
        out=tmp_path / "run",
        host=host,
    )
    assert Run.open(MODULE, host=host).path == tmp_path / "run"
    capsys.readouterr()
    typer_command(host.find("command", MODULE)).main(["hello"], standalone_mode=False)

    assert capsys.readouterr().out == "everything says hello\n"
    assert set(everything.calls) == {*HOOKS, *KINDS}
    assert [type(record) for record in everything.records] == [
        RunStarted, EpochFinished, EpochFinished, ReconstructionReady, RunFinished
    ]  # fmt: skip
    assert "refined by everything" in everything.records[3].reconstruction.notes
