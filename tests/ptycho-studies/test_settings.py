"""Settings: the defaults are those of the published experiments; presets, flags and mistakes."""

from __future__ import annotations

import pytest
from typer.main import get_command

from ptycho_host.errors import ConfigError, InputError
from ptycho_studies.commands import app
from ptycho_studies.grid_lines.settings import GridLines
from ptycho_studies.shootout.settings import Shootout


def test_the_paper_preset_has_the_published_settings() -> None:
    settings = GridLines.preset("paper")
    assert settings == GridLines()
    assert (settings.pixels, settings.gridsize, settings.size, settings.segments) == (64, 1, 392, 400)
    assert (settings.offset, settings.train_outer_offset, settings.test_outer_offset) == (4, 8, 20)
    assert (settings.train_images, settings.test_images, settings.photons) == (2, 2, 1e9)
    assert (settings.epochs, settings.batch_size, settings.loss) == (60, 16, "mae")
    assert (settings.probe_smoothing, settings.probe_scale, settings.phase) == (0.5, "pad_preserve", False)
    assert settings.arms == ("pinn", "baseline", "fno", "hybrid", "stable_hybrid")
    stage_a = Shootout.preset("paper")
    assert (stage_a.depths, stage_a.epochs, stage_a.loss, stage_a.photons) == ((4, 6, 8), 50, "mae", 1e9)
    assert len(stage_a.networks) * len(stage_a.lifts) == 8
    assert len(stage_a.seeds) > 1


def test_a_flag_overrides_the_preset_and_mistakes_are_named() -> None:
    assert GridLines.preset("quick", epochs=3).epochs == 3
    assert GridLines.preset("quick", epochs=None) == GridLines.preset("quick")
    with pytest.raises(InputError, match=r"no preset 'quik'\. Did you mean 'quick'"):
        GridLines.preset("quik")
    with pytest.raises(ConfigError, match="option 'gridsize' of the study"):
        GridLines.preset(gridsize=0)


def test_every_setting_is_a_flag() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name, settings in (("grid-lines", GridLines), ("shootout", Shootout)):
        parameters = {parameter.name: parameter for parameter in commands[name].params}
        assert {"preset", "out", "workers", *settings.model_fields} <= parameters.keys()
        for field, described in settings.model_fields.items():
            assert described.description is not None
            assert described.description in str(parameters[field].help)
            assert parameters[field].default is None, "what is not given is left to the preset"
