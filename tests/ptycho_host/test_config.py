"""Layers of the configuration, `--set`, TOML there and back, and sentences for what does not hold."""

from __future__ import annotations

import tomllib

import pytest

from ptycho_host.config import RunConfig, TrainOptions, from_table, resolve
from ptycho_host.errors import ConfigError


@pytest.fixture
def toml(tmp_path):
    def write(text: str):
        path = tmp_path / "run.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


# --- layers ----------------------------------------------------------------------------------------------------


def test_nothing_given_is_the_defaults():
    assert resolve() == RunConfig()


def test_settings_win_over_flags_over_toml_over_defaults(toml):
    path = toml("seed = 1\n[train]\nepochs = 1\nbatch_size = 1\nlearning_rate = 0.1\n")
    flags = {"seed": None, "train": {"epochs": 2, "batch_size": 2}}
    config = resolve(path, flags, ["train.epochs=3"])
    assert (config.train.epochs, config.train.batch_size, config.train.learning_rate) == (3, 2, 0.1)
    assert config.seed == 1
    assert config.train.optimiser == RunConfig().train.optimiser


def test_later_settings_win():
    assert resolve(settings=["train.epochs=3", "train.epochs=4"]).train.epochs == 4


def test_options_of_one_component_add_up_over_the_layers(toml):
    path = toml('[generator]\nname = "fno"\nwidth = 8\nmodes = 4\n')
    config = resolve(path, {"generator": None}, ["generator.width=16"])
    assert config.generator.as_table() == {"name": "fno", "width": 16, "modes": 4}


def test_naming_another_component_forgets_the_options_of_the_one_below(toml):
    path = toml('[generator]\nname = "fno"\nwidth = 8\n')
    assert resolve(path, {"generator": "hybrid"}).generator.as_table() == {"name": "hybrid"}
    assert resolve(path, {"generator": "fno"}).generator.as_table() == {"name": "fno", "width": 8}
    config = resolve(path, {"generator": "hybrid"}, ["generator.modes=3"])
    assert config.generator.as_table() == {"name": "hybrid", "modes": 3}
    assert resolve(path, settings=["generator=uno", "generator.width=1"]).generator.as_table() == {
        "name": "uno",
        "width": 1,
    }


def test_options_without_a_name_go_to_the_default_component():
    assert resolve(settings=["generator.width=48"]).generator.as_table() == {"name": "unrolled", "width": 48}


def test_the_engine_may_have_options_without_a_name():
    config = resolve(flags={"engine": {"device": "cpu"}}, settings=["engine.threads=2"])
    assert config.engine is not None
    assert config.engine.as_table() == {"device": "cpu", "threads": 2}


def test_options_may_stand_beside_the_name_or_in_a_table_of_their_own():
    beside = from_table({"generator": {"name": "fno", "width": 8}})
    apart = from_table({"generator": {"name": "fno", "options": {"width": 8}}})
    assert beside == apart


# --- settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("48", 48), ("-3", -3), ("0.5", 0.5), ("1e-3", 1e-3), ("1_000", 1000), ("true", True), ("false", False),
        ("log1p", "log1p"), ('"48"', "48"), ("a b", "a b"), (" spaced ", "spaced"), ("", ""), ("[1, 2]", [1, 2]),
        ('["a", "b"]', ["a", "b"]), ("{ a = 1 }", {"a": 1}), ("k=v", "k=v"), ("/data/scan.npz", "/data/scan.npz"),
    ],
)  # fmt: skip
def test_a_setting_is_read_as_toml_or_else_as_text(text, value):
    assert resolve(settings=[f"generator.option={text}"]).generator.options == {"option": value}


def test_a_setting_reaches_nested_tables():
    settings = ["simulator.scan.step=8", "simulator.scan.pattern=spiral", "simulator.probe.shape=disc"]
    assert resolve(settings=settings).simulator.options == {
        "scan": {"step": 8, "pattern": "spiral"},
        "probe": {"shape": "disc"},
    }


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("generator.width", "--set takes KEY=VALUE such as generator.width=48, not 'generator.width'."),
        ("", "--set takes KEY=VALUE"),
        ("=3", "--set takes KEY=VALUE"),
        ("generator.=3", "--set takes KEY=VALUE"),
        (".width=3", "--set takes KEY=VALUE"),
        ("generater.width=3", "there is no section 'generater'. Did you mean 'generator'"),
        ("train.epoch=3", "has no option 'train.epoch'. Did you mean 'train.epochs'? Valid options: 'train.epochs',"),
        ("data.sorce=x", "has no option 'data.sorce'. Did you mean 'data.source'? Valid options: 'data.source',"),
        ("train.epochs=0", "option 'train.epochs' of the run configuration: input should be greater than or equal"),
        ("train.epochs=many", "option 'train.epochs' of the run configuration: input should be a valid integer"),
        ("train.epochs=1.5", "option 'train.epochs'"),
        ("train.optimiser=AdamW", "input should be 'adam', 'adamw' or 'sgd', not 'AdamW'."),
        ("train.learning_rate=inf", "option 'train.learning_rate' of the run configuration: input should be a finite"),
        ("train.learning_rate=nan", "option 'train.learning_rate'"),
        ("seed=-1", "option 'seed' of the run configuration: input should be greater than or equal to 0, not -1."),
        ("seed=4294967296", "option 'seed' of the run configuration: input should be less than 4294967296"),
        ("train=5", "option 'train' of the run configuration"),
        ("generator=5", "option 'generator' of the run configuration"),
        ("generator.name=5", "option 'generator.name' of the run configuration: input should be a valid string"),
        ("data.reader=5", "option 'data.reader' of the run configuration"),
    ],
)
def test_a_setting_that_does_not_hold_is_named_with_what_would(setting, sentence):
    with pytest.raises(ConfigError) as caught:
        resolve(settings=[setting])
    assert sentence in str(caught.value)


def test_options_that_are_no_table_are_refused():
    with pytest.raises(ConfigError, match="'options' must be a table of options"):
        resolve(settings=["generator.options=5", "generator.width=3"])


def test_mistakes_in_two_sections_are_both_named_with_their_own_remedy():
    with pytest.raises(ConfigError) as caught:
        resolve(settings=["train.epoch=3", "data.limt=3"])
    message = str(caught.value)
    assert "'data.limt'. Did you mean 'data.limit'? Valid options: 'data.source', 'data.probe_from'," in message
    assert "'train.epoch'. Did you mean 'train.epochs'? Valid options: 'train.epochs'," in message


# --- TOML ------------------------------------------------------------------------------------------------------

FULL = """
backend = "torch"
seed = 7
[data]
source = "scan.npz"
limit = 100
[data.reader]
name = "npz"
strict = true
[generator]
name = "lab:net"
widths = [8, 16]
[generator.head]
kind = "real_imag"
[loss]
name = "mae+0.1*tv"
[loss.tv]
weight = 0.5
[refiner]
name = "epie"
[engine]
device = "cpu"
[train]
time_limit = 60.0
[observers.mlflow]
server = "http://lab"
"""


def test_the_configuration_survives_toml(toml):
    config = resolve(toml(FULL))
    written = config.as_toml()
    assert tomllib.loads(written)["seed"] == 7
    assert resolve(toml(written)) == config
    assert config.data.reader is not None
    assert config.data.reader.as_table() == {"name": "npz", "strict": True}
    assert tomllib.loads(written)["generator"] == tomllib.loads(FULL)["generator"]
    assert tomllib.loads(written)["observers"] == {"mlflow": {"server": "http://lab"}}


def test_the_defaults_survive_toml(toml):
    assert resolve(toml(RunConfig().as_toml())) == RunConfig()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[train\nepochs = 3\n", "cannot be read as TOML: Expected ']' at the end of a table declaration (at line 1"),
        ("seed = 1\nseed = 2\n", "line 2"),
        ("[trian]\nepochs = 3\n", "has no option 'trian'. Did you mean 'train'? Valid options: 'backend', 'seed',"),
        ("[train]\nepochs = '3 or 4'\n", "option 'train.epochs' of the run configuration"),
    ],
)
def test_a_file_that_does_not_hold_is_named_with_what_is_wrong(toml, text, sentence):
    with pytest.raises(ConfigError) as caught:
        resolve(toml(text))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "text", ["seed = " + "[" * 5000, "generator." + "a." * 3000 + "a = 1", "[" + "a." * 3000 + "a]"]
)
def test_nesting_without_end_is_refused(toml, text):
    with pytest.raises(ConfigError, match=r"run\.toml has values inside values without end; mend it there"):
        resolve(toml(text))
    if "=" in text:
        with pytest.raises(ConfigError):
            resolve(settings=[f"train.epochs={text.partition('= ')[2]}", text.replace(" ", "")])


def test_a_setting_without_its_section_is_answered_with_the_section(toml):
    with pytest.raises(ConfigError, match=r"has no option 'epochs'. Did you mean 'train\.epochs'"):
        resolve(toml("epochs = 3\n"))


def test_an_unknown_section_is_answered_with_sections_only(toml):
    with pytest.raises(ConfigError) as caught:
        resolve(toml("[trian]\n"))
    assert "train.epochs" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no configuration file .*missing\.toml"):
        resolve(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        resolve(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\x93NUMPY")
    with pytest.raises(ConfigError, match=r"binary\.toml cannot be read as TOML"):
        resolve(tmp_path / "binary.toml")


def test_the_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().train.epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("options", "patterns", "epochs"),
    [
        ({}, 1_000, 10),
        ({}, 10_001, 1),
        ({}, 3, 200),
        ({"epochs": 7}, 1_000, 7),
        ({"time_limit": 60.0}, 1_000, None),
        ({"time_limit": 60.0, "epochs": 7}, 1_000, 7),
    ],
)
def test_small_scans_are_seen_more_often_than_large_ones(options, patterns, epochs):
    assert TrainOptions(**options).epochs_for(patterns) == epochs
