"""The page of a comparison as its reader uses it, in headless Chromium: sorting, switching, zooming, no network."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from ptycho_host.metrics.comparison import ComparedScan, Comparison, Judgement, ranked
from ptycho_host.metrics.region import Region
from ptycho_host.report.comparison_page import render_comparison

SIDE = 48


def comparison() -> Comparison:
    """Three methods in whose figures the orders of numbers, texts and ranks differ, and one that failed."""
    rng = np.random.default_rng(0)
    truth = np.exp(1j * rng.uniform(-0.5, 0.5, (SIDE, SIDE))).astype(np.complex64)

    def judged(phase: float | None, mae: float, parameters: int | None, seed: int = 0) -> Judgement:
        noise = np.complex64(np.nan) if phase is None else 0.1 * rng.normal(size=truth.shape)
        metrics: dict[str, Any] = {
            "phase": {"ssim": phase, "mae": mae, "reasons": {"ssim": "it failed"}},
            "training": {"parameters": parameters},
        }
        obj = (truth * (1 + noise)).astype(np.complex64)
        return Judgement(f"runs/{parameters}-{seed}", seed, 0, metrics, obj)

    rows, criterion = ranked(
        {
            "b": [judged(0.9, 0.3, 9), judged(0.8, 0.3, 9, seed=1)],
            "a10": [judged(0.7, 0.1, 100)],
            "a9": [judged(0.6, 0.2, 1000)],
            "failed": [judged(None, 0.5, None)],
        }
    )
    return Comparison(rows, criterion, (ComparedScan("lines", "simulated", Region.whole(truth.shape), truth),))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Debian's chromium; nothing is downloaded. Where it is missing tests are skipped, but in CI they fail."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        message = "chromium is not installed: apt-get install chromium chromium-driver"
        if os.environ.get("CI") and not os.environ.get("WITHOUT_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    options = ChromeOptions()
    options.binary_location = str(programs[0])
    profile = tmp_path_factory.mktemp("profile")
    # As root, as in containers, the sandbox does not start, and containers have little shared memory.
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", f"user-data-dir={profile}"):
        options.add_argument(f"--{argument}")
    options.add_argument("--window-size=1400,1200")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=ChromeService(executable_path=str(programs[1])))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the page is."""
    page = tmp_path_factory.mktemp("page") / "comparison.html"
    page.write_text(render_comparison(comparison(), []), encoding="utf-8")
    return page.as_uri()


@pytest.fixture
def page(browser: Chrome, address: str) -> Iterator[Chrome]:
    """The page just opened; afterwards it must have complained of nothing and asked nobody for anything."""
    browser.get_log("performance")
    browser.get(address)
    yield browser
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    # The browser's own pages ask for much at its start.
    ours = {request["request"]["url"] for request in asked if request["documentURL"] == address}
    assert {url for url in ours if not url.startswith("data:")} == {address}


def column(page: Chrome, number: int) -> list[str]:
    """The texts of a column of the table."""
    cells = page.find_elements(By.CSS_SELECTOR, f"#ranking tbody tr > :nth-child({number + 1})")
    return [cell.text.split("\n")[0] for cell in cells]


def headings(page: Chrome) -> dict[str, tuple[int, Any]]:
    """Number and element of each heading, by group and label."""
    found: dict[str, tuple[int, Any]] = {}
    for number, button in enumerate(page.find_elements(By.CSS_SELECTOR, "#ranking thead button")):
        label = button.text.split("\n")[0]
        found[f"{label} 2" if label in found else label] = (number, button)
    return found


def shown(page: Chrome) -> list[str]:
    """What the panels show, by the pictures' alternative texts."""
    pictures = page.find_elements(By.CSS_SELECTOR, ".map-frame img")
    return [str(picture.get_attribute("alt")) for picture in pictures if picture.is_displayed()]


def place(page: Chrome) -> tuple[float, float, float]:
    """Magnification and shift, in pixels of the screen, of all visible panels; they must be alike."""
    script = "return [...document.querySelectorAll('.map-frame img')].map(image => getComputedStyle(image))"
    script += ".filter(style => style.display !== 'none').map(style => style.transform)"
    transforms = page.execute_script(script)
    found = np.array([[float(number) for number in text[len("matrix(") : -1].split(",")] for text in transforms])
    assert len(found) >= 4
    # Frames differ by fractions of a pixel.
    np.testing.assert_allclose(found - found[0], 0, atol=0.1)
    a, b, c, d, x, y = (float(number) for number in found[0])
    assert (a, b, c) == (d, 0, 0)
    return a, x, y


def frame(page: Chrome, number: int = 1) -> Any:
    found = page.find_elements(By.CSS_SELECTOR, ".map-frame")[number]
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    return found


def test_a_click_sorts_numbers_as_numbers_better_first_and_undefined_last(page: Chrome) -> None:
    number, button = headings(page)["parameters"]
    assert column(page, number) == ["9", "100", "1,000", "–"], "the ranking"
    _, mae = headings(page)["MAE"]
    mae.click()
    assert column(page, 1) == ["a10", "a9", "b, 2 runs", "failed"]
    mae.click()
    assert column(page, 1) == ["failed", "b, 2 runs", "a9", "a10"]
    button.click()
    assert column(page, number) == ["9", "100", "1,000", "–"]
    button.click()
    assert column(page, number) == ["1,000", "100", "9", "–"]
    sorted_by = page.find_elements(By.CSS_SELECTOR, "th[aria-sort]")
    assert [heading.get_attribute("aria-sort") for heading in sorted_by] == ["descending"]
    _, ssim = headings(page)["SSIM"]
    ssim.click()
    assert column(page, 1) == ["b, 2 runs", "a10", "a9", "failed"], "more is better"


def test_names_sort_too_panels_follow_and_keys_do_as_well(page: Chrome) -> None:
    _, button = headings(page)["method"]
    button.send_keys(Keys.ENTER)
    assert column(page, 1) == ["a9", "a10", "b, 2 runs", "failed"]
    assert [text.split(" of ")[1] for text in shown(page)] == ["Truth", "a9", "a10", "b", "failed"]


def test_a_dash_says_why(page: Chrome) -> None:
    dash = page.find_element(By.CSS_SELECTOR, "td[title='it failed']")
    assert dash.text == "–"
    assert "– Phase SSIM of failed: it failed" in page.find_element(By.CSS_SELECTOR, ".footnotes").text


def test_all_panels_switch_together_by_mouse_and_by_keys(page: Chrome) -> None:
    assert {text.split(" of ")[0] for text in shown(page)} == {"Amplitude"}
    page.find_element(By.CSS_SELECTOR, "label[for='show-phase-error']").click()
    assert shown(page) == [f"Phase error of {name}" for name in ("b", "a10", "a9", "failed")]
    bars = page.find_elements(By.CSS_SELECTOR, ".bar")
    assert [bar.text.split("\n")[0] for bar in bars if bar.is_displayed()] == ["Phase error (rad)"]
    page.find_element(By.ID, "show-phase-error").send_keys(Keys.ARROW_LEFT)
    assert {text.split(" of ")[0] for text in shown(page)} == {"Amplitude error"}


def test_the_wheel_zooms_all_panels_about_the_pointer(page: Chrome, tmp_path: Path) -> None:
    assert place(page) == (1, 0, 0)
    one = frame(page)
    size, offset = one.size["width"], 20
    before = page.execute_script("return scrollY")
    ActionChains(page).scroll_from_origin(ScrollOrigin.from_element(one, offset, offset), 0, -400).perform()
    zoom, x, y = place(page)
    assert zoom == pytest.approx(np.exp(0.002 * 400), rel=1e-4)
    # The point below the pointer stays, but for the frame's border and rounding to pixels.
    fixed = size / 2 + offset
    assert (x, y) == pytest.approx((fixed * (1 - zoom),) * 2, abs=3)
    assert page.execute_script("return scrollY") == before, "the page does not scroll at the same time"
    page.save_screenshot(str(tmp_path / "page.png"))
    with Image.open(tmp_path / "page.png") as screenshot:
        assert len(np.unique(np.asarray(screenshot.convert("L")))) > 100, "pictures are on it"

    page.find_element(By.CSS_SELECTOR, "label[for='show-phase']").click()
    assert place(page) == pytest.approx((zoom, x, y), abs=0.1), "another view of the same place"
    ActionChains(page).double_click(one).perform()
    assert place(page) == (1, 0, 0)


def test_dragging_moves_all_panels_and_never_beyond_the_edge(page: Chrome) -> None:
    one = frame(page)
    for _ in range(4):
        page.find_element(By.CSS_SELECTOR, "#zoom .in").click()
    zoom, x, y = place(page)
    assert zoom == pytest.approx(1.25**4, rel=1e-5)
    ActionChains(page).drag_and_drop_by_offset(frame(page), 30, -20).perform()
    moved, left, top = place(page)
    assert moved == zoom
    assert (left, top) == pytest.approx((x + 30, y - 20), abs=2)
    for _ in range(3):
        ActionChains(page).drag_and_drop_by_offset(frame(page), 100, 100).perform()
    assert place(page) == (zoom, 0, 0)
    assert one.size["width"] > 200


def test_keys_zoom_and_move_and_show_the_whole_again(page: Chrome) -> None:
    one = frame(page)
    one.send_keys("+")
    one.send_keys("+")
    zoom, x, _ = place(page)
    assert zoom == pytest.approx(1.25**2, rel=1e-5)
    one.send_keys(Keys.ARROW_RIGHT)
    assert place(page)[1] < x
    assert page.find_element(By.CSS_SELECTOR, "#zoom output").text == "× 1.6"
    one.send_keys("0")
    assert place(page) == (1, 0, 0)
    one.send_keys("-")
    assert place(page) == (1, 0, 0), "never smaller than its frame"


def test_without_a_script_everything_is_there_and_panels_switch(browser: Chrome, address: str) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(address)
        assert not browser.find_element(By.ID, "zoom").is_displayed()
        assert column(browser, 1) == ["b, 2 runs", "a10", "a9", "failed"]
        browser.find_element(By.CSS_SELECTOR, "label[for='show-phase']").click()
        assert {text.split(" of ")[0] for text in shown(browser)} == {"Phase"}
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
