"""The points of a sweep, what is refused before anything runs, and a sweep that is interrupted and extended."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ptycho_host.errors import ConfigError, InputError
from ptycho_studies.parallel_coordinates import Column, parallel_coordinates
from ptycho_studies.sweep import sweep
from ptycho_studies.sweep_file import SweepFile, arm_name
from ptycho_studies.sweep_settings import SweepSettings
from ptycho_studies.sweep_space import grid, parse_space, sample

TINY = """
[simulator]
name = "lines"
size = 56
pixels = 32
scan = { step = 8.0 }
[train]
epochs = 1
[engine]
threads = 1
device = "cpu"
[generator]
name = "stable_hybrid"
modes = 4
blocks = 2
[sweep]
"""


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    return str(path)


def test_grid_holds_every_combination_once():
    points = grid(parse_space({"generator": {"width": [8, 16]}, "loss.name": ["mae", "poisson", "mse"]}))
    assert len(points) == 6
    assert points[0] == {"generator.width": 8, "loss.name": "mae"}
    assert len({tuple(point.values()) for point in points}) == 6


def test_ranges_are_spaced_as_they_say():
    space = parse_space({"a": {"low": 1e-4, "high": 1e-2, "count": 3, "spacing": "log"}, "b": {"low": 1, "high": 9}})
    assert space["a"].for_grid("a") == pytest.approx((1e-4, 1e-3, 1e-2))
    assert parse_space({"b": {"low": 1, "high": 4, "count": 9}})["b"].for_grid("b") == (1, 2, 3, 4)
    with pytest.raises(ConfigError, match="'b' needs a count"):
        grid(space)


def test_random_points_are_distinct_and_follow_the_seed():
    space = parse_space({"a": [1, 2, 3], "b": {"low": 0.5, "high": 1.5}, "c": {"low": 4, "high": 7}})
    points = sample(space, 20, seed=3)
    assert points == sample(space, 20, seed=3)
    assert points != sample(space, 20, seed=4)
    assert len({tuple(point.values()) for point in points}) == 20
    assert all(0.5 <= point["b"] <= 1.5 and point["c"] in (4, 5, 6, 7) for point in points)


def test_logarithmic_draws_are_uniform_over_decades():
    space = parse_space({"rate": {"low": 1e-6, "high": 1e2, "spacing": "log"}})
    drawn = [point["rate"] for point in sample(space, 2000, seed=0)]
    # Half of them below the middle of the decades, 1e-2, to four standard deviations of a fair coin.
    assert sum(rate < 1e-2 for rate in drawn) == pytest.approx(1000, abs=4 * (2000 / 4) ** 0.5)


def test_random_points_can_exhaust_a_space_and_no_more():
    space = parse_space({"a": [1, 2, 3], "b": ["x", "y"]})
    assert len(sample(space, 6, seed=0)) == 6
    with pytest.raises(ConfigError, match="6 combinations, fewer than the 7"):
        sample(space, 7, seed=0)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, "is empty"),
        ({"a": []}, "no value for 'a'"),
        ({"a": 3}, "a list or a range for 'a', not 3"),
        ({"a": {"low": 2, "high": 1}}, "'high' of the range of 'a'.*above low"),
        ({"a": {"low": 0, "high": 1, "spacing": "log"}}, "'spacing' of the range of 'a'.*low above 0"),
        ({"a": {"low": 0, "high": 1, "step": 1}}, "no option 'step'"),
        ({"a": {"low": "0", "high": 1}}, "'low'.*finite number"),
        ({"a.b": [1], "a": {"b": [2]}}, "'a.b' twice"),
    ],
)
def test_spaces_that_do_not_hold_are_refused(table, told):
    with pytest.raises(ConfigError, match=told):
        parse_space(table)


def test_the_published_sweep_has_54_networks(host):
    file = SweepFile.load("paper")
    arms = [file.arm(point) for point in grid(file.space)]
    assert len({arm.name for arm in arms}) == 54
    configs = [arm.planned(host) for arm in (arms[0], arms[-1])]
    assert [config.generator.name for config in configs] == ["hybrid", "fno"]
    assert [config.generator.options[name] for config in configs for name in ("modes", "width")] == [12, 32, 24, 64]
    assert {config.train.epochs for config in configs} == {20}


def test_options_of_the_file_hold_for_every_named_component(tmp_path):
    file = SweepFile.load(written(tmp_path, TINY + '"generator.name" = ["hybrid", "fno"]'))
    for point in grid(file.space):
        assert file.arm(point).config["generator"]["options"] == {"modes": 4, "blocks": 2}


def test_arm_names_are_folders_and_differ():
    assert arm_name({"generator.name": "fno", "generator.width": 32, "seed": 3}) == "fno+width=32"
    odd, other = (arm_name({"data.source": path}) for path in ("/a/b.h5", "/a-b.h5"))
    assert odd != other
    assert "/" not in odd


@pytest.mark.parametrize(
    ("varied", "told"),
    [
        ('"generator.widht" = [4]', r"\[sweep\] at generator.widht=4: .*no option 'widht'.*'width'"),
        ('"generater.width" = [4]', "no option 'generater'"),
        ('"generator.name" = ["stable_hybrid", "fnoo"]', "no generator named 'fnoo'"),
        ('"generator.width" = [4, "wide"]', "at generator.width=wide: option 'width'"),
        ('"train.epochs" = [1, 0]', "at train.epochs=0: option 'train.epochs'"),
    ],
)
def test_what_no_configuration_has_is_refused_before_anything_is_written(tmp_path, host, varied, told):
    settings = SweepSettings(config=written(tmp_path, TINY + varied))
    with pytest.raises(InputError, match=told):
        sweep(settings, tmp_path / "out", host=host)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "told"), [("[train]\nepochs = 1", r"no table \[sweep\]"), ("[sweep", "cannot be read as TOML")]
)
def test_files_that_are_no_sweep_are_refused(tmp_path, text, told):
    with pytest.raises(ConfigError, match=told):
        SweepFile.load(written(tmp_path, text))
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        SweepFile.load("nowhere.toml")


def test_the_figure_has_a_line_a_training_the_best_on_top_and_failures_dashed():
    columns = [
        Column("width", [8, 16, 8, 16], is_option=True),
        Column("SSIM", [0.2, 0.9, None, 0.5]),
    ]
    figure = parallel_coordinates(columns, [0.2, 0.9, None, 0.5], "SSIM")
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) and line.get_zorder() < 3]
    assert [line.get_linestyle() for line in lines] == ["--", "-", "-", "-"]
    # The failed training has an option but no result; the others end at their results, lowest to highest.
    assert [len(line.get_xdata()) for line in lines] == [1, 2, 2, 2]
    ends = [line.get_ydata()[-1] for line in lines[1:]]
    assert ends == sorted(ends)
    assert (ends[0], ends[-1]) == (0, 1)


@pytest.mark.slow
def test_a_sweep_keeps_what_is_done_and_trains_what_is_new(tmp_path, host):
    folder = tmp_path / "out"
    sweep(SweepSettings(config=written(tmp_path, TINY + '"generator.width" = [4]')), folder, host=host)
    (first,) = folder.glob("arms/*/seed0/metrics.json")
    before = first.read_bytes()
    result = sweep(SweepSettings(config=written(tmp_path, TINY + '"generator.width" = [4, 8]')), folder, host=host)
    assert first.read_bytes() == before
    assert [row["generator.width"] for row in result.rows] == [4, 8]
    assert result.rows[1]["parameters"] > result.rows[0]["parameters"]
    with (folder / "table.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(line["phase_ssim"]) for line in table] == [row["phase_ssim"] for row in result.rows]
    assert (folder / "figures" / "parallel-coordinates.png").is_file()
