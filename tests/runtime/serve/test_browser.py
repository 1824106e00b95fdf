"""The page in Chromium: what people see and do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import complaints, needs_browser, opened, set_size
from makers import make_clip
from serve_server import COLOUR, Server, paint

pytestmark = [pytest.mark.slow, needs_browser]
NEAR = 16  # levels, after H.264 or JPEG and the browser's own conversion
RGB = list(reversed(COLOUR))
INVERTED = [255 - value for value in RGB]
WAIT_S = 90

COPY = """
  let c;
  const copy = (shown) => {
    c = Object.assign(document.createElement('canvas'), { width: shown.width, height: shown.height });
    const context = c.getContext('2d', { willReadFrequently: true });
    context.drawImage(shown, 0, 0);
    return context;
  };
"""
"""Reading the page's own canvas again and again has Chromium complain, and makes it slow."""

CONTRAST = """
  const parse = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((level) => level / 255)
    .map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => .2126 * r + .7152 * g + .0722 * b;
  const clear = (e) => /, 0\\)$|transparent/.test(getComputedStyle(e).backgroundColor);
  const texts = 'h1, h2, h3, p, button, label, output, .axis span, .field span, select';
  const seen = (e) => e.offsetParent && e.textContent.trim() && !e.closest('#stage') && !e.disabled;
  return [...document.querySelectorAll(texts)].filter(seen).map((e) => {
    let back = e;
    while (clear(back)) back = back.parentElement;
    const colours = [getComputedStyle(e).color, getComputedStyle(back).backgroundColor];
    const pair = colours.map((colour) => light(parse(colour)));
    return [(Math.max(...pair) + .05) / (Math.min(...pair) + .05), e.textContent.trim()];
  });
"""
"""WCAG's contrast of each text with what is behind it, and the text."""


class Page:
    """A tab with the page in it."""

    def __init__(self, driver: Any, url: str, width: int = 1280, height: int = 800) -> None:
        self.driver = driver
        self.size(width, height)
        driver.get(url)

    def size(self, width: int, height: int, scheme: str = "dark") -> None:
        set_size(self.driver, width, height, scheme)

    def ask(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(
            f"const $ = (id) => document.getElementById(id); {script}", *arguments
        )

    def until(self, script: str, seconds: float = WAIT_S) -> Any:
        """What a script returns as soon as that is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.ask(script):
                return found
            time.sleep(0.1)
        raise AssertionError((script, self.ask("return document.body.innerText"), self.complaints()))

    def pixel(self, share: float, stage: str = "#stage") -> list[int]:
        """RGB of a place of the picture, from left to right, near its top."""
        return list(
            self.ask(
                COPY + "return [...copy(document.querySelector(arguments[1] + ' canvas'))"
                ".getImageData(c.width * arguments[0], c.height * .1, 1, 1).data].slice(0, 3)",
                share,
                stage,
            )
        )

    def until_pixel(self, share: float, wanted: list[int], stage: str = "#stage") -> None:
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            if np.abs(np.subtract(found := self.pixel(share, stage), wanted)).max() <= NEAR:
                return
            time.sleep(0.1)
        raise AssertionError((found, wanted, self.ask("return document.body.innerText")))

    def click(self, id_: str) -> None:
        self.driver.find_element("id", id_).click()

    def complaints(self) -> list[str]:
        return complaints(self.driver)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = opened(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver: Any, server: Server) -> Iterator[Page]:
    page = Page(driver, server.url)
    page.until("return $('status').textContent === 'Live' && !$('cover').textContent")
    yield page
    assert page.complaints() == []
    driver.get("about:blank")


def test_webrtc_shows_both_halves_moving_and_how_old_they_are(page: Page) -> None:
    # without falling back, however busy the machine is
    page.ask("$('quality').value = 'high'; $('quality').dispatchEvent(new Event('change'))")
    page.until("return $('seen').textContent.startsWith('WebRTC') && $('seen').dataset.age !== ''")
    page.until_pixel(0.25, RGB)
    page.until_pixel(0.75, INVERTED)
    assert 0 < float(page.ask("return $('seen').dataset.age")) < 30_000
    row = (
        COPY + "return [...copy(document.querySelector('#stage canvas'))"
        ".getImageData(0, c.height / 2, c.width, 1).data].filter((_, i) => i % 4 === 2)"
    )
    first = page.ask(row)
    end = time.monotonic() + WAIT_S
    while page.ask(row) == first:
        assert time.monotonic() < end
    assert page.ask("return [$('from').textContent, $('to').textContent]") == ["plain", "inverted"]


def test_the_divider_follows_the_mouse_and_the_keys(page: Page) -> None:
    from selenium.webdriver import ActionChains, Keys

    divider = page.driver.find_element("css selector", "#stage .divider")
    width = page.ask("return $('stage').clientWidth")
    ActionChains(page.driver).drag_and_drop_by_offset(divider, round(-0.4 * width), 0).perform()
    page.until_pixel(0.25, INVERTED)
    page.until_pixel(0.02, RGB)
    assert 8 <= int(divider.get_attribute("aria-valuenow")) <= 12
    divider.send_keys(Keys.END)
    page.until_pixel(0.97, RGB)
    assert divider.get_attribute("aria-valuetext") == "100 % before, 0 % after"
    divider.send_keys(Keys.HOME)
    page.until_pixel(0.03, INVERTED)
    divider.send_keys(Keys.ARROW_RIGHT)
    assert divider.get_attribute("aria-valuenow") == "2"


def test_jpegs_show_the_same(page: Page) -> None:
    page.ask("$('quality').value = 'jpeg-low'; $('quality').dispatchEvent(new Event('change'))")
    page.until("return $('seen').textContent.startsWith('JPEG') && $('seen').dataset.age !== ''")
    page.until_pixel(0.25, RGB)
    page.until_pixel(0.75, INVERTED)


NOT_AT_FIRST = """
  const Real = window.RTCPeerConnection;
  let failures = 2;
  window.RTCPeerConnection = class {
    constructor(...given) {
      if (failures-- > 0) throw new Error('no WebRTC yet');
      return new Real(...given);
    }
  };
  const wait = window.setTimeout;
  window.setTimeout = (then, ms, ...given) => wait(then, ms === 30000 ? 3000 : ms, ...given);
"""


def test_webrtc_is_tried_again_while_jpegs_are_shown(driver: Any, server: Server) -> None:
    on_load = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": NOT_AT_FIRST})
    try:
        page = Page(driver, server.url)
        page.until("return $('seen').textContent.startsWith('JPEG') && $('seen').dataset.age !== ''")
        page.until("return $('seen').textContent.startsWith('WebRTC') && $('seen').dataset.age !== ''")
        page.until_pixel(0.25, RGB)
        assert page.complaints() == []
    finally:
        driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", on_load)
        driver.get("about:blank")


def test_model_steady_pause_and_record_from_the_page(page: Page, server: Server) -> None:
    page.click("swap")
    server.until(lambda s: s["model"]["name"] == "identity")
    page.until("return $('to').textContent === 'plain' && $('model').value === 'identity'")
    page.until_pixel(0.75, RGB)
    page.ask("$('model').value = 'invert'; $('model').dispatchEvent(new Event('change'))")
    page.until_pixel(0.75, INVERTED)
    for key, held in (("s", "steady"), (" ", "paused")):
        page.driver.find_element("tag name", "body").send_keys(key)
        server.until(lambda s, held=held: s[held])
    page.until("return $('status').textContent === 'Paused'")
    page.click("pause")
    page.click("steady")
    server.until(lambda s: not s["paused"] and not s["steady"])
    page.click("record")
    page.until("return !$('recording').hidden && /00:0[1-9] · [0-9]+/.test($('recording').textContent)")
    page.click("record")
    said = page.until("return /recorded ([^ ]+)/.exec($('notices').textContent)?.[1]")
    assert (server.folder / said).stat().st_size > 1000


def test_keys_and_the_list_of_models_work_without_a_mouse(page: Page, server: Server) -> None:
    from selenium.webdriver import ActionChains, Keys

    def shown(on: bool) -> None:  # what is pressed goes by what the page shows
        page.until(f"return $('steady').getAttribute('aria-pressed') === '{str(on).lower()}'")
        assert server.state()["steady"] == on

    page.click("steady")
    shown(True)
    ActionChains(page.driver).send_keys("s").perform()  # the button has the focus still
    shown(False)
    ActionChains(page.driver).send_keys(" ").perform()  # which presses the button
    shown(True)
    assert not server.state()["paused"]
    page.click("steady")
    shown(False)
    models = page.driver.find_element("id", "model")
    models.send_keys(Keys.ARROW_DOWN)
    models.send_keys(Keys.ARROW_UP)
    models.send_keys(Keys.ARROW_DOWN)  # while the ones before are being loaded
    server.until(lambda s: s["model"]["name"] == "identity" and s["model"]["loading"] is None)
    assert page.ask("return document.activeElement.id") == "model"
    assert page.ask("return $('notices').textContent") == ""
    models.send_keys(Keys.ARROW_UP)
    server.until(lambda s: s["model"]["name"] == "invert" and s["model"]["loading"] is None)
    page.until("return $('model').value === 'invert' && $('to').textContent === 'inverted'")


def test_a_gallery_of_the_frame_on_show(page: Page, server: Server) -> None:
    page.click("gallery")
    page.until("return document.querySelector('.job h3')?.textContent === 'The frame on show'")
    page.until("return document.querySelectorAll('.tile').length >= 2", 300)
    labels = page.ask("return [...document.querySelectorAll('.tile')].map((e) => e.textContent)")
    assert "plain to inverted" in labels and "day to night" in labels
    page.until_pixel(0.25, RGB, ".job")
    page.until_pixel(0.75, INVERTED, ".job")  # the first one's
    page.ask(
        "[...document.querySelectorAll('.tile')].find((e) => e.textContent === 'inverted to plain').click()"
    )
    page.until_pixel(0.75, RGB, ".job")
    chips = "return [...document.querySelectorAll('.job .chip')].map((e) => e.innerText.toLowerCase())"
    assert page.ask(chips) == ["before", "inverted to plain"]
    for width, height, columns in ((360, 740, 2), (3840, 2160, 4)):
        page.size(width, height)
        page.until(f"return innerWidth === {width}")
        assert page.ask("return document.documentElement.scrollWidth") <= width
        tops = page.ask("return [...document.querySelectorAll('.tile')].map((e) => e.offsetTop)")
        assert tops.count(min(tops)) >= columns
        room = page.ask("return document.querySelector('.job .tiles').clientWidth")
        # as wide as there is room, as the other pictures are, whatever the window was when it was made
        shown = page.ask("return document.querySelector('.job .stage').clientWidth")
        assert shown == pytest.approx(min(room, 0.74 * height * 4 / 3), abs=2)
    page.size(1280, 800)
    page.driver.find_element("css selector", ".job .forget").click()
    page.until("return !document.querySelector('.job')")


def test_a_clip_is_uploaded_shown_and_removed(page: Page, tmp_path: Path) -> None:
    clip = make_clip(tmp_path, "my clip.mp4", frames=8, paint=paint, size=(320, 240))
    page.driver.find_element("id", "file").send_keys(str(clip))
    page.until("return document.querySelector('.job h3')?.textContent === 'my clip.mp4'")
    page.until("return document.querySelector('.job canvas')?.width > 300")
    page.until_pixel(0.25, RGB, ".job")
    page.until_pixel(0.75, INVERTED, ".job")
    page.until("return document.querySelector('.job .row button').textContent === 'Pause'")  # it plays
    link = page.until("return [...document.querySelectorAll('.job a')].map((a) => a.href)[0]")
    assert link.endswith("/translated.mp4?download")
    page.driver.find_element("css selector", ".job .forget").click()
    page.until("return !document.querySelector('.job')")


def test_what_isnt_taken_is_said(page: Page, tmp_path: Path) -> None:
    bad = tmp_path / "notes.txt"
    bad.write_text("hello")
    page.driver.find_element("id", "file").send_keys(str(bad))
    page.until("return /notes.txt: neither a video nor a picture/.test($('notices').textContent)")
    assert all("415" in one for one in page.complaints())  # Chromium logs the answer itself


def test_two_viewers_and_a_server_that_comes_back(
    driver: Any, serve: Callable[..., Server], tmp_path: Path
) -> None:
    running = serve()
    running.start()
    try:
        pages = [Page(driver, running.url)]
        driver.switch_to.new_window("window")
        pages.append(Page(driver, running.url))
        running.until(lambda s: s["viewers"]["webrtc"] + s["viewers"]["mjpeg"] == 2)
        pages[1].until_pixel(0.75, INVERTED)
        assert running.stop() == 0
        pages[1].until("return $('status').textContent === 'Connecting again'")
        assert pages[1].ask("return $('seen').textContent") == ""  # no picture is that old any more
        pages[1].size(345, 740)
        middles = "return ['help-open', 'source', 'status'].map((id) => $(id).getBoundingClientRect().top)"
        button, source, status = pages[1].ask(middles)
        assert button < source and button < status  # two lines, and the button isn't in one of its own
        pages[1].size(1280, 800)
        running.start(running.port)
        pages[1].until("return $('status').textContent === 'Live' && $('seen').textContent !== ''")
        pages[1].until_pixel(0.75, INVERTED)
    finally:
        running.stop()
        driver.close()
        driver.switch_to.window(driver.window_handles[0])
        driver.get("about:blank")
        driver.get_log("browser")  # of the time without a server


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_nothing_sticks_out_and_all_can_be_read_at_any_width(page: Page, scheme: str) -> None:
    for width, height in ((360, 640), (1280, 800), (3840, 2160)):
        page.size(width, height, scheme)
        page.until(f"return innerWidth === {width}")
        time.sleep(0.3)
        assert page.ask("return document.documentElement.scrollWidth") <= width
        low = [one for one in page.ask(CONTRAST) if one[0] < 4.5]
        assert not low, (width, scheme)
        small = page.ask(
            "return [...document.querySelectorAll('button, .button, select')].filter((e) => e.offsetParent)"
            ".map((e) => e.getBoundingClientRect()).filter((b) => b.height < 40 || b.width < 40).length"
        )
        assert small == 0
    assert page.ask("return document.querySelector('#stage').clientWidth") > 2000


def test_every_control_has_a_name_and_is_reached_by_the_tab_key(page: Page) -> None:
    from selenium.webdriver import ActionChains, Keys

    tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "link", "slider", "combobox", "radio", "checkbox", "image"}
    parts = [node for node in tree if node.get("role", {}).get("value") in roles and not node.get("ignored")]
    unnamed = [node["role"]["value"] for node in parts if not node.get("name", {}).get("value")]
    assert len(parts) > 12 and unnamed == []
    seen = set()
    page.ask("document.body.focus()")
    for _ in range(30):
        active = page.driver.switch_to.active_element
        seen.add(active.get_attribute("id") or active.get_attribute("class"))
        ActionChains(page.driver).send_keys(Keys.TAB).perform()  # to a file input itself it would be a path
    assert {"divider", "pause", "record", "snapshot", "model", "swap", "quality", "file", "gallery"} <= seen
