"""Documents: R3, R4, the schema, and every way in which one can be damaged."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.definitions.views import Feature
from featurestore.errors import OperationError, RegistryCorruptError, UsageError
from featurestore.registry.diff import diff
from featurestore.registry.document import content_bytes, decode_document, encode_document, new_document
from featurestore.registry.schema import document_schema
from tests.registry.shop import MANIFEST, ORDERS, SHOP, with_view

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)  # the same in every worker: it is part of tests' names
DOCUMENT = encode_document(replace(new_document(SHOP, MANIFEST, version=7), applied_at=NOON))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def test_a_document_is_read_as_it_was_written():
    document = decode_document(DOCUMENT, where="v0000000007.json")
    assert document.content == SHOP
    assert document.version == 7
    assert document.source == MANIFEST
    assert encode_document(document) == DOCUMENT


def test_a_document_is_indented_json_that_says_where_it_came_from():
    """R3."""
    lines = DOCUMENT.decode().splitlines()
    assert lines[:2] == ["{", '  "format": 1,']
    read = json.loads(DOCUMENT)
    own = ["format", "version", "content_hash", "applied_at", "written_by"]
    assert list(read) == [*own, "source", "applied_by", "rolled_back_to", "graph", "content"]
    assert read["source"]["dbt_version"] == "1.11.2"
    assert read["content"]["dialect"] == "duckdb"
    assert read["content"]["target"] == "dev"


def test_the_hash_is_what_the_documentation_says(tmp_path):
    """R4: the snippet of docs/registry-format.md, run as it stands."""
    page = (Path(__file__).parents[2] / "docs" / "registry-format.md").read_text(encoding="utf-8")
    snippet = page.partition("```python\n")[2].partition("```")[0]
    path = tmp_path / ".featurestore" / "registry" / "v0000000001.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(DOCUMENT)
    subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, check=True, timeout=120)
    path.write_bytes(DOCUMENT.replace(b"orders", b"ordres"))
    failed = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, check=False, timeout=120, capture_output=True
    )
    assert b"AssertionError" in failed.stderr


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(replace(SHOP, views=SHOP.views[::-1], services=SHOP.services[::-1]), id="R4 another order"),
        pytest.param(with_view(SHOP, ORDERS), id="R4 the same view again"),
    ],
)
def test_the_same_definitions_give_the_same_hash(same):
    first = new_document(SHOP, MANIFEST, version=1)
    again = new_document(same, replace(MANIFEST, invocation_id="another", generated_at="later"), version=9)
    assert again.content_hash == first.content_hash
    assert again.content == first.content


def test_other_definitions_give_another_hash():
    other = with_view(SHOP, replace(ORDERS, ttl_us=1))
    assert new_document(other, MANIFEST, version=1).content_hash != new_document(SHOP, MANIFEST, version=1).content_hash


def test_a_path_of_this_machine_never_enters_the_registry():
    """R3."""
    leaking = with_view(SHOP, replace(ORDERS, source=replace(ORDERS.source, path="/home/ann/shop/models/orders.sql")))
    with pytest.raises(AssertionError, match="R3"):
        new_document(leaking, MANIFEST, version=1)


@given(default=JSON_VALUES, text=st.text())
def test_any_default_and_any_text_come_back_byte_for_byte(default, text):
    project = with_view(
        replace(SHOP, services=()),
        replace(ORDERS, description=text, features=(Feature(name="f", type="json", default=default),)),
    )
    document = decode_document(encode_document(new_document(project, MANIFEST, version=1)), where="here")
    assert content_bytes(document.content) == content_bytes(project)


def test_a_lone_surrogate_is_refused_with_the_text_it_stands_in():
    with pytest.raises(UsageError, match=r"lone surrogate\): '.*half \\ud800 a character"):
        content_bytes(with_view(SHOP, replace(ORDERS, description="half \ud800 a character")))


def test_real_documents_satisfy_the_schema_and_damaged_ones_do_not():
    schema = document_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(json.loads(DOCUMENT))
    damaged = json.loads(DOCUMENT)
    del damaged["content"]["views"][0]["event_time"]
    damaged["content"]["views"][1]["as_of"] = "whenever"
    assert {error.validator for error in validator.iter_errors(damaged)} == {"required", "enum"}


def test_the_schema_is_plain_json():
    assert json.loads(json.dumps(document_schema())) == document_schema()


def changed(change):
    read = json.loads(DOCUMENT)
    change(read)
    return json.dumps(read, indent=2).encode()


DAMAGED = [
    ("empty", b"", "here: the file is empty"),
    ("blank", b"\n \n", "here: the file is empty"),
    ("cut off", DOCUMENT[: len(DOCUMENT) // 2], "here: not a whole registry document: Input data was truncated"),
    ("cut off by a byte or two", DOCUMENT[:-3], "here: not a whole registry document"),
    ("not JSON", b"feature store", "here: not a whole registry document: JSON is malformed"),
    ("not UTF-8", b'{"format": "\xff"}', "here: not a whole registry document"),
    ("another kind of JSON", b"[]", "here: not a whole registry document: Expected `object`, got `array`"),
    ("nested without end", b"[" * 100_000, "here: not a whole registry document"),
    ("a key is missing", changed(lambda it: it.pop("content_hash")), "missing required field `content_hash`"),
    (
        "a ttl was changed by hand",
        changed(lambda it: it["content"]["views"][0].update(ttl_us=1)),
        "here: the content was changed after it was written (expected hash ",
    ),
    (
        "a key we do not know was added by hand",
        changed(lambda it: it["content"].update(password="hunter2")),
        "here: the content was changed after it was written",
    ),
    ("no hash", changed(lambda it: it.update(content_hash="")), "(expected hash none, got "),
    ("an impossible format", changed(lambda it: it.update(format=0)), "here: expected format 1, got 0"),
]


@pytest.mark.parametrize(("how", "data", "said"), DAMAGED, ids=[how for how, _, _ in DAMAGED])
def test_a_damaged_document_is_one_clear_error(how, data, said):
    with pytest.raises(RegistryCorruptError) as caught:
        decode_document(data, where="here")
    assert said in str(caught.value), how
    assert "\n  -> restore it from a backup, or move it away" in str(caught.value)
    assert caught.value.exit_code == 1


def test_content_that_matches_its_hash_but_is_no_project_is_one_clear_error():
    def empty_the_content(read):
        read["content"] = {"views": 3}
        read["content_hash"] = hashlib.sha256(b'{"views":3}').hexdigest()

    with pytest.raises(RegistryCorruptError, match="here: content: Expected `array`, got `int`"):
        decode_document(changed(empty_the_content), where="here")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda it: it.update(format=2, written_by="3.1.0"), id="the same shape"),
        pytest.param(lambda it: it.update(format=2, written_by="3.1.0", content="elsewhere"), id="another content"),
        pytest.param(lambda it: (it.update(format=2, written_by="3.1.0"), it.pop("source")), id="another envelope"),
    ],
)
def test_a_newer_format_says_what_to_upgrade_to(change):
    with pytest.raises(OperationError) as caught:
        decode_document(changed(change), where="here")
    assert not isinstance(caught.value, RegistryCorruptError)
    assert "here: document format 2, written by featurestore 3.1.0; this is featurestore " in str(caught.value)
    assert "-> upgrade to featurestore 3.1.0 or later: pip install --upgrade featurestore" in str(caught.value)


def test_white_space_does_not_matter():
    compact = json.dumps(json.loads(DOCUMENT), separators=(",", ":"), ensure_ascii=False).encode()
    assert decode_document(compact, where="here").content == SHOP


def test_a_document_from_before_request_columns_and_logs_is_read_and_applied_again_without_a_change():
    """R4: a key that may be ignored needs no new format."""
    plain = replace(SHOP, services=tuple(replace(service, request_columns=()) for service in SHOP.services))

    def as_it_was(read):
        read["content"] = json.loads(content_bytes(plain))
        for service in read["content"]["services"]:
            del service["request_columns"], service["logging"]
        compact = json.dumps(read["content"], separators=(",", ":"), ensure_ascii=False)
        read["content_hash"] = hashlib.sha256(compact.encode()).hexdigest()

    document = decode_document(changed(as_it_was), where="here")
    assert document.content == plain
    assert diff(document.content, plain).is_empty
    assert content_bytes(document.content) == content_bytes(plain)
