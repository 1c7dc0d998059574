"""Many random cases in one: the same definitions and tables, told apart by one more join key; one query asks them all.

A hundred cases cost hardly more than one, and edges that one case in a thousand shows are met in every run.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.pit.strategies import Case, Rows, draw_rows, draw_table, draw_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.pit.strategies import World


def drawn(seed: str, *, cases: int, change: Callable[[World], World] = lambda world: world) -> Case:
    """Draw cases.

    Args:
        seed: equal seeds draw equal cases.
        cases: how many.
        change: makes the drawn world the one that rows are drawn for.

    Returns:
        All of them as one; views without entity have the same rows in each.
    """
    choose = random.Random(seed).choice
    world = change(draw_world(choose, is_batched=True))
    shared = {
        view.name: draw_table(choose, world, world.columns(view), case=0, sizes=range(9))
        for view in world.views
        if not view.join_keys
    }
    batch = [draw_rows(choose, world, case=case, shared=shared) for case in range(cases)]
    tables = {view.name: tuple(row for rows in batch for row in rows.tables[view.name]) for view in world.views}
    spine = tuple(example for rows in batch for example in rows.spine)
    return Case(world=world, rows=Rows(spine=spine, tables=tables | shared))
