"""A small world for readable tests: feature rows and examples in, what each example sees out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import duckdb

from featurestore.definitions.project import Project
from featurestore.definitions.references import select
from featurestore.definitions.spine import Spine
from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.sql.plan import Retrieval
from featurestore.sql.point_in_time import training_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

NOON = datetime(2024, 5, 17, 12)
NOON_UTC = datetime(2024, 5, 17, 12, tzinfo=timezone.utc)
MICROSECOND, SECOND, HOUR, DAY = timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
PLAIN = Retrieval()

ORDERS = FeatureView(
    name="orders",
    relation="orders",
    entities=("user",),
    join_keys=(Column(name="user_id", type="string"),),
    event_time=Column(name="at", type="timestamp"),
    features=(Feature(name="orders_7d", type="int64"),),
)
SPINE_COLUMNS = {"user_id": "varchar", "seen_at": "timestamp"}


class World:
    """Relations in a DuckDB of their own, views over them, and questions about them."""

    def __init__(self, *, time_zone: str = "UTC") -> None:
        self.connection = duckdb.connect(":memory:", config={"threads": 1})
        self.connection.execute(f"set global TimeZone = '{time_zone}'")
        self.views: tuple[FeatureView, ...] = ()

    def view(self, view: FeatureView, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Add a feature view and its rows; `columns` are DuckDB's types by name."""
        self.views = (*self.views, view)
        self.relation(view.relation, columns, rows)

    def relation(self, name: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Make a table."""
        declared = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        self.connection.execute(f"create or replace table {name} ({declared})")
        if rows:
            marks = ", ".join("?" for _ in columns)
            self.connection.executemany(f"insert into {name} values ({marks})", [list(row) for row in rows])

    def spine(self, examples: Sequence[tuple[Any, ...]], columns: dict[str, str], time: str) -> Spine:
        """Make a spine of these examples."""
        self.relation("examples", columns, examples)
        described = tuple(Column(name=name.replace('""', '"'), type=parse_type(kind)) for name, kind in columns.items())
        return Spine(sql="select * from examples", columns=described, time=time)

    def ask(
        self,
        examples: Sequence[tuple[Any, ...]],
        references: Sequence[str],
        *,
        columns: dict[str, str] | None = None,
        full_names: bool = False,
        options: Retrieval = PLAIN,
    ) -> pa.Table:
        """Answer a request for these examples; the two ways of running it have to agree."""
        columns = columns or SPINE_COLUMNS
        time = "seen_at" if "seen_at" in columns else next(name for name, kind in columns.items() if "time" in kind)
        spine = self.spine(examples, columns, time)
        taken = spine.output_columns
        selection = select(
            Project(name="shop", views=self.views), references, full_feature_names=full_names, taken=taken
        )
        plan = training_plan(spine, selection, options=options)
        answer = self.connection.sql(plan.select()).to_arrow_table()
        made, last = tuple(plan.statements()), plan.last()
        cursor = self.connection.cursor()
        for statement in made:
            cursor.execute(statement.sql)
        staged = cursor.sql(last).to_arrow_table()
        cursor.close()
        assert sorted(map(repr, staged.to_pylist())) == sorted(map(repr, answer.to_pylist()))
        return answer


def orders_seen_at(moment: datetime | None, rows: Sequence[tuple[Any, ...]], **options: Any) -> int | None:
    """What user u1 at that moment sees of `orders_7d`.

    Args:
        moment: of the only example.
        rows: (event time, value), or (event time, created time, value), or with a third time
            (event time, created time, end of validity, value) where the options ask for them.
        options: of the view, as `FeatureView` has them; ``valid_to=True`` or ``created=True`` add the column.
    """
    created = options.pop("created", False) or options.get("as_of") == "knowledge"
    has_end = options.pop("valid_to", False)
    times = ["at"] + ["loaded_at"] * created + ["until"] * has_end
    view = replace(
        ORDERS,
        created_at=Column(name="loaded_at", type="timestamp") if created else None,
        valid_to=Column(name="until", type="timestamp") if has_end else None,
        **options,
    )
    world = World()
    columns = {"user_id": "varchar", **dict.fromkeys(times, "timestamp"), "orders_7d": "bigint"}
    world.view(view, columns, [("u1", *row) for row in rows])
    return world.ask([("u1", moment)], ["orders"]).column("orders_7d").to_pylist()[0]
