"""The report is one well-formed, self-contained file in which nothing from a run can be mistaken for markup."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

from ptycho_host.report.page import PageFigure, flattened, render_page

VOID = {"meta", "img", "link", "br", "hr"}
METRICS = {"amplitude": {"ssim": 0.9}, "phase": {"ssim": None, "reasons": {"ssim": "the true phase is flat"}}}


class Outline(HTMLParser):
    """Collects tags, attributes and text, and fails on tags that do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())


def page() -> str:
    return render_page(
        "scan <b> & co",
        {"run": METRICS},
        subtitle="torch, seed 1",
        figures=[PageFigure("Object", b"\x89PNG not really", "the <i>region</i>")],
        notes=["<script>alert(1)</script>"],
        config='[generator]\nname = "a<b"\n',
        environment={"python": "3.11", "packages": {"torch": "2.13.0"}, "argv": ["a", "b"]},
    )


def test_everything_given_is_on_the_page() -> None:
    text = Outline(page()).text
    for expected in (
        "scan <b> & co", "torch, seed 1", "0.9000", "the true phase is flat", "the <i>region</i>",
        "<script>alert(1)</script>", "packages.torch", "2.13.0", "a, b",
    ):  # fmt: skip
        assert expected in text
    assert '[generator]\nname = "a<b"' in text


def test_nothing_is_loaded_and_nothing_runs() -> None:
    outline = Outline(page())
    assert not {"script", "link", "iframe", "object", "i"} & {tag for tag, _ in outline.tags}
    sources = [attributes["src"] for _, attributes in outline.tags if "src" in attributes]
    assert sources == ["data:image/png;base64," + base64.b64encode(b"\x89PNG not really").decode()]
    assert not any("href" in attributes for _, attributes in outline.tags)
    assert not re.search(r"https?://|@import|url\(", page())


def test_page_adapts_to_dark_screens_and_parts_without_content_are_absent() -> None:
    assert "prefers-color-scheme: dark" in page()
    bare = Outline(render_page("t", {"a": METRICS, "b": METRICS}))
    assert {"a", "b"} <= set(bare.text)
    assert "Figures" not in bare.text
    assert "Configuration" not in bare.text
    assert "dl" not in {tag for tag, _ in bare.tags}


def test_nested_values_become_dotted_names() -> None:
    assert flattened({"a": {"b": {"c": 1}}, "d": [1, 2]}) == [("a.b.c", "1"), ("d", "1, 2")]
