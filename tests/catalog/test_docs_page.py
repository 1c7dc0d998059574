"""The catalog page in a real browser: one file that asks nobody, and no text of a project becomes code."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace

import pytest

from featurestore.catalog.docs import docs_page
from featurestore.catalog.docs.data import Catalog, ChangeLine, HistoryLine
from featurestore.catalog.graph import whole_graph
from featurestore.catalog.lineage import lineage_of
from featurestore.catalog.lineage_page import lineage_page
from featurestore.definitions.entities import Entity
from featurestore.definitions.services import FeatureService
from featurestore.definitions.views import Feature
from tests.catalog.scene import CHURN_SERVICE, GRAPH, HOSTILE, PROJECT, TIER
from tests.registry.shop import ORDERS, wide_project
from tests.server.browser import BINARY, browser
from tests.server.test_page import _POOR_CONTRAST

in_a_browser = pytest.mark.skipif(BINARY is None, reason="there is no Chromium")
HISTORY = (
    HistoryLine(
        version=2,
        applied_at="2026-11-27 12:00:00",
        by=HOSTILE,
        commit="1f2e3d4+",
        tags=("prod",),
        changes=(
            ChangeLine(kind="changed", impact="breaking", text=f"view tier: {HOSTILE}"),
            ChangeLine(kind="added", impact="compatible", text="view orders"),
        ),
    ),
    HistoryLine(version=1, applied_at="2026-11-26 12:00:00", note="rollback to 0"),
)
WORSE = replace(
    PROJECT,
    views=(ORDERS, TIER, replace(TIER, name=HOSTILE, version=None, features=(Feature(name=HOSTILE, type=HOSTILE),))),
    entities=(*PROJECT.entities, Entity(name=HOSTILE, join_keys=(HOSTILE,), description=HOSTILE)),
    services=(CHURN_SERVICE, FeatureService(name=f"{HOSTILE} x", features=("orders",), owner=HOSTILE, tags=(HOSTILE,))),
)


def made(project=PROJECT, graph=GRAPH):
    return docs_page(Catalog(project=project, graph=whole_graph(graph, project), version=2, history=HISTORY))


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("chromium")) as running_browser:
        yield running_browser


@pytest.fixture
def opened(chromium, tmp_path):
    """Open the page from disk; nothing may be complained of, and nothing asked of any network."""

    def open_at(place="", project=PROJECT):
        path = tmp_path / "catalog.html"
        path.write_text(made(project), encoding="utf-8")
        shown = chromium.open(f"{path.as_uri()}{place}")
        pages.append(shown)
        return shown

    pages = []
    yield open_at
    for shown in pages:
        assert shown.complaints == []
        asked = shown.value("performance.getEntriesByType('resource').map(each => each.name)")
        assert [each for each in asked if not each.startswith("data:")] == []


def names(shown):
    return shown.value("[...document.querySelectorAll('#list .item b')].map(each => each.innerText)")


def test_it_is_one_file_that_asks_nobody_and_lets_no_other_script_run():
    page = made(WORSE)
    held = re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    assert re.search(r"https?:(?!//www\.w3\.org/2000/svg)|\burl\(|@import|\bsrc=|\bfetch\(|innerHTML", held) is None
    assert page.count("<script") == 2
    assert "<img" not in page
    assert "default-src 'none'" in page
    assert "unsafe" not in page.partition("</head>")[0]
    assert len(made().encode()) < 100_000


def test_what_it_holds_is_json_again():
    data = json.loads(re.search(r'id="data">(.*?)</script>', made(WORSE), re.DOTALL)[1])
    assert data["views"][2]["n"] == HOSTILE
    assert data["history"][0]["changes"][0] == ["changed", "breaking", f"view tier: {HOSTILE}"]


def test_equal_catalogs_are_equal_bytes():
    assert made() == made()


def test_the_page_of_a_large_project_is_small_enough_to_be_sent_about():
    page = made(wide_project(1000, features=50), None)
    assert len(page.encode()) < 500_000
    packed = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert len(json.loads(gzip.decompress(base64.b64decode(packed)))["views"]) == 1000


@in_a_browser
def test_a_packed_page_is_as_any_other(opened):
    shown = opened("#view/view_7", project=wide_project(1000, features=50))
    shown.wait_for("document.querySelector('#right h2')?.innerText == 'view_7'")
    assert shown.text("#count") == "1,000 views, 50,000 features"
    shown.type("#search", "feature_49")
    assert shown.text("#count") == "1,000 matches"


@in_a_browser
def test_search_narrows_and_a_thing_opens(opened):
    shown = opened()
    assert names(shown) == ["churn", "spend", "orders", "tier@v2", "customer"]
    assert "2 views, 3 features" in shown.text("#count")
    shown.type("#search", "AMOUNT money")
    assert names(shown) == ["orders:amount_sum"]
    assert shown.text("#count") == "1 match"
    assert shown.value("document.querySelectorAll('#list mark').length") == 1
    shown.click("#list .item")
    shown.wait_for("document.querySelector('#right h2')?.innerText == 'orders'")
    assert shown.text("tr.at th") == "amount_sum"
    shown.type("#search", "zebra")
    assert names(shown) == []
    assert "Nothing has all of these words" in shown.text("#list")


@in_a_browser
def test_a_view_shows_features_tests_readers_lineage_and_code(opened):
    shown = opened("#view/orders")
    text = shown.text("#right")
    for each in ("order_count", "Orders so far.", "money", "unique_entity_timestamp", "Risk", "30d", "churn"):
        assert each in text
    drawn = shown.value("[...document.querySelectorAll('.lineage text:not(.noun)')].map(each => each.textContent)")
    assert sorted(drawn) == ['The "board"', "app.orders", "churn", "churn_training", "orders", "spend", "stg_orders"]
    assert "store.get_online_features" in shown.text("pre")
    shown.value("[...document.querySelectorAll('button')].find(each => each.innerText == 'command line').click()")
    assert shown.text("pre").startswith("featurestore training-set --spine examples.csv --features orders")
    node = "document.querySelector(\".lineage a[href='#service/churn']\")"
    shown.value(f"{node}.dispatchEvent(new MouseEvent('click', {{bubbles: true, cancelable: true}}))")
    shown.wait_for("document.querySelector('#right h2').innerText == 'churn'")
    assert "basket float64" in shown.text("#right")


@in_a_browser
def test_lineage_and_history_have_pages_of_their_own(opened):
    shown = opened("#lineage")
    assert shown.value("document.querySelectorAll('.lineage g').length") == len(GRAPH.nodes)
    shown.click("[data-part=history]")
    shown.wait_for("document.querySelectorAll('.versions details').length == 2")
    shown.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert "1f2e3d4+" in shown.text("#right")
    assert "@prod" in shown.text("#right")
    assert HOSTILE in shown.text("#right")


@in_a_browser
def test_names_and_texts_are_text(opened):
    shown = opened(project=WORSE)
    places = shown.value("[...document.querySelectorAll('#list .item')].map(each => each.getAttribute('href'))")
    assert len(places) > 6
    for place in places:
        shown.value(f"location.hash = {json.dumps(place)}; dispatchEvent(new Event('hashchange'))")
        assert shown.value("document.querySelectorAll('#right h2').length") == 1
    shown.type("#search", "</script>")
    assert len(names(shown)) > 3
    shown.value("location.hash = '#lineage'; dispatchEvent(new Event('hashchange'))")
    assert shown.value("document.querySelectorAll('img, iframe').length") == 0
    assert shown.value("document.querySelectorAll('script').length") == 2
    assert shown.value("document.title") == "shop feature store"


@in_a_browser
def test_a_script_that_got_in_would_not_run(chromium, tmp_path):
    path = tmp_path / "catalog.html"
    path.write_text(made(), encoding="utf-8")
    shown = chromium.open(path.as_uri())
    shown.value("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\">')")
    shown.value("fetch('https://example.com').catch(() => 0)")
    assert shown.value("document.title") == "shop feature store"
    assert len([said for said in shown.complaints if "Content Security Policy" in said]) >= 2


@in_a_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_it_fits_its_window_and_can_be_read(opened, scheme, width):
    shown = opened(project=WORSE)
    shown.look(width=width, scheme=scheme)
    for place in ("#", "#view/orders", "#view/tier%40v2", "#service/churn", "#entity/customer", "#lineage", "#history"):
        shown.value(f"location.hash = '{place}'; dispatchEvent(new Event('hashchange'))")
        shown.value("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert shown.value("document.documentElement.scrollWidth") <= width, place
        assert shown.value(_POOR_CONTRAST) == [], place


WIDE = "MAXIMUM_SWWWM_demand@v2", "product_demand@v2", "a_name_that_" + "never_ends_" * 9
"""Names that are wider than most of their length, and a long one."""
NAMED = replace(
    PROJECT,
    name=WIDE[2],
    views=tuple(replace(ORDERS, name=name, source=replace(ORDERS.source, unique_id=name)) for name in WIDE[:2]),
    services=(),
)
_STICKS_OUT = """[...document.querySelectorAll('.lineage g')].filter((each) =>
    each.querySelector('text').getBBox().x + each.querySelector('text').getBBox().width + 4
    > each.querySelector('rect').getBBox().width).map((each) => each.textContent)"""


@in_a_browser
def test_long_and_wide_names_stay_in_their_places(opened):
    shown = opened(project=NAMED)
    shown.look(width=390)
    assert shown.value("document.documentElement.scrollWidth") <= 390
    assert shown.value("document.querySelectorAll('.lineage g').length") >= 2
    assert shown.value(_STICKS_OUT) == []


@in_a_browser
def test_so_they_do_in_the_drawing_of_a_lineage(chromium, tmp_path):
    page = lineage_page(lineage_of(whole_graph(GRAPH, NAMED), NAMED), title="Lineage")
    (tmp_path / "lineage.html").write_text(page, encoding="utf-8")
    assert chromium.open((tmp_path / "lineage.html").as_uri()).value(_STICKS_OUT) == []


@in_a_browser
@pytest.mark.parametrize("place", ["#view/renamed", "#feature/orders%40v9%3Ax", "#service/%", "#stream/"])
def test_a_link_to_what_is_not_there_says_so(opened, place):
    assert "There is no " in opened(place).text("#right")


@in_a_browser
def test_the_button_changes_the_colours(opened):
    shown = opened()
    shown.look(scheme="light")
    colour = "getComputedStyle(document.documentElement).backgroundColor"
    light = shown.value(colour)
    assert shown.text("#theme") == "Dark"
    shown.click("#theme")
    dark = shown.value(colour)
    assert dark != light
    shown.click("#theme")
    assert shown.value(colour) == light
    shown.look(scheme="dark")
    assert shown.value(colour) == light
    shown.value("localStorage.clear()")


@in_a_browser
def test_it_can_be_used_by_keyboard(opened):
    shown = opened()
    shown.look()
    key = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{key: '{}', bubbles: true}}))"
    shown.value(key.format("/"))
    assert shown.value("document.activeElement.id") == "search"
    shown.value(key.format("ArrowDown"))
    shown.value(key.format("ArrowDown"))
    assert "spend" in shown.value("document.activeElement.innerText")
    shown.press("Enter")
    shown.value("document.activeElement.click()")
    shown.wait_for("document.querySelector('#right h2')?.innerText == 'spend'")
    assert shown.value("document.querySelectorAll('h1').length") == 1


def test_the_command_writes_the_page_with_its_history(applied):
    assert applied.run("docs").err.startswith("Wrote target/featurestore.html.\n")
    applied.run("registry", "tag", "prod", "1")
    again = applied.run("docs", "--json")
    assert again.code == 0
    page = (applied.folder / "target" / "featurestore.html").read_text()
    assert again.json["size_bytes"] == len(page.encode())
    (line,) = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])["history"]
    assert (line["v"], line["tags"]) == (1, ["prod"])
    assert ["added", "compatible", "project shop"] in line["changes"]
    (applied.folder / "mine.html").write_text("mine")
    assert applied.run("docs", "-o", "mine.html").code == 2
    assert applied.run("docs", "-o", "mine.html", "--force").code == 0
