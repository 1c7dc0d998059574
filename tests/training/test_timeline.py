"""The drawn timeline: self-contained, escaped, true to the times, and readable for one row and for fifty."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from featurestore.definitions.durations import DAY, HOUR
from featurestore.definitions.project import Project
from featurestore.definitions.references import select
from featurestore.definitions.views import Column, Feature
from featurestore.errors import OperationError
from featurestore.sql.plan import Retrieval
from featurestore.training.compiled import Compiled
from featurestore.training.explain.example import named_example
from featurestore.training.explain.markup import cut, width, wrapped
from featurestore.training.explain.run import Asked, explain
from featurestore.training.explain.scale import scale_of
from tests.pit.world import DAY as ONE_DAY
from tests.pit.world import HOUR as ONE_HOUR
from tests.pit.world import MICROSECOND, NOON, ORDERS, World

SVG = "{http://www.w3.org/2000/svg}"
COLUMNS = {"user_id": "varchar", "at": "timestamp", "loaded_at": "timestamp", "orders_7d": "bigint"}
KNOWLEDGE = replace(
    ORDERS,
    created_at=Column(name="loaded_at", type="timestamp"),
    as_of="knowledge",
    ttl_us=30 * DAY,
    delay_us=HOUR,
)
ROWS = [
    ("u1", NOON - 31 * ONE_DAY, NOON - 31 * ONE_DAY, 1),
    ("u1", NOON - 5 * ONE_DAY, NOON - 5 * ONE_DAY + ONE_HOUR, 2),
    ("u1", NOON - 5 * ONE_DAY, NOON - 5 * ONE_DAY, 3),
    ("u1", NOON - 2 * ONE_DAY, NOON + ONE_DAY, 4),
    ("u1", NOON + MICROSECOND, NOON + ONE_DAY, 5),
    ("u1", None, NOON, 6),
]
CLOSED = replace(
    ORDERS,
    name="tier",
    relation="tier",
    valid_to=Column(name="until", type="timestamp"),
    features=(Feature(name="tier", type="string"),),
)
TIERS = [
    ("u1", NOON - 9 * ONE_DAY, NOON - ONE_DAY, "basic"),
    ("u1", NOON - ONE_DAY, None, "gold"),
    ("u1", NOON + ONE_DAY, datetime(9999, 12, 31), "plus"),
]


def explained(views, keys=None, *, limit=5):
    """An explanation of user u1 at noon; views are (view, columns, rows)."""
    world = World()
    for view, columns, rows in views:
        world.view(view, columns, rows)
    references = [view.name for view, _, _ in views]
    selection = select(Project(name="shop", views=world.views), references, full_feature_names=True)
    compiled = Compiled(selection=selection, options=Retrieval())
    asked = Asked(compiled=compiled, dialect="duckdb", open_warehouse=None)
    example = named_example(selection, keys or {"user_id": "u1"}, NOON)
    return explain(asked, example, lambda sql: world.connection.sql(sql).to_arrow_table(), limit=limit)


@pytest.fixture(scope="module")
def both():
    """Knowledge time with ttl and delay, and validity intervals."""
    tier_columns = {"user_id": "varchar", "at": "timestamp", "until": "timestamp", "tier": "varchar"}
    return explained([(KNOWLEDGE, COLUMNS, ROWS), (CLOSED, tier_columns, TIERS)])


def many(number, limit):
    """One row per hour before noon."""
    rows = [("u1", NOON - n * ONE_HOUR, n) for n in range(number)]
    view = (replace(ORDERS, ttl_us=7 * DAY), {"user_id": "varchar", "at": "timestamp", "orders_7d": "bigint"}, rows)
    return explained([view], limit=limit)


def lanes(svg):
    return [group for group in ET.fromstring(svg).iter(f"{SVG}g") if group.get("class") == "view"]


def candidates(lane):
    """The groups of a lane's candidates, by the first line of their titles."""
    found = [group for group in lane.iter(f"{SVG}g") if (group.get("class") or "").startswith("candidate")]
    return {group.find(f"{SVG}title").text.splitlines()[0]: group for group in found}


def marked(group):
    """Class of a candidate's mark."""
    return [element.get("class").split()[1] for element in group if (element.get("class") or "").startswith("mark ")]


def test_each_view_is_a_lane_and_each_row_a_line_with_a_mark_of_its_own_kind(both):
    orders, tier = map(candidates, lanes(both.to_svg()))
    assert {text: marked(group) for text, group in orders.items()} == {
        "has no event time (P2)": [],
        "in the future by 1us (P2)": ["later"],
        "not yet known: loaded 1d too late (P8)": ["later"],
        "TAKEN, the newest usable row (P4)": ["taken"],
        "tied, but created 1h earlier (P4)": ["tied"],
        "expired by 1d (P3)": ["passed"],
    }
    assert {text: marked(group) for text, group in tier.items()} == {
        "not yet valid: begins 1d after (P9)": ["later"],
        "TAKEN, the only usable row (P2)": ["taken"],
        "no longer valid: ended 1d before (P9)": ["passed"],
    }


def test_created_times_are_marked_under_knowledge_time_and_validity_is_a_bar(both):
    orders, tier = map(candidates, lanes(both.to_svg()))
    known = [e for e in orders["not yet known: loaded 1d too late (P8)"] if e.get("class") == "known"]
    ((start, end),) = [(float(e.get("x1")), float(e.get("x2"))) for e in known]
    (now,) = {float(e.get("x1")) for e in lanes(both.to_svg())[0] if e.get("class") == "now"}
    assert start < now < end
    bars = {text: [e for e in group if (e.get("class") or "").startswith("bar")] for text, group in tier.items()}
    assert [len(found) for found in bars.values()] == [1, 1, 1]
    is_open = {text: any((e.get("class") or "").startswith("open") for e in group) for text, group in tier.items()}
    assert list(is_open.values()) == [True, True, False]  # until 9999, NULL, yesterday


@pytest.mark.parametrize("number", [1, 50])
def test_no_two_labels_meet(number):
    """Texts that begin at one place stand on lines of their own; the axis keeps a distance between its labels."""
    svg = ET.fromstring(many(60, number).to_svg())
    assert len([g for g in svg.iter(f"{SVG}g") if (g.get("class") or "").startswith("candidate")]) == number + 1
    by_column = {}
    for text in svg.iter(f"{SVG}text"):
        if not (text.get("class") or "").startswith("tick"):
            by_column.setdefault((text.get("x"), text.get("text-anchor")), []).append(float(text.get("y")))
    for found in by_column.values():
        assert all(after - before >= 14 for before, after in pairwise(sorted(found)))
    ticks = sorted(float(t.get("x")) for t in svg.iter(f"{SVG}text") if (t.get("class") or "").startswith("tick"))
    assert all(after - before >= 50 for before, after in pairwise(ticks))
    bottom = float(svg.get("viewBox").split()[3])
    assert all(float(text.get("y")) < bottom for text in svg.iter(f"{SVG}text"))


def test_the_window_reaches_from_the_ttl_to_the_end_of_the_delay(both):
    lane = lanes(both.to_svg())[0]
    (window,) = [e for e in lane.iter(f"{SVG}rect") if e.get("class") == "window"]
    left = float(window.get("x"))
    right = left + float(window.get("width"))
    assert left < right < next(float(e.get("x1")) for e in lane if e.get("class") == "now")
    (expired,) = [e for e in candidates(lane)["expired by 1d (P3)"] if (e.get("class") or "") == "mark passed"]
    assert float(re.match(r"M([\d.]+)", expired.get("d"))[1]) + 5 < left


NASTY = "</text><script>alert(1)</script>&\"'\x1b\ud7ff]]>"


def test_whatever_stands_in_the_data_stays_text():
    view = replace(ORDERS, features=(Feature(name='x<&"', type="string"),))
    columns = {"user_id": "varchar", "at": "timestamp", 'x<&""': "varchar"}
    explanation = explained(
        [(view, columns, [(NASTY, NOON, NASTY)])],
        {"user_id": NASTY},
    )
    for markup in (explanation.to_svg(), explanation.to_html(), explanation._repr_html_()):
        assert "<script" not in markup
        assert "\x1b" not in markup
    shown = "".join(ET.fromstring(explanation.to_svg()).itertext())
    assert "</text><script>alert(1)</script>" in shown
    assert "\ufffd" in shown


def test_a_page_needs_nothing_else_and_says_it_all_in_words(both, tmp_path):
    path = tmp_path / "why.html"
    page = both.to_html(path)
    assert path.read_text(encoding="utf-8") == page
    assert [name.name for name in tmp_path.iterdir()] == ["why.html"]
    assert re.findall(r"(?:src|href|url\()[=(]?", page) == []
    assert "<script" not in page
    root = ET.fromstring(both.to_svg())
    labels = root.get("aria-labelledby").split()
    named = {element.get("id"): element.text for element in root if element.get("id")}
    assert root.get("role") == "img"
    assert named[labels[0]] == "Example  user_id=u1  at 2024-05-17T12:00:00Z"
    assert named[labels[1]] == str(both)
    assert page.count("<tr") == 2 + sum(len(view.candidates) for view in both.views)
    assert "prefers-color-scheme:dark" in page
    assert page.count("&quot;__in_play&quot; AS") == 2


def test_a_page_is_written_whole_or_not_at_all(both, tmp_path):
    (tmp_path / "why.html").mkdir()
    for place in (tmp_path / "why.html", tmp_path / "nowhere" / "why.html", tmp_path / "x" / ".."):
        with pytest.raises(OperationError, match="cannot write"):
            both.to_html(place)
    assert [path.name for path in tmp_path.iterdir()] == ["why.html"]


def test_an_example_without_candidates_is_drawn_too():
    explanation = explained([(ORDERS, {"user_id": "varchar", "at": "timestamp", "orders_7d": "bigint"}, [])])
    (lane,) = lanes(explanation.to_svg())
    assert "orders has no row with user_id=u1 (P6)" in "".join(lane.itertext())
    assert candidates(lane) == {}


class Tags(HTMLParser):
    """Counts what is open, so that a tag that is never closed shows."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_tag_of_a_page_is_closed(both):
    tags = Tags()
    tags.feed(both.to_html())
    assert tags.open == []


@pytest.mark.parametrize(
    ("distances", "is_logarithmic"),
    [([-DAY, -2 * DAY, HOUR * 12], False), ([-DAY, -1], True), ([], False), ([0], False), ([HOUR], False)],
)
def test_a_scale_is_linear_where_distances_are_alike_and_always_in_order(distances, is_logarithmic):
    scale = scale_of(distances)
    assert (scale.unit_us is not None) == is_logarithmic
    points = [-(10**18), *sorted({*distances, 0}), 10**18]
    positions = [scale.position(point) for point in points]
    assert positions == sorted(positions)
    assert all(0 <= position <= 1 for position in positions)
    between = [scale.position(point) for point in sorted({*distances, 0})]
    assert len(set(between)) == len(between), "each has a place of its own"


def test_ticks_are_round_distances_that_the_scale_reaches():
    assert [label for _, label in scale_of([-30 * DAY, 10 * DAY, -DAY]).ticks(0.1)] == [
        "-30d", "-20d", "-10d", "example", "+10d",
    ]  # fmt: skip
    far = scale_of([-365 * DAY, -1]).ticks(0.12)
    assert [label for _, label in far] == ["-1y", "-1d", "-10m", "-1s", "-1ms", "example"]


def test_text_is_cut_and_wrapped_by_how_wide_it_is():
    assert (width("ab金"), cut("金金金金", 5), cut("a  b\nc", 9)) == (4, "金金…", "a b c")
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("abcdefgh i", 4) == ["abcd", "efgh", "i"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser chromium on PATH")
def test_a_real_browser_draws_it_without_a_complaint(both, tmp_path):
    """What the browser made of the page, and where it put the labels: none over another, none outside."""
    page = both.to_html().replace("</body>", f"<script>{_MEASURE}</script></body>")
    (tmp_path / "why.html").write_text(page, encoding="utf-8")
    done = subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1200,1600", "--dump-dom",
            (tmp_path / "why.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    assert re.search(r'<title id="measured">(.*?)</title>', done.stdout)[1] == "labels 56, overlapping 0, outside 0"


_MEASURE = """
const svg = document.querySelector('svg.fs-explain'), frame = svg.getBoundingClientRect();
const boxes = [...svg.querySelectorAll('text')].map(t => t.getBoundingClientRect());
let overlapping = 0;
boxes.forEach((a, i) => boxes.slice(i + 1).forEach(b => {
  const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (x > 1 && y > 3) overlapping += 1;
}));
const outside = boxes.filter(b => b.left < frame.left || b.right > frame.right || b.bottom > frame.bottom).length;
document.title = '';
const title = document.createElement('title');
title.id = 'measured';
title.textContent = `labels ${boxes.length}, overlapping ${overlapping}, outside ${outside}`;
document.head.append(title);
"""
