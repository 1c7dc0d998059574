"""What the reader tells of a Feast repository, checked on the way in: a document of another shape is one error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from featurestore.errors import OperationError

FORMAT = 1
ViewKind = Literal["feature view", "batch feature view", "stream feature view", "label view"]
_NOT_OURS = "the answer of Feast's Python cannot be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeastField:
    """A column that Feast knows: a feature, a join key or a field of a request.

    Attributes:
        type: the name of Feast's ``ValueType``, e.g. ``INT64``, ``FLOAT_LIST``.
        vector: whether it is indexed for similarity search.
    """

    name: str
    type: str = ""
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    vector: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeastSource:
    """A data source, with what of its kind's options says where the rows are; the other texts are empty.

    Attributes:
        kind: the class, e.g. ``FileSource``.
        field_mapping: from columns of the source to names in views.
        batch_source: inside a source of pushes or of a stream, where its rows are kept.
    """

    kind: str
    name: str = ""
    path: str = ""
    table: str = ""
    query: str = ""
    database: str = ""
    schema: str = ""
    namespace: str = ""
    iceberg_table: str = ""
    file_format: str = ""
    reader_type: str = ""
    s3_endpoint_override: str = ""
    topic: str = ""
    stream_name: str = ""
    servers: str = ""
    timestamp_field: str = ""
    created_timestamp_column: str = ""
    date_partition_column: str = ""
    timestamp_field_type: str = ""
    description: str = ""
    owner: str = ""
    field_mapping: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    fields: list[FeastField] = field(default_factory=list)
    batch_source: FeastSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeastEntity:
    """An entity; `type` is the name of a ``ValueType``, ``UNKNOWN`` where the repository does not say it."""

    name: str
    join_key: str
    type: str = "UNKNOWN"
    description: str = ""
    owner: str = ""
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeastView:
    """A view that rows are kept of.

    Attributes:
        kind: what Feast calls it.
        entities: names; empty for a view without entity.
        features: in order; empty where Feast would ask the source for them.
        ttl_us: microseconds; None or 0 for no limit.
        source: of batches; None where there is none.
        stream: what else rows come from: a source of pushes or a stream.
        derived_from: views whose rows it is made of.
    """

    kind: ViewKind
    name: str
    entities: list[str] = field(default_factory=list)
    entity_columns: list[FeastField] = field(default_factory=list)
    features: list[FeastField] = field(default_factory=list)
    ttl_us: int | None = None
    online: bool = True
    enabled: bool = True
    version: str = ""
    description: str = ""
    owner: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    source: FeastSource | None = None
    stream: FeastSource | None = None
    derived_from: list[str] = field(default_factory=list)
    is_transformed: bool = False
    is_aggregated: bool = False
    is_validated: bool = False
    mode: str = ""
    conflict_policy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeastUse:
    """A use of a view in a service or an on-demand view; without `features` of all of it."""

    view: str
    alias: str = ""
    features: list[str] = field(default_factory=list)
    join_keys: dict[str, str] = field(default_factory=dict)
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeastOnDemandView:
    """A view that is computed when it is asked for, from views and from what a request brings."""

    name: str
    mode: str = ""
    features: list[FeastField] = field(default_factory=list)
    reads: list[FeastUse] = field(default_factory=list)
    request: list[FeastField] = field(default_factory=list)
    description: str = ""
    is_written: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeastLogging:
    """Where a service's answers are kept: the class of the destination, its path or table, and the share."""

    kind: str
    place: str = ""
    sample: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeastService:
    """A feature service; `references` are those that the repository gives as text."""

    name: str
    uses: list[FeastUse] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    description: str = ""
    owner: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    logging: FeastLogging | None = None
    is_precomputed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeastPermission:
    """Who may do what."""

    name: str
    types: list[str] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    policy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeastRepository:
    """All that the repository's Python defines, in the order of its files.

    Attributes:
        feast: Feast's version.
        description, owner: of the project, where it is an object of the repository.
    """

    format: int
    feast: str = ""
    description: str = ""
    owner: str = ""
    entities: list[FeastEntity] = field(default_factory=list)
    sources: list[FeastSource] = field(default_factory=list)
    views: list[FeastView] = field(default_factory=list)
    on_demand_views: list[FeastOnDemandView] = field(default_factory=list)
    services: list[FeastService] = field(default_factory=list)
    permissions: list[FeastPermission] = field(default_factory=list)


def read_objects(document: bytes) -> FeastRepository:
    """Read the reader's document.

    Raises:
        OperationError: it is no JSON, or of another shape.
    """
    try:
        found = msgspec.json.decode(document, type=FeastRepository)
    except (msgspec.DecodeError, RecursionError) as error:
        what = f"{_NOT_OURS}: {error}" if document.strip() else f"{_NOT_OURS}: it is empty"
        hint = "a file of the repository ends the process or writes where the answer goes; remove that and try again"
        raise OperationError(what, hint=hint) from None
    if found.format != FORMAT:
        raise OperationError(f"{_NOT_OURS}: expected format {FORMAT}, got {found.format}")
    return found
