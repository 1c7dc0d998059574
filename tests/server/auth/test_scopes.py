"""Scopes: what each allows, and that none allows more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.definitions.scopes import parse_scope
from featurestore.server.auth.jwt import scopes_of
from featurestore.server.auth.scopes import ANYBODY, Grant


def grant(*scopes):
    return Grant(name="web", scopes=frozenset(map(parse_scope, scopes)))


@pytest.mark.parametrize(
    ("scope", "action", "view", "allowed"),
    [
        ("read:orders", "read", "orders", True),
        ("read:orders", "read", "orders@v1", True),
        ("read:orders", "read", "orders@v2", True),
        ("read:orders@v2", "read", "orders@v2", True),
        ("read:orders@2", "read", "orders@v2", True),
        ("read:orders@v2", "read", "orders@v20", False),
        ("read:orders@v2", "read", "orders", False),
        ("read:orders", "read", "orders_7d", False),
        ("read:orders", "read", "order", False),
        ("read:orders", "read", "Orders", False),
        ("read:orders", "read", "*", False),
        ("read:orders", "write", "orders", False),
        ("read:orders", "admin", "*", False),
        ("read:*", "read", "orders", True),
        ("read:*", "read", "orders@v2", True),
        ("read:*", "read", "*", True),
        ("read:*", "write", "orders", False),
        ("write:*", "write", "orders", True),
        ("write:*", "read", "orders", False),
        ("write:orders", "write", "orders@v3", True),
        ("write:orders", "write", "users", False),
        ("admin:*", "admin", "*", True),
        ("admin:*", "read", "orders", False),
        ("admin:*", "write", "orders", False),
    ],
)
def test_what_a_scope_allows(scope, action, view, allowed):
    assert grant(scope).may(action, view) is allowed


def test_scopes_add_up_and_no_scope_allows_nothing():
    assert all(grant("read:orders", "read:users").may("read", view) for view in ("orders", "users"))
    assert not any(grant().may(action, "orders") for action in ("read", "write", "admin"))


def test_anybody_reads_all_and_does_nothing_else():
    assert ANYBODY.may("read", "orders")
    assert not ANYBODY.may("write", "orders")
    assert not ANYBODY.may("admin")


@given(st.text())
def test_a_text_is_a_scope_that_reads_back_as_itself_or_is_refused(text):
    try:
        scope = parse_scope(text)
    except ValueError:
        return
    assert parse_scope(scope) == scope


@pytest.mark.parametrize(
    ("claim", "scopes"),
    [
        ("read:orders write:users@2 openid profile", {"read:orders", "write:users@v2"}),
        (["read:orders", "openid", 7, None, ["read:*"], "admin:*"], {"read:orders", "admin:*"}),
        ("read:orders,read:users", set()),
        ("", set()),
        (None, set()),
        (7, set()),
        ({"read:*": True}, set()),
        (["read:orders write:*"], set()),
    ],
)
def test_a_claim_says_these_scopes(claim, scopes):
    assert scopes_of(claim) == scopes
