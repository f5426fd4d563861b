"""A factory's keyword-only parameters become options that are listed, checked and written to TOML."""

from __future__ import annotations

import importlib
import tomllib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import pytest
import tomli_w
from pydantic import BaseModel, ConfigDict, Field

from ptycho_host.components import Generator, Stitcher
from ptycho_host.configured import configure
from ptycho_host.errors import BrokenComponentError, OptionError
from ptycho_host.options import Option, OptionSchema
from ptycho_host.plugins import Host

if TYPE_CHECKING:
    from a_package_for_type_checkers import Network

Width = Annotated[int, Field(ge=1, le=512, description="channels of the widest layer")]


class Probe(BaseModel):
    model_config = ConfigDict(extra="forbid")

    shape: Annotated[Literal["disc", "gaussian"], Field(description="outline")] = "disc"
    diameter: Annotated[float | None, Field(gt=0, description="pixels")] = None


class Built(dict):
    """What a factory was given; something that can be called, as a generator is."""

    def __call__(self, inputs): ...


def network(
    shape: tuple[int, int] = (8, 8),
    *,
    width: Width = 32,
    head: Annotated[Literal["real_imag", "amp_phase"], Field(description="last layer")] = "real_imag",
    scale: Annotated[float, Field(gt=0, lt=1, description="start")] = 1e-3,
    shared: Annotated[bool, Field(description="one transform for all blocks")] = False,
    limit: Annotated[int | None, Field(ge=1, description="most channels")] = None,
    modes: Annotated[tuple[int, ...], Field(description="a side")] = (8, 8),
    start: Annotated[Path | None, Field(description="weights to begin with")] = None,
    probe: Probe = Probe(),  # noqa: B008 - a frozen default
) -> Network:
    return Built(locals())


def schema(factory=network, owner="generator 'net'"):
    return OptionSchema(factory, owner)


# --- listing ---------------------------------------------------------------------------------------------------


def test_every_option_is_listed_with_type_default_bounds_and_description():
    assert schema().describe() == [
        Option("width", "int", "32", "≥ 1, ≤ 512", "channels of the widest layer"),
        Option("head", "real_imag | amp_phase", "real_imag", "", "last layer"),
        Option("scale", "float", "0.001", "> 0, < 1", "start"),
        Option("shared", "bool", "false", "", "one transform for all blocks"),
        Option("limit", "int | none", "none", "≥ 1", "most channels"),
        Option("modes", "tuple[int, ...]", "(8, 8)", "", "a side"),
        Option("start", "Path | none", "none", "", "weights to begin with"),
        Option("probe.shape", "disc | gaussian", "disc", "", "outline"),
        Option("probe.diameter", "float | none", "none", "> 0", "pixels"),
    ]


def test_an_option_without_default_is_required():
    def needs(*, path: str): ...

    assert schema(needs).describe() == [Option("path", "str", "required", "", "")]
    with pytest.raises(OptionError, match=r"generator 'net' needs option 'path'\."):
        schema(needs).validate({})


def test_what_the_host_supplies_is_no_option():
    assert schema().supplied == 1
    assert "shape" not in [option.name for option in schema().describe()]


def test_an_annotated_part_of_a_union_is_shown_as_its_type():
    def build(*, modes: Width | None = None): ...

    assert schema(build).describe()[0].type == "int | none"


# --- checking --------------------------------------------------------------------------------------------------


def test_given_values_and_defaults_make_the_options():
    options = schema().validate({"width": 8, "probe": {"diameter": 3}, "modes": [4, 2]})
    assert (options.width, options.modes, options.scale) == (8, (4, 2), 1e-3)
    assert options.probe == Probe(diameter=3.0)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"widht": 3},
            "generator 'net' has no option 'widht'. Did you mean 'width'? Valid options: 'width', 'head', 'scale', ",
        ),
        (
            {"probe": {"diametre": 3}},
            "'probe.diametre'. Did you mean 'probe.diameter'? Valid options: 'probe.shape', 'probe.diameter'.",
        ),
        ({"width": 0}, "option 'width' of generator 'net': input should be greater than or equal to 1, not 0."),
        ({"width": 600}, "option 'width' of generator 'net': input should be less than or equal to 512, not 600."),
        ({"width": 2.5}, "option 'width' of generator 'net': input should be a valid integer"),
        ({"width": "wide"}, "not 'wide'."),
        (
            {"head": "Real"},
            "option 'head' of generator 'net': input should be 'real_imag' or 'amp_phase', not 'Real'.",
        ),
        ({"scale": float("nan")}, "option 'scale' of generator 'net': input should be"),
        ({"limit": 0}, "option 'limit' of generator 'net': input should be greater than or equal to 1, not 0."),
        ({"probe": {"diameter": -1}}, "option 'probe.diameter' of generator 'net': input should be greater than 0"),
        ({"probe": 3}, "option 'probe' of generator 'net'"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_accepted(values, sentence):
    with pytest.raises(OptionError) as caught:
        schema().validate(values)
    assert sentence in str(caught.value)


def test_all_wrong_values_are_named_at_once():
    with pytest.raises(OptionError, match=r"'width'.*'head'"):
        schema().validate({"width": 0, "head": "x"})


def test_a_component_without_options_says_so():
    with pytest.raises(OptionError, match=r"has no option 'width'\. It has no options\."):
        schema(lambda: None).validate({"width": 1})


# --- what a factory may be -------------------------------------------------------------------------------------


class Plain:
    def __init__(self, pixels: int, *, width: Width = 3) -> None:
        self.width = width


class Derived(Plain):
    pass


class Bare:
    pass


@dataclass(kw_only=True)
class Record:
    width: Width = 3


@pytest.mark.parametrize("factory", [Plain, Derived, Record, partial(network, width=3)])
def test_classes_dataclasses_and_partials_have_options(factory):
    width = schema(factory).describe()[0]
    assert (width.name, width.type, width.default, width.bounds) == ("width", "int", "3", "≥ 1, ≤ 512")
    with pytest.raises(OptionError, match="width"):
        schema(factory).validate({"width": 0})


def test_fields_of_a_dataclass_keep_the_meaning_that_they_have_in_their_own_module(tmp_path, monkeypatch):
    """Names are looked up where a field stands, though the constructor is written where the last class stands."""
    monkeypatch.syspath_prepend(str(tmp_path))
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    for name, text in {
        "lab_base": "Width = int\n@dataclass(kw_only=True)\nclass Base:\n    width: Width = 3\n",
        "lab_net": "from lab_base import Base\nWidth = str\n@dataclass(kw_only=True)\nclass Net(Base):\n"
        "    head: Width = 'x'\nclass Named(Net):\n    pass\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(head + text)
    module = importlib.import_module("lab_net")
    for factory in (module.Net, module.Named):
        assert [(option.name, option.type) for option in schema(factory).describe()] == [
            ("width", "int"), ("head", "str"),
        ]  # fmt: skip


def test_a_class_without_constructor_has_no_options():
    assert schema(Bare).describe() == []


def anything(**options): ...
def unannotated(*, width=3): ...
def unknown_type(*, width: Network | None = None): ...
def no_schema(*, width: complex | Bare = 1j): ...
def underscored(*, _width: int = 3): ...


@pytest.mark.parametrize(
    ("factory", "wrong"),
    [
        (anything, r"it takes \*\*arguments; options must be listed as keyword-only parameters"),
        (unannotated, "parameter 'width' has no type annotation"),
        (unknown_type, "'Network' is not defined"),
        (no_schema, "Bare"),
        (underscored, "_width"),
    ],
)
def test_a_factory_whose_options_cannot_be_read_is_a_broken_component(factory, wrong):
    with pytest.raises(BrokenComponentError, match=wrong) as caught:
        schema(factory)
    assert "generator 'net'" in str(caught.value)


# --- building and writing --------------------------------------------------------------------------------------


@pytest.fixture
def host(make_plugin, make_module):
    make_module("toy", network=network, alone=lambda: Built(), junk=lambda: "junk")
    return Host([
        make_plugin(
            "lab",
            ptycho_generators=[
                Generator("net", summary="", target="toy:network", backend="torch"),
                Generator("alone", summary="", target="toy:alone", backend="torch"),
                Generator("junk", summary="", target="toy:junk", backend="torch"),
            ],
            ptycho_stitchers=[Stitcher("half", summary="", target="toy:alone")],
        )
    ])  # fmt: skip


def test_a_component_is_built_from_its_options_and_what_the_host_supplies(host):
    built = configure(host, "generator", "net", {"width": 5, "probe": {"shape": "gaussian"}}).build((64, 64), "more")
    assert (built["shape"], built["width"], built["probe"]) == ((64, 64), 5, Probe(shape="gaussian"))


def test_a_factory_that_takes_nothing_is_supplied_with_nothing(host):
    assert configure(host, "generator", "alone").build((64, 64)) == {}


def test_what_is_none_of_its_kind_is_the_fault_of_its_factory(host):
    with pytest.raises(BrokenComponentError, match=r"generator 'junk' \(lab\).* returned str, where a function"):
        configure(host, "generator", "junk").build()
    with pytest.raises(BrokenComponentError, match=r"stitcher 'half' \(lab\).* returned Built, where PatchStitcher"):
        configure(host, "stitcher", "half").build()


def test_options_survive_toml(host):
    given = {"width": 5, "scale": 0.1, "shared": True, "modes": [1, 2, 3], "start": "w.st", "probe": {"diameter": 7.5}}
    first = configure(host, "generator", "net", given)
    table = tomllib.loads(tomli_w.dumps(first.as_table()))
    assert table == {"name": "net", "head": "real_imag", **given, "probe": {"shape": "disc", "diameter": 7.5}}
    del table["name"]
    again = configure(host, "generator", "net", table)
    assert again.options.model_dump() == first.options.model_dump()
    assert again.options.start == Path("w.st")
