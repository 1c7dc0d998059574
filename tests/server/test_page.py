"""The page at /, in a real browser: what it shows, asks and copies; and that no name of a project becomes code."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
import sys

import pytest

from featurestore.server.page import page
from tests.server.browser import BINARY, browser
from tests.server.running import running
from tests.server.scene import SCRIPT, scene

in_a_browser = pytest.mark.skipif(BINARY is None, reason="there is no Chromium")
NOTHING = "\N{EN DASH}"
LOADED = "!document.getElementById('catalog').hidden && document.getElementById('state').textContent != 'asking'"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("chromium")) as running_browser:
        yield running_browser


@pytest.fixture
def shown(chromium, served):
    """The page, loaded; nothing may be complained of."""
    shown = chromium.open(served.url)
    shown.wait_for(LOADED)
    yield shown
    assert shown.complaints == []


def look_up(shown, *customers):
    shown.select("#what", "churn")
    for place, customer in enumerate(customers):
        if place:
            shown.click("#add")
        shown.type(f"#entity-{place}-customer_id", customer)
    shown.click("#go")
    shown.wait_for(f"document.querySelectorAll('#answer table').length == {len(customers)}")


def rows(shown):
    """What the answer's tables show, line by line, without the times."""
    cells = "[...row.querySelectorAll('th, td')].slice(0, 3).map(cell => cell.innerText)"
    return shown.value(f"[...document.querySelectorAll('#answer tbody tr')].map(row => {cells})")


def test_it_is_one_small_file_that_asks_nobody_else(served):
    html, headers = page()
    assert len(html) < 60_000
    assert re.search(rb"https?:|\burl\(|@import|src=", html) is None
    answer = served.get("/")
    assert answer.content == html
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for name, value in headers.items():
        assert answer.headers[name] == value
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]


@in_a_browser
def test_services_and_views_are_shown_with_how_fresh_they_are(shown):
    assert shown.text("#state") == "ready"
    assert shown.text("#version") == "registry version 1"
    names = shown.value("[...document.querySelectorAll('#services h3')].map(e => e.innerText)")
    assert names == ["churn", "trips"]
    chips = dict(
        shown.value(
            "[...document.querySelectorAll('#views summary')].map(e => "
            "[e.querySelector('h3').innerText, e.querySelector('.chip').innerText])"
        )
    )
    assert chips["orders"] in {"24 h ago", "25 h ago", "1 d ago"}
    assert chips["tier"] == "400 d ago"
    assert chips["never"] == "never synced"
    shown.value("document.querySelectorAll('#views details').forEach(each => each.open = true)")
    assert "Age at most: 30 d" in shown.text("#views")
    assert "orders_7d\nint64" in shown.text("#views")


@in_a_browser
def test_names_and_descriptions_are_text(shown):
    shown.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert f"The {SCRIPT} & 'tier' of a \"customer\"." in shown.text("#views")
    assert f"gold, or not {SCRIPT}" in shown.text("#views")
    assert f"Will they leave? {SCRIPT}" in shown.text("#services")
    assert shown.value("document.title") == "Feature server"
    assert shown.value("document.querySelectorAll('script').length") == 1


@in_a_browser
def test_a_script_that_got_in_would_not_run(chromium, served):
    shown = chromium.open(served.url)
    shown.wait_for(LOADED)
    shown.value("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\">')")
    script = "const s = document.createElement('script'); s.textContent = 'document.title = 2'; document.body.append(s)"
    shown.value(script)
    shown.value("fetch('https://example.com').catch(() => 0)")
    assert shown.value("document.title") == "Feature server"
    assert len([said for said in shown.complaints if "Content Security Policy" in said]) >= 3


@in_a_browser
def test_a_lookup_of_a_service_shows_values_statuses_and_times(shown):
    look_up(shown, "1", "2", "3", "9")
    assert rows(shown) == [
        ["orders_7d", "4", "PRESENT"],
        ["spend", "12.5", "PRESENT"],
        ["tier", "gold", "PRESENT"],
        ["orders_7d", "1", "PRESENT"],
        ["spend", NOTHING, "NULL_VALUE"],
        ["tier", "gold", "PRESENT"],
        ["orders_7d", NOTHING, "OUTSIDE_MAX_AGE"],
        ["spend", NOTHING, "OUTSIDE_MAX_AGE"],
        ["tier", "gold", "PRESENT"],
        ["orders_7d", NOTHING, "NOT_FOUND"],
        ["spend", NOTHING, "NOT_FOUND"],
        ["tier", NOTHING, "NOT_FOUND"],
    ]
    captions = "[...document.querySelectorAll('#answer caption')].map(each => each.innerText)"
    assert shown.value(captions) == [f"customer_id = {number}" for number in (1, 2, 3, 9)]
    assert "ms, request " in shown.text("#took")


@in_a_browser
def test_features_that_are_ticked_are_looked_up_with_all_their_keys(shown):
    shown.value("document.querySelectorAll('#views details').forEach(each => each.open = true)")
    for reference in ("places:is_open", "weather:rain_mm"):
        shown.click(f'[data-reference="{reference}"]')
    assert shown.value("document.getElementById('what').selectedOptions[0].innerText") == "Features that I tick"
    shown.type("#entity-0-city", "Oslo")
    shown.type("#entity-0-since", "2020-01-01")
    shown.click("#go")
    shown.wait_for("document.querySelectorAll('#answer table').length")
    assert rows(shown) == [["places__is_open", "true", "PRESENT"], ["weather__rain_mm", "0.5", "PRESENT"]]
    shown.click("#chosen button")
    assert shown.value("document.querySelectorAll('#chosen button').length") == 1


@in_a_browser
def test_an_error_is_shown_as_the_server_says_it(shown):
    shown.select("#what", "churn")
    shown.type("#entity-0-customer_id", "one")
    shown.click("#go")
    shown.wait_for("document.querySelector('#answer .problem') != null")
    said = shown.text("#answer .problem")
    assert "customer_id" in said
    assert "one" in said
    assert "module" not in said
    shown.value("1")
    assert all("400" in complaint for complaint in shown.complaints)
    shown._browser.events.clear()


@in_a_browser
def test_the_filter_leaves_what_has_all_its_words(shown):
    shown.type("#filter", "orders SPEND")
    visible = (
        "[...document.querySelectorAll('details')].filter(e => !e.hidden).map(e => e.querySelector('h3').innerText)"
    )
    assert shown.value(visible) == ["churn", "orders"]


@in_a_browser
def test_what_it_copies_runs(shown, tmp_path):
    look_up(shown, "1", "")
    curl = shown.value("document.getElementById('code').textContent")
    done = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["results"][0]["values"] == [1, None]
    shown.click("#as-python")
    python = shown.value("document.getElementById('code').textContent")
    done = subprocess.run([sys.executable, "-c", python], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("{'customer_id': [1, None], 'orders_7d': [4, None]")
    assert shown.value("document.getElementById('as-python').getAttribute('aria-pressed')") == "true"


@in_a_browser
def test_code_is_an_example_while_nothing_was_typed(shown):
    code = "document.getElementById('code').textContent"
    assert '"customer_id": [1001]' in shown.value(code)
    shown.type("#entity-0-customer_id", "7")
    assert '"customer_id": [7]' in shown.value(code)
    shown.click("#as-python")
    assert '{"customer_id": 7}' in shown.value(code)


@in_a_browser
def test_quotes_and_large_numbers_survive_the_copy(shown):
    shown.value("document.querySelectorAll('#views details').forEach(each => each.open = true)")
    shown.click('[data-reference="places:is_open"]')
    shown.type("#entity-0-city", "L'Aquila \"$(touch x)`\\")
    curl = shown.value("document.getElementById('code').textContent")
    body = json.loads(shlex.split(curl.replace("\\\n", " "))[-1])
    assert body["entities"]["city"] == ["L'Aquila \"$(touch x)`\\"]
    assert shown.value("typed('9007199254740993', 'int64')") == "9007199254740993"
    assert shown.value("textOf(parse('[9007199254740993]')[0])") == "9007199254740993"


@in_a_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_it_fits_its_window_and_can_be_read(shown, scheme, width, tmp_path):
    shown.look(width=width, scheme=scheme)
    shown.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    look_up(shown, "1", "3")
    assert shown.value("document.documentElement.scrollWidth") <= width
    poor = shown.value(_POOR_CONTRAST)
    assert poor == []
    shown.screenshot(tmp_path / f"{scheme}-{width}.png")


@in_a_browser
def test_it_can_be_used_by_keyboard_and_read_aloud(shown):
    for _ in range(4):
        shown.press("Tab")
    assert shown.value("document.activeElement.id") == "filter"
    unnamed = shown.value(
        "[...document.querySelectorAll('input,select,button')].filter(each => !(each.labels && each.labels.length)"
        " && !each.textContent.trim() && !each.getAttribute('aria-label')).map(each => each.outerHTML)"
    )
    assert unnamed == []
    assert shown.value("document.querySelectorAll('h1').length") == 1
    assert shown.value("document.documentElement.lang") == "en"


@in_a_browser
def test_a_server_that_asks_who_is_told_a_key_that_is_kept_nowhere(chromium, tmp_path):
    scene(tmp_path)
    key = {"name": "page", "sha256": hashlib.sha256(b"fsk_page").hexdigest(), "scopes": ["read:orders", "read:tier"]}
    (tmp_path / "featurestore.yml").write_text(f"server: {json.dumps({'keys': [key]})}\n")
    with running(tmp_path) as server:
        shown = chromium.open(server.url)
        shown.wait_for("!document.getElementById('who').hidden")
        assert shown.value("document.getElementById('catalog').hidden")
        assert shown.value("document.activeElement.id") == "key"
        shown.type("#key", "fsk_wrong")
        shown.click("#who button")
        shown.wait_for("document.getElementById('who-said').textContent.includes('not known')")
        shown.type("#key", "fsk_page")
        shown.click("#who button")
        shown.wait_for(LOADED)
        assert shown.value("[...document.querySelectorAll('#services h3')].map(e => e.innerText)") == ["churn"]
        look_up(shown, "1")
        assert rows(shown)[0] == ["orders_7d", "4", "PRESENT"]
        assert "Bearer $FEATURESTORE_API_KEY" in shown.text("#code")
        everywhere = (
            "document.documentElement.outerHTML + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)"
        )
        assert "fsk_page" not in shown.value(f"{everywhere} + document.cookie + document.getElementById('key').value")


_POOR_CONTRAST = r"""
(() => {
  const parts = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((each) => (each /= 255) <= .04045 ? each / 12.92 : ((each + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const found = parts(getComputedStyle(element).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest('script, option, [disabled]')) continue;
    const [a, b] = [light(parts(getComputedStyle(element).color).slice(0, 3)), light(behind(element))];
    const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (contrast < 4.5) poor.push([element.textContent.slice(0, 30), contrast]);
  }
  return poor;
})()
"""
