"""What all suites check of descriptors and options: each defect is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from ptycho_host.errors import OptionError
from ptycho_host.plugins import Host
from ptycho_host.testing import StitcherConformance
from ptycho_stitchers.weighted_mean import build_probe_weighted

CHECKED = "test_every_choice_of_an_option_works"


def documented(*, weight: Annotated[float, Field(gt=0, description="Weight.")] = 1.0) -> Any:
    return build_probe_weighted()


def positional(weight: Annotated[float, Field(description="Weight.")] = 1.0) -> Any:
    return build_probe_weighted()


def undocumented(*, weight: Annotated[float, Field(gt=0)] = 1.0) -> Any:
    return build_probe_weighted()


def beyond_its_bounds(*, weight: Annotated[float, Field(gt=0, description="Weight.")] = 0.0) -> Any:
    return build_probe_weighted()


def no_type(*, weight=1.0) -> Any:
    return build_probe_weighted()


def lost_in_toml(*, limit: Annotated[float | None, Field(description="None: no limit.")] = 3.0) -> Any:
    return build_probe_weighted()


def a_choice_that_crashes(
    *, mode: Annotated[Literal["mean", "median"], Field(description="How patches are combined.")] = "mean"
) -> Any:
    if mode == "median":
        raise RuntimeError("not written yet")
    return build_probe_weighted()


def a_choice_that_is_refused(
    *, mode: Annotated[Literal["mean", "median"], Field(description="How patches are combined.")] = "mean"
) -> Any:
    if mode == "median":
        raise OptionError("stitch.mode=median needs more memory than there is; choose mean.")
    return build_probe_weighted()


DEFECTS: list[tuple[Callable[..., Any], dict[str, Any], str, str]] = [
    (positional, {}, "test_factory_takes_what_the_host_supplies", r"put options behind a '\*'"),
    (no_type, {}, "test_factory_takes_what_the_host_supplies", r"'weight' has no type annotation"),
    (undocumented, {}, "test_every_option_is_documented", r"does not describe 'weight'"),
    (beyond_its_bounds, {}, "test_defaults_keep_their_bounds", r"with the defaults of its options: OptionError"),
    (lost_in_toml, {"options": {"limit": None}}, "test_options_survive_toml", r"limit=None came back as limit=3.0"),
    (a_choice_that_crashes, {}, CHECKED, r"fails with mode=median: .*not written yet"),
    (documented, {"summary": " "}, "test_summary_is_one_line", r"needs a summary of one line"),
]


@pytest.mark.parametrize(
    ("build", "settings", "check", "sentence"), DEFECTS, ids=[f"{d[0].__name__}-{d[2]}" for d in DEFECTS]
)
def test_a_defect_is_found(
    trial: Callable[..., Any], build: Callable[..., Any], settings: dict[str, Any], check: str, sentence: str
) -> None:
    lab = trial(StitcherConformance, build, **settings)
    with pytest.raises(AssertionError, match=sentence) as failure:
        lab.check(check)
    assert str(failure.value).startswith("stitcher 'lab' (lab) ")


@pytest.mark.parametrize("check", sorted({defect[2] for defect in DEFECTS}))
def test_documented_options_pass(trial: Callable[..., Any], check: str) -> None:
    trial(StitcherConformance, documented).check(check)
    trial(StitcherConformance, a_choice_that_is_refused).check(check)


def test_a_target_that_cannot_be_imported(trial: Callable[..., Any]) -> None:
    lab = trial(StitcherConformance, 3)
    with pytest.raises(AssertionError, match="fails to be imported from 'lab_parts:build'"):
        lab.check("test_target_can_be_imported")


HEAVY_PLUGIN = """
import numpy
from ptycho_host import hookimpl
from ptycho_host.components import Stitcher

@hookimpl
def ptycho_stitchers():
    return [Stitcher("lab_heavy", summary="Imports NumPy to be listed.", target="lab_heavy.plugin:build")]

def build():
    return None
"""


def test_a_plugin_that_is_heavy_to_list(install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(install("lab-heavy", HEAVY_PLUGIN)))
    host = Host.discover()
    suite = StitcherConformance()
    with pytest.raises(AssertionError, match=r"makes 'ptycho plugins list' import 'numpy'"):
        suite.test_listing_imports_nothing_heavy(host.find("stitcher", "lab_heavy"))
    suite.test_listing_imports_nothing_heavy(host.find("stitcher", "grid"))
