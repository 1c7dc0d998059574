"""A feature service: the named list of features that one model reads, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from featurestore.definitions.types import INTEGERS, family_of
from featurestore.definitions.views import Column
from featurestore.errors import SpineError

if TYPE_CHECKING:
    from featurestore.definitions.spine import Spine


LogBy = Literal["entity", "request"]
WAREHOUSE = "warehouse"
"""Says that what was served goes to a table of the dbt target's warehouse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureLogging:
    """Which answers of a feature server are kept, and where.

    Attributes:
        sample: the share that is kept, above 0 and at most 1.
        by: what is drawn: ``entity`` keeps an entity always or never, ``request`` whole answers.
        to: ``warehouse``, or a folder or an object store's URI for Parquet files.
    """

    sample: float = 1.0
    by: LogBy = "entity"
    to: str = WAREHOUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureService:
    """A dbt exposure of type ``ml``.

    Attributes:
        name: the exposure's name.
        features: references as `definitions.references` reads them, in output order.
        request_columns: what no view has and every request brings, such as the amount of the purchase at hand: the
            model reads it beside the features, so the examples of a training set must have it too.
        logging: what a feature server keeps of its answers; None keeps nothing.
        description, owner, tags: for people.
        unique_id, path: where it stands in the dbt project.
        group: the dbt group whose private views it may use; empty for none.
    """

    name: str
    features: tuple[str, ...]
    request_columns: tuple[Column, ...] = ()
    logging: FeatureLogging | None = None
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    unique_id: str = ""
    path: str = ""
    group: str = ""


def check_request_columns(service: FeatureService, spine: Spine) -> None:
    """Refuse examples that lack a request column of the service, or have it in a type that cannot stand for it.

    Raises:
        SpineError: names the column, and both types.
    """
    for wanted in service.request_columns:
        if wanted.name.casefold() not in {name.casefold() for name in spine.output_columns}:
            raise SpineError(
                f"the spine has no column '{wanted.name}', a request column of feature service '{service.name}'",
                hint=f"add it, a {wanted.type}: the model reads it at prediction time",
            )
        have = spine.column(wanted.name)
        if not _stands_for(have.type, wanted.type):
            raise SpineError(
                f"request column '{have.name}' is {have.type} in the spine but {wanted.type} in feature service "
                f"'{service.name}'",
                hint="cast it where the spine is made",
            )


def _stands_for(have: str, wanted: str) -> bool:
    """Whether values of one type are values of the other: equal kinds, and no fraction where a whole is declared."""
    return have == wanted or (family_of(have) == family_of(wanted) and (have in INTEGERS or wanted not in INTEGERS))
