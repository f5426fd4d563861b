"""The page of a comparison is self-contained, holds its data, and nothing in it can be mistaken for markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np

from ptycho_host.metrics.comparison import ComparedScan, Comparison, Judgement, ranked
from ptycho_host.metrics.region import Region
from ptycho_host.report.comparison_page import render_comparison
from ptycho_host.report.page import PageFigure

EVIL = "</script><script>alert(1)</script>"


def comparison() -> Comparison:
    def judged(ssim: float | None, name: str, seed: int) -> Judgement:
        metrics = {"phase": {"ssim": ssim, **({} if ssim is not None else {"reasons": {"ssim": "<i>no</i> phase"}})}}
        return Judgement(name, seed, 0, metrics, np.ones((4, 4), np.complex64))

    rows, criterion = ranked(
        {EVIL: [judged(0.5, "runs/<a>", 0), judged(0.75, "runs/b", 1)], "failed": [judged(None, "x.h5", 0)]}
    )
    scans = (ComparedScan("lines", "simulated: lines, seed 0", Region((1, 3), (0, 4)), np.ones((4, 4))),)
    return Comparison(rows, criterion, scans, ("<b>a remark</b>",), register=True)


class Outline(HTMLParser):
    """Collects tags, text and the content of scripts, and fails on tags that do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if "script" in self.open else self.text).append(data.strip())


def page() -> str:
    return render_comparison(comparison(), [PageFigure("Phase", b"\x89PNG", "caption")], {"python": "3.11"})


def test_everything_is_on_the_page_as_text() -> None:
    text = Outline(page()).text
    for expected in (
        "<b>a remark</b>", f"{EVIL}, 2 runs", "– Phase of failed: <i>no</i> phase", "caption", "3.11",
        f"{EVIL}, 2 runs: runs/<a>, runs/b", "0.6250", "± 0.1768",
    ):  # fmt: skip
        assert expected in text
    assert any("rows 1 to 3 and columns 0 to 4" in part for part in text)
    assert any("amplitude scale, constant phase, shift." in part for part in text)


def test_nothing_is_loaded_and_only_our_script_runs() -> None:
    outline = Outline(page())
    assert not {"link", "iframe", "object", "i", "b"} & {tag for tag, _ in outline.tags}
    assert [attributes for tag, attributes in outline.tags if tag == "script"] == [
        {"type": "application/json", "id": "comparison"}, {},
    ]  # fmt: skip
    assert outline.scripts[1].startswith('"use strict";')
    assert not re.search(r"https?://|@import|url\(", page())
    assert {(attributes["src"] or "")[:22] for tag, attributes in outline.tags if tag == "img"} == {
        "data:image/png;base64,"
    }
    policies = [attributes["content"] for tag, attributes in outline.tags if "http-equiv" in attributes]
    assert [(policy or "").split(";")[0] for policy in policies] == ["default-src 'none'"]


def test_the_data_travel_with_the_page() -> None:
    data = Outline(page()).scripts[0]
    assert json.loads(data) == json.loads(json.dumps(comparison().as_json()))


def test_cells_carry_the_numbers_to_sort_by() -> None:
    cells = [attributes for tag, attributes in Outline(page()).tags if tag == "td" and "data-value" in attributes]
    assert [cell["data-value"] for cell in cells] == ["1", "0.625", "", ""]
    assert cells[3]["title"] == "<i>no</i> phase"
    headers = [attributes for tag, attributes in Outline(page()).tags if "data-better" in attributes]
    assert [header["data-better"] for header in headers] == ["1"]


def test_each_row_has_its_panel_and_each_view_its_colours() -> None:
    tags = Outline(page()).tags
    views = [attributes["id"] for tag, attributes in tags if tag == "input"]
    assert views == ["show-amplitude", "show-phase", "show-amplitude-error", "show-phase-error"]
    panels = [attributes.get("data-row") for tag, attributes in tags if attributes.get("class") == "panel"]
    assert panels == [None, "0", "1"], "the truth first"
    alternatives = [attributes["alt"] for tag, attributes in tags if tag == "img" and attributes["alt"]]
    assert "Phase error of failed" in alternatives
    assert "Amplitude error of Truth" not in alternatives
    assert "4 × 2 object pixels." in " ".join(Outline(page()).text)
