"""Sums of losses as users write them, and where the options of each term stand."""

from __future__ import annotations

import pytest

from ptycho_host.config import ComponentChoice
from ptycho_host.errors import ConfigError
from ptycho_host.loss_terms import parse_terms, term_options


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("poisson", ((1.0, "poisson"),)),
        ("mae+0.1*tv", ((1.0, "mae"), (0.1, "tv"))),
        ("  2 * mae  +  .5*tv ", ((2.0, "mae"), (0.5, "tv"))),
        ("1e-3*mae", ((1e-3, "mae"),)),
        ("1e+3*mae+2E+1*tv", ((1e3, "mae"), (20.0, "tv"))),
        ("ptycho-losses:mae+my_loss", ((1.0, "ptycho-losses:mae"), (1.0, "my_loss"))),
    ],
)
def test_a_sum_is_read_as_weights_and_names(text, terms):
    assert parse_terms(text) == terms


@pytest.mark.parametrize(
    "text", ["", "+mae", "mae+", "mae++tv", "-0.1*tv", "0*mae", "1.2.3*mae", "inf*mae", "1e999*mae", "mae*2", "3"]
)
def test_what_is_no_sum_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match=r"is not a term; write a sum such as mae\+0\.1\*tv"):
        parse_terms(text)


def test_a_term_may_stand_once_only():
    with pytest.raises(ConfigError, match="names a term twice"):
        parse_terms("mae+0.1*mae")


def options(name, **given):
    return term_options(ComponentChoice(name=name, options=given))


def test_a_single_loss_has_its_options_beside_the_name_or_under_its_own():
    assert options("poisson", reduction="sum") == {"poisson": {"reduction": "sum"}}
    assert options("poisson", poisson={"reduction": "sum"}) == {"poisson": {"reduction": "sum"}}
    assert options("poisson") == {"poisson": {}}


def test_terms_of_a_sum_have_tables():
    assert options("mae+0.1*tv", tv={"power": 2}) == {"mae": {}, "tv": {"power": 2}}


def test_an_option_of_a_sum_without_its_term_is_refused_with_the_place_to_write_it():
    with pytest.raises(ConfigError, match=r"write option 'power' as loss\.mae\.power"):
        options("mae+0.1*tv", power=2)


def test_no_option_is_dropped_in_silence():
    with pytest.raises(ConfigError, match=r"write option 'power' as loss\.mae\.power"):
        options("mae", mae={"power": 2}, power=3)


def test_a_weight_given_as_an_option_is_refused():
    with pytest.raises(ConfigError, match="'tv' is a term"):
        options("mae+tv", tv=0.1)
