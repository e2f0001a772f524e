"""The console of a daemon at work, in a real Chromium: on a laptop and on a phone, in light and in the dark.

It needs Chromium: skipped without, but never where CI=true.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.exporters.console.browser import PROGRAM, Browser
from tests.exporters.console.reading import Read, addresses
from tests.exporters.console.screens import LAPTOP, PHONE, server_page
from tests.exporters.console.world import OTHER, PASSWORD, VIEWER, World, fetched, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

# Every text that is seen, with how it stands out from what is behind it (WCAG 2.1, contrast ratio and relative
# luminance); what is large may be 3, everything else is 4.5.
CONTRAST = """(() => {
  const rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const part = value => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const ground = element => {
    for (let each = element; each; each = each.parentElement) {
      const [r, g, b, a] = rgb(getComputedStyle(each).backgroundColor);
      if (a === undefined || a > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    if (!box.width || box.right < 0) continue;
    const [one, other] = [light(rgb(style.color)), light(ground(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05), least = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
    if (ratio < least) found.push([element.tagName, element.textContent.slice(0, 30), ratio]);
  }
  return found;
})()"""
# What sticks out at the side, and what is cut off.
TOO_WIDE = """(() => {
  const wide = document.documentElement.clientWidth;
  return [...document.querySelectorAll('body *')]
    .filter(each => each.getBoundingClientRect().right > wide + 0.5)
    .map(each => each.tagName + ' ' + each.textContent.trim().slice(0, 40));
})()"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if shutil.which(PROGRAM) is None:
        why = f"the console in a browser needs {PROGRAM}"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    with shown(tmp_path_factory.mktemp("console")) as world:
        yield world


@pytest.fixture(scope="module")
def server(world: World) -> str:
    """The path of the page of the server that was knocked at."""
    return server_page(fetched(world.url, "/recent")[2])


@pytest.fixture(scope="module")
def browser(world: World) -> Iterator[Browser]:
    with Browser() as browser:
        browser.comes_as(VIEWER, PASSWORD)
        yield browser


PAGES = ("/", "/about", "/recent", "/servers", "/servers?generation=2016", "server", "/nonsense")


@pytest.mark.parametrize("width", [LAPTOP, PHONE])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_and_can_be_read_in_light_and_in_the_dark(
    world: World, browser: Browser, server: str, path: str, width: int
) -> None:
    path = server if path == "server" else path
    for scheme in ("light", "dark"):
        browser.seen(width, scheme=scheme)
        fetched_for_it = browser.goes(world.url + path)
        assert set(fetched_for_it) <= {world.url + path, f"{world.url}/console.css"}
        assert browser.found("document.documentElement.scrollWidth") <= width
        assert browser.found(TOO_WIDE) == []
        assert browser.found(CONTRAST) == []
    assert browser.found("getComputedStyle(document.body).backgroundColor") != "rgb(251, 250, 247)", "it is dark now"
    quiet = [said for said in browser.logged if "favicon" not in said and "404" not in said]
    assert quiet == [], "nothing that the policy or anything else refuses"


def test_a_long_name_of_a_provider_stays_in_a_narrow_page(world: World, browser: Browser) -> None:
    browser.seen(320)
    browser.goes(f"{world.url}/")
    browser.found("document.querySelector('.name span').textContent = 'W'.repeat(80)")
    assert browser.found("document.documentElement.scrollWidth") <= 320
    assert browser.found(TOO_WIDE) == []


def test_it_works_without_scripts_and_has_none(world: World, browser: Browser) -> None:
    browser.seen(LAPTOP, scripts=False)
    browser.goes(f"{world.url}/")
    assert browser.found("document.scripts.length") == 0
    assert browser.found("document.querySelector('h1').textContent") == "Overview"
    assert browser.found("getComputedStyle(document.querySelector('.figures')).display") == "flex"


def test_what_a_screen_reader_is_told(world: World, browser: Browser) -> None:
    for width in (LAPTOP, PHONE):
        browser.seen(width)
        browser.goes(f"{world.url}/")
        told = browser.told()
        roles = [role for role, _ in told]
        for role in ("banner", "navigation", "main", "contentinfo"):
            assert roles.count(role) == 1, role
        assert ("heading", "Overview") in told
        assert ("region", "Exposure") in told
        tables = [name for role, name in told if role == "table"]
        assert any(name.startswith("Servers by CVE") for name in tables)
        assert {"columnheader", "rowheader", "row", "cell"} <= set(roles)


def test_the_focus_can_be_seen_and_begins_at_the_content(world: World, browser: Browser) -> None:
    browser.seen(LAPTOP)
    browser.goes(f"{world.url}/")
    browser.presses("Tab")
    assert browser.found("document.activeElement.textContent") == "Skip to content"
    assert browser.found("document.activeElement.getBoundingClientRect().left") >= 0
    browser.presses("Tab")
    browser.presses("Tab")
    assert browser.found("document.activeElement.textContent") == "Overview"
    assert browser.found("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert browser.found("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2


def test_counts_name_nobody_and_a_list_goes_by_pseudonyms(world: World, server: str) -> None:
    shown_to_all = [fetched(world.url, path)[2] for path in ("/", "/about", "/recent", "/servers")]
    for page in map(Read, shown_to_all):
        page.check()
        assert addresses(page.text) == []
        assert not [name for name in world.names if name in page.text]
    about_one = Read(fetched(world.url, server)[2])
    about_one.check()
    assert "127.10.0.1" in about_one.text
    assert "mail.optician.example" in about_one.text
    assert "C-1001" in about_one.text


def test_who_looked_is_on_record(world: World, browser: Browser, server: str) -> None:
    before = world.read()
    browser.goes(world.url + server)
    assert world.read() == [*before, {"what": "server", "user": VIEWER, "by": "console"}]


def test_who_is_no_viewer_sees_counts_alone(world: World, server: str) -> None:
    before = world.read()
    for path in ("/recent", "/servers", server):
        status, _, body = fetched(world.url, path, OTHER)
        assert status == 403
        assert "a user whom exporter.viewers does not name" in body
    assert fetched(world.url, "/", OTHER)[0] == 200
    assert fetched(world.url, "/recent", OTHER, "wrong")[0] == 401
    assert world.read() == before


def test_a_form_leads_to_a_list(world: World, browser: Browser) -> None:
    browser.seen(PHONE)
    browser.goes(f"{world.url}/servers")
    listed = int(browser.found("document.querySelectorAll('tbody tr').length"))
    browser.found("document.querySelector('[name=generation]').value = 'SE'")
    browser.sends("document.querySelector('form button').click()")
    assert browser.found("document.querySelector('[name=generation]').value") == "SE"
    assert 0 < int(browser.found("document.querySelectorAll('tbody tr').length")) < listed


def test_the_exporter_stays_small(world: World) -> None:
    assert world.resident("exporters.service") < 64 << 20
