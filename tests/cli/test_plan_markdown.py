"""The comment of a plan: it fits into one, and texts of the project are shown as they are."""

from __future__ import annotations

import pytest

from featurestore.cli.plan_markdown import plan_markdown
from featurestore.definitions.graph import Graph
from featurestore.definitions.project import Project
from featurestore.registry.document import ManifestFacts
from featurestore.registry.plan import Change, Plan, Resync, SqlDiff
from featurestore.registry.planned import Planned

MOST = 65_536  # letters of a comment on GitHub


def comment(*changes, warnings=(), **parts):
    """The comment of a plan of these changes."""
    return plan_markdown(
        Planned(
            changes=Plan(changes=changes, **parts), project=Project(name="shop"), graph=Graph(),
            source=ManifestFacts(target="dev"), current=1, warnings=warnings,
        )
    )  # fmt: skip


def changed(number, impact, **more):
    services = tuple(f"service_{each}" for each in range(50))
    fields = {"field": "ttl", "before": "30d", "after": "7d", "services": services, **more}
    return Change(kind="changed", what="view", name=f"view_{number:04}", impact=impact, **fields)


def test_a_comment_is_never_longer_than_it_may_be():
    impacts = ("breaking", "value-changing", "compatible", "cosmetic")
    text = comment(
        *(changed(number, impacts[number % 4], uncompiled=(f"m{number}",)) for number in range(2000)),
        resync=tuple(Resync(view=f"view_{number}", reasons=("why " * 99,), is_full=True) for number in range(2000)),
        sql=tuple(
            SqlDiff(name=f"m{each}", path=f"{each}.sql", views=(), diff=("+x" * 9,) * 99) for each in range(2000)
        ),
        warnings=("wide " * 500,) * 100,
    )
    assert len(text) < MOST
    first = text.index("#### Breaking: 500 changes")
    assert first < text.index("| | and ") < text.index("#### Other values: 500 changes")
    assert "and 490 more" in text.split("####")[0], "views that apply refuses"
    assert "Cosmetic: 500 changes" in text
    assert text.count("<details>") == text.count("</details>")


def test_a_small_plan_is_shown_whole():
    diff = SqlDiff(name="m", path="m.sql", views=(), diff=("-a", "+b"))
    text = comment(changed(1, "breaking"), sql=(diff,))
    assert "more" not in text
    assert "-a\n+b" in text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a|b", "a\\|b"),
        ("a\\|b", "a\\\\\\|b"),
        ("*all* [here](https://x.example)", "\\*all\\* \\[here\\](https://x.example)"),
        ("ask @anna, see #12", "ask @\u200banna, see #\u200b12"),
        ("orders@v1", "orders@v1"),
        ("<b>`x`", "&lt;b&gt;\\`x\\`"),
        ("two\nlines", "two lines"),
    ],
)
def test_texts_of_the_project_are_shown_as_they_are(said, shown):
    assert f"| owner &quot;&quot; -&gt; {shown} |".replace("&quot;", '"') in comment(
        changed(1, "cosmetic", field="owner", before="", after=said)
    )


def test_a_reviewer_is_told_what_the_plan_was_not_certain_of():
    text = comment(changed(1, "value-changing", field="sql", uncompiled=("orders",)), warnings=("it is old",))
    assert "<summary>2 warnings</summary>" in text
    assert "- not compiled, so all features count as changed: orders -&gt; run dbt compile" in text
    assert "- it is old" in text
