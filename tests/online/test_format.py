"""docs/online-format.md is true: its vectors are what we write, and its readers read them."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.online.arrow_types import arrow_type
from featurestore.online.encode import RowEncoder
from featurestore.online.layouts import layout_note
from tests.online import vectors
from tests.online.test_codec import NOON, NOON_US, read_header

PAGE = (vectors.DOCS / "online-format.md").read_text(encoding="utf-8")
DOCUMENT = json.loads(vectors.VECTORS.read_text(encoding="utf-8"))
LINES = {"js": 30, "python": 50}
"""How long a reader may be."""

JAVASCRIPT = """
const tagged = (cell) => typeof cell === "bigint" ? { integer: String(cell) }
  : typeof cell === "number" ? { float: Object.is(cell, -0) ? "-0" : Number.isFinite(cell) ? cell : String(cell) }
  : cell instanceof Uint8Array ? { bytes: Buffer.from(cell).toString("hex") }
  : cell instanceof Map ? { map: [...cell].map((pair) => pair.map(tagged)) }
  : Array.isArray(cell) ? cell.map(tagged) : cell;
const answers = [];
for (const view of JSON.parse(require("fs").readFileSync(0, "utf8")).views) {
  const note = view.notes[`view:${view.view}${view.version ? "@v" + view.version : ""}`];
  for (const row of view.rows) {
    const set = setNumber(note, view.join_keys);
    const [event, created, layout, ...cells] = read(new Uint8Array(Buffer.from("00" + row.value, "hex")).subarray(1));
    const found = key(view.project, view.view, view.version, set, row.entity);
    answers.push([found, String(event), String(created), String(layout), cells.map(tagged)]);
  }
}
const other = { number: 3, join_keys: [["a", "int64"]], is_whole: true };
const elsewhere = setNumber(JSON.stringify({ sets: [other] }), [["a", "string"]]);
console.log(JSON.stringify([answers, elsewhere === undefined, setNumber(JSON.stringify({ sets: [] }), [])]));
"""
PYTHON = """
import math, sys
def tagged(cell):
    if isinstance(cell, bool) or cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return {"integer": str(cell)}
    if isinstance(cell, bytes):
        return {"bytes": cell.hex()}
    if isinstance(cell, dict):
        return {"map": [[tagged(key), tagged(item)] for key, item in cell.items()]}
    if isinstance(cell, list):
        return [tagged(item) for item in cell]
    odd = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity", "-0.0": "-0"}
    return {"float": odd.get(str(cell), cell)}
answers = []
for view in json.load(sys.stdin)["views"]:
    note = view["notes"].get("view:" + view["view"] + ("@v" + view["version"] if view["version"] else ""))
    for row in view["rows"]:
        value = bytes.fromhex(row["value"])
        (event, created, fingerprint, *cells), end = read(value)
        assert end == len(value)
        found = key(view["project"], view["view"], view["version"], set_number(note, view["join_keys"]), row["entity"])
        answers.append([found, str(event), str(created), str(fingerprint), tagged(cells)])
other = {"number": 3, "join_keys": [["a", "int64"]], "is_whole": True}
elsewhere = set_number(json.dumps({"sets": [other]}), [["a", "string"]])
print(json.dumps([answers, elsewhere is None, set_number(json.dumps({"sets": []}), [])]))
"""


def wanted():
    """What a reader must answer for every row: key, event time, created time, fingerprint, cells."""
    return [
        [
            row["key"],
            str(row["event_us"]),
            str(-(2**63) if row["created_us"] is None else row["created_us"]),
            str(view["fingerprint"]),
            signed_zeros(row["cells"] or []),
        ]
        for view in DOCUMENT["views"]
        for row in view["rows"]
    ]


def signed_zeros(cell):
    """-0.0 as a text, since no JSON writer of JavaScript keeps its sign."""
    if isinstance(cell, dict):
        return {name: "-0" if str(item) == "-0.0" else signed_zeros(item) for name, item in cell.items()}
    return [signed_zeros(item) for item in cell] if isinstance(cell, list) else cell


def reader(language):
    """The code block of the page in this language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert len(found.splitlines()) <= LINES[language]
    return found


def answers(command):
    done = subprocess.run(command, input=vectors.VECTORS.read_bytes(), capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not on this machine")
def test_the_documented_reader_in_javascript_reads_every_vector(tmp_path):
    script = tmp_path / "reader.js"
    script.write_text(reader("js") + JAVASCRIPT)
    assert answers(["node", str(script)]) == [wanted(), True, 0]


def test_the_documented_reader_in_python_reads_every_vector_without_packages(tmp_path):
    script = tmp_path / "reader.py"
    script.write_text(reader("python") + PYTHON)
    assert answers([sys.executable, "-I", "-S", str(script)]) == [wanted(), True, 0]


def test_the_vectors_are_what_we_write():
    """python -m tests.online.vectors writes them anew."""
    assert vectors.VECTORS.read_text(encoding="utf-8") == vectors.text()


def test_the_vectors_hold_every_mark_that_the_page_names_but_those_of_64_kibibytes():
    seen = {mark for view in DOCUMENT["views"] for row in view["rows"] for mark in marks(bytes.fromhex(row["value"]))}
    named = {0xC0, 0xC2, 0xC3, 0xC4, 0xC5, 0xCB, *range(0xCC, 0xD4), 0xD9, 0xDA, 0xDC}
    assert named <= seen
    assert seen & set(range(0x80))
    assert seen & set(range(0xE0, 0x100))
    assert seen & set(range(0x90, 0xA0))
    assert seen & set(range(0x80, 0x90))


def marks(data, at=0):
    """The first byte of every value in a row."""
    found, ends = [], [at]

    def visit(at):
        mark = data[at]
        found.append(mark)
        at += 1
        fixed = {0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
        sizes = {0xC4: 1, 0xC5: 2, 0xD9: 1, 0xDA: 2}
        if mark in fixed:
            return at + fixed[mark]
        if mark in sizes:
            return at + sizes[mark] + int.from_bytes(data[at : at + sizes[mark]], "big")
        if 0xA0 <= mark <= 0xBF:
            return at + (mark & 31)
        count = {0x8: 2 * (mark & 15), 0x9: mark & 15}.get(mark >> 4, 0)
        if mark == 0xDC:
            count, at = int.from_bytes(data[at : at + 2], "big"), at + 2
        for _ in range(count):
            at = visit(at)
        return at

    ends.append(visit(at))
    assert ends[-1] == len(data)
    return found


def one_row():
    """Key, row and note of the row that the page shows byte by byte."""
    text = PAGE[PAGE.index("## One row") :]
    found = re.search(r"key +(\S+)\nrow +([0-9a-f \n]+)note +(\S+)", text)
    return found[1].encode(), bytes.fromhex(found[2]), found[3]


def test_the_row_that_the_page_shows_is_what_we_write():
    names = ("orders_7d", "spend_7d_usd", "segment", "is_new", "balance", "last_login")
    types = ("int64", "float64", "string", "boolean", "decimal(9,2)", "timestamp")
    features = tuple(Feature(name=name, type=each) for name, each in zip(names, types, strict=True))
    documented = FeatureView(
        name="user_orders",
        relation="user_orders",
        join_keys=(Column(name="user_id", type="int64"),),
        event_time=Column(name="observed_at", type="timestamp"),
        created_at=Column(name="loaded_at", type="timestamptz"),
        features=features,
    )
    values = [3, 42.5, "gold", None, Decimal("10.50"), datetime(1969, 12, 31, 23, 59, 59)]
    batch = pa.record_batch(
        {
            "user_id": pa.array([1001]),
            "observed_at": pa.array([NOON.replace(tzinfo=None)], pa.timestamp("us")),
            "loaded_at": pa.array([NOON + timedelta(minutes=5)], pa.timestamp("us", "UTC")),
            **{f.name: pa.array([value], arrow_type(f.type)) for f, value in zip(features, values, strict=True)},
        }
    )
    rows = RowEncoder(documented, project="shop").encode(batch).rows
    assert (rows.keys[0].as_py(), rows.values[0].as_py(), layout_note(documented, documented.fingerprint)) == one_row()


def test_the_row_that_the_page_shows_is_read_by_its_fixed_places_alone():
    _, row, _ = one_row()
    assert read_header(row) == (9, NOON_US, NOON_US + 300_000_000, 0x7B91EA18)
    assert struct.unpack(">Bd", row[27:36]) == (0xCB, 42.5)
