"""What is done of a topic is remembered, message by message, for as long as the topic has it."""

from __future__ import annotations

import pytest

from featurestore.errors import StreamError
from featurestore.streams.sources.removed import Removed


def test_a_topic_that_was_made_again_begins_anew(tmp_path):
    """Its messages have the old ones' places, and were published later."""
    before = Removed(tmp_path, "dead")
    assert not before.is_done("0", "0", 1_000)
    before.add(["0"], ["0"])
    assert Removed(tmp_path, "dead").is_done("0", "0", 1_000)
    assert not Removed(tmp_path, "dead").is_done("0", "0", 2_000)
    assert not Removed(tmp_path, "other").is_done("0", "0", 1_000)


def test_what_the_topic_has_forgotten_is_forgotten(tmp_path):
    before = Removed(tmp_path, "dead")
    for offset in ("1", "2"):
        before.is_done("0", offset, None)
    before.add(["0", "0"], ["1", "2"])
    after = Removed(tmp_path, "dead")
    assert after.is_done("0", "2", None)
    assert not after.is_done("0", "3", None)
    after.add(["0"], ["3"])
    last = Removed(tmp_path, "dead")
    assert [last.is_done("0", offset, None) for offset in "123"] == [False, True, True]


def test_a_topics_name_may_hold_anything_and_a_file_that_is_broken_counts_as_none(tmp_path):
    removed = Removed(tmp_path, "../a:b/c")
    removed.is_done("0", "1", None)
    removed.add(["0"], ["1"])
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"[[")
    assert not Removed(tmp_path, "../a:b/c").is_done("0", "1", None)


def test_a_place_that_cannot_be_used_is_told(tmp_path):
    removed = Removed(tmp_path / "state", "dead")
    removed.is_done("0", "1", None)
    (tmp_path / "state").write_text("")
    with pytest.raises(StreamError, match="cannot be written"):
        removed.add(["0"], ["1"])
    with pytest.raises(StreamError, match="cannot be read"):
        Removed(tmp_path / "state", "dead")
