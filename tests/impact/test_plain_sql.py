"""Which Jinja is plain, and what a model's SQL is without it."""

from __future__ import annotations

import pytest

from featurestore.definitions.graph import Graph, GraphNode
from featurestore.impact.plain_sql import plain_sql
from featurestore.impact.tracing import Tracing

A, B = (GraphNode(unique_id=f"model.shop.{name}", kind="model", name=name, relation=f"db.main.{name}") for name in "ab")
OLD = GraphNode(unique_id="model.shop.a.v1", kind="model", name="a@v1", relation="db.main.a_v1")
SOURCE = GraphNode(unique_id="source.shop.raw.x.y", kind="source", name="raw.x.y", relation="db.raw.y")


def node(sql, *, kind="model", compiled="", macros=""):
    return GraphNode(unique_id=f"{kind}.shop.m", kind=kind, name="m", sql=sql, compiled=compiled, macros=macros)


def plain(sql, *parents, **more):
    found = plain_sql(node(sql, **more), parents or (A,), dialect="duckdb")
    return None if found is None else (found.text, sorted(found.tables.values()), found.beside)


def name_of(sql, *parents):
    return plain(sql, *parents)[1]


@pytest.mark.parametrize(
    "sql",
    [
        "select '{{ ref('a') }}' as origin from t",
        "select * from {{ ref('a') }}_history",
        "select * from other.{{ ref('a') }}",
        "select * from {{ ref(var('x')) }}",
        "select * from {{ ref('a').include(database=false) }}",
        "select * from {{ this }}",
        "select {{ config(materialized='table') ~ price(1) }} as x",
        "select 1 {% if is_incremental() %} where x {% else %} where y {% endif %}",
        "select 1 {% if is_incremental() %}{% if a %} where x {% endif %}{% endif %}",
        "select 1 {% if not is_incremental() %} where x {% endif %}",
        "select * from {{ ref('other', 'a') }}",
        "select * from {{ ref('a', v=2) }}",
        "select '{% raw %}{{ x }}{% endraw %}'",
    ],
)
def test_other_jinja_is_not_plain(sql):
    assert plain(sql) is None


def test_plain_jinja():
    assert name_of("select * from {{ ref('shop', 'a') -}} ") == [A.unique_id]
    assert name_of("select * from {{ ref('a', v=1) }}", A, OLD) == [OLD.unique_id]
    assert name_of("select * from {{ source('raw', 'x.y') }}", SOURCE) == [SOURCE.unique_id]
    assert plain("select 1 -- {{ ref('a') }}")[1] == [A.unique_id]
    assert plain("select a {#- gone -#} b from t")[0] == "select ab from t"
    assert plain("{{ config(tags='x') }}select 1{% if is_incremental() %} where x{% endif %}")[0] == "select 1"


def test_a_macro_of_the_project_in_place_of_ref_is_not_plain():
    assert plain("select * from {{ ref('a') }}", macros="0" * 64) is None


def values(sql, **more):
    graph = Graph(nodes=(A, B, node(sql, **more)))
    return Tracing(graph=graph, dialect="duckdb").of(f"{more.get('kind', 'model')}.shop.m").whole


@pytest.mark.parametrize(
    ("before", "after", "more"),
    [
        ("{{ config(post_hook='delete from x') }} select 1 as one", "{{ config() }} select 1 as one", {}),
        ("{{ config(strategy='check', check_cols='all') }} select 1 as one",
         "{{ config(strategy='check', check_cols='a') }} select 1 as one", {"kind": "snapshot"}),
        ("select 1 as x {% if target.name == 'prod' %} where a {% endif %}",
         "select 1 as x {% if target.name == 'prod' %} where b {% endif %}", {"compiled": "select 1 as x"}),
        ("select 1 as x {% if is_incremental() %} where a > 1 {% endif %}",
         "select 1 as x {% if is_incremental() %} where a > 2 {% endif %}", {}),
        ("select {{ usd(1) }} as x {% if is_incremental() %} where a > 1 {% endif %}",
         "select {{ usd(1) }} as x {% if is_incremental() %} where a > 2 {% endif %}", {"compiled": "select 1 as x"}),
        ("{{ config(materialized='incremental', unique_key='a') }} select 1 as x",
         "{{ config(materialized='incremental', unique_key='b') }} select 1 as x", {}),
        ("{{ config(incremental_strategy='append') }} select 1 as x",
         "{{ config(incremental_strategy='merge') }} select 1 as x", {}),
        ("select 1 as x", "{{ config(materialized='incremental') }} select 1 as x", {}),
        ("select {{ 1 if is_incremental() else 2 }} as x", "select {{ 1 if is_incremental() else 3 }} as x",
         {"compiled": "select 1 as x"}),
    ],
)  # fmt: skip
def test_what_is_not_in_the_sql_counts(before, after, more):
    assert values(before, **more) != values(after, **more)
    assert values(before, **more) == values(before, **more)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{{ config(materialized='view') }} select 1 as x",
         "{{ config(materialized='table', tags=['a']) }} select 1 as x"),
        ("{{ config(unique_key='a', tags='x') }} select 1 as x",
         "{{ config(tags='y', unique_key = \"a\") }} select 1 as x"),
        ("select 1 as x{% if is_incremental() %} where a > 1{% endif %}",
         "select 1 as x\n{% if is_incremental() %}\n    where a > 1\n{% endif %}\n"),
        ("{{ config(unique_key='a') }} select {{ usd(1) }} as x",
         "{{ config(unique_key='a') }} select {{ euro(1) }} as x"),
    ],
)  # fmt: skip
def test_settings_that_make_no_other_rows_do_not_count(before, after):
    compiled = "select 1 as x" if "(1)" in before else ""
    assert values(before, compiled=compiled) == values(after, compiled=compiled)


def snapshot_of(sql, watched):
    """What a snapshot of a model holds."""
    model = GraphNode(unique_id="model.shop.a", kind="model", name="a", sql=sql)
    snapshot = GraphNode(
        unique_id="snapshot.shop.s", kind="snapshot", name="s", watched=watched,
        parents=("model.shop.a",), sql="{% snapshot s %}select * from {{ ref('a') }}{% endsnapshot %}",
    )  # fmt: skip
    return Tracing(graph=Graph(nodes=(model, snapshot)), dialect="duckdb").of("snapshot.shop.s")


def test_a_snapshot_has_other_rows_where_what_it_watches_is_another():
    sql = "select id, changed_at, tier, country from t"
    one = snapshot_of(sql, ("changed_at", "id"))
    assert one.rows == snapshot_of(sql.replace("country", "upper(country) as country"), ("changed_at", "id")).rows
    later = snapshot_of(sql.replace("changed_at", "changed_at + 1 as changed_at"), ("changed_at", "id"))
    assert one.rows != later.rows
    assert one.column("dbt_valid_from") != later.column("dbt_valid_from")
    assert one.column("dbt_valid_from") != one.column("dbt_valid_to")
    every = snapshot_of(sql, ())
    assert every.rows != snapshot_of(sql.replace("country", "upper(country) as country"), ()).rows


def test_a_snapshot_or_a_growing_model_may_have_several_rows_of_what_its_sql_groups_by():
    grouped = "select id, count(*) as n from t group by id"
    assert snapshot_of(grouped, ("id", "n")).keys is None
    growing = Graph(nodes=(node(f"{grouped}{{% if is_incremental() %}} having n > 1{{% endif %}}"),))
    assert Tracing(graph=growing, dialect="duckdb").of("model.shop.m").keys is None


@pytest.mark.parametrize(
    ("sql", "keys"),
    [
        ("select id, count(*) as n from t group by id", {"id"}),
        (
            "select id, n from (select id, row_number() over (partition by id order by x) as n from t) where n = 1",
            {"id"},
        ),
        ("select id, count(*) as n from t group by id, x", None),
        ("select id, count(*) as n from t group by id {% if is_incremental() %} having n > 1 {% endif %}", None),
        ("select id, {{ usd(1) }} as n from t group by id", None),
        ("select id from t", None),
    ],
)
def test_what_did_not_change_is_known_by_its_name_and_by_what_tells_its_rows_apart(sql, keys):
    graph = Graph(nodes=(A, node(sql)))
    traced = Tracing(graph=graph, dialect="duckdb", same=frozenset(("model.shop.m",))).of("model.shop.m")
    assert traced.keys == keys
    assert traced.columns == {}


def test_what_an_incremental_model_has_built_is_itself_in_whatever_schema():
    def built_in(schema, edge="1"):
        mine = GraphNode(
            unique_id="model.shop.m", kind="model", name="m", relation=f"db.{schema}.m", sql="{{ rows(this) }}",
            compiled=f"select x from t where x > (select max(x) - {edge} from db.{schema}.m)",
        )  # fmt: skip
        return Tracing(graph=Graph(nodes=(mine,)), dialect="duckdb").of("model.shop.m").whole

    assert built_in("main") == built_in("pull_request_7")
    assert built_in("main") != built_in("main", edge="2")
