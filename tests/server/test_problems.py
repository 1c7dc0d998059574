"""What is wrong here is said under an id: to the caller the id, to the log the rest, once a second."""

from __future__ import annotations

import json
import logging

import pytest

from featurestore.errors import OnlineStoreError, RegistryCorruptError
from featurestore.server.problems import Repeats, explain


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def said(answer):
    return json.loads(json.loads(answer.body))["message"]


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.ERROR, "featurestore.server")
    return caplog


def test_a_store_that_is_away_is_said_once_a_second(log):
    clock = Clock()
    repeats = Repeats(clock)
    answers = [explain(OnlineStoreError("cannot reach 10.0.0.7"), f"r{number}", repeats) for number in range(1_000)]
    assert {answer.status for answer in answers} == {503}
    assert len({said(answer) for answer in answers}) == 1, "one id, which stands in the log"
    (line,) = log.messages
    assert "cannot reach 10.0.0.7" in line
    first_id = line.split()[1]
    assert first_id in said(answers[-1])
    assert "10.0.0.7" not in said(answers[-1])
    explain(OnlineStoreError("it was emptied"), "other", repeats)
    assert "it was emptied" in log.messages[-1], "another failure is said at once"
    clock.now += 1
    explain(OnlineStoreError("cannot reach 10.0.0.7"), "later", repeats)
    assert f"error {first_id} in 999 more" in log.messages[-1]


def test_what_is_not_expected_is_told_by_its_id_alone(log):
    answer = explain(RegistryCorruptError("the document v3 at /srv is cut"), "r1")
    assert answer.status == 500
    assert "/srv" not in said(answer)
    assert "/srv" in log.messages[0]
    assert "secret" not in said(explain(ValueError("secret"), "r2"))


def test_passwords_are_blotted_out_of_the_log(log):
    explain(OnlineStoreError("redis://user:canary@host is away"), "r1")
    assert "canary" not in log.text


def test_a_defect_is_logged_once_with_its_traceback_under_both_ids(log):
    """So that who is told an id finds the line that says why."""
    try:
        raise ZeroDivisionError("in a plan")
    except ZeroDivisionError as problem:
        answer = explain(problem, "r7")
    assert answer.status == 500
    (line,) = log.records
    assert line.exc_info[0] is ZeroDivisionError
    assert "in request r7" in line.getMessage()
    assert line.getMessage().split()[1] in said(answer)
    assert "in a plan" not in said(answer)
