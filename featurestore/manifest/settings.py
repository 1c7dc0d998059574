"""`featurestore.yml`, beside `dbt_project.yml`: what is no metadata of a dbt resource. Every key is optional.

The order, first wins: environment variable, ``targets.<target>.<key>``, ``<key>``, default. Only the value that wins is
rendered, so a variable that another target needs may be missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from featurestore.definitions.entities import Entity
from featurestore.definitions.places import DEFAULT_ONLINE_STORE, ENVIRONMENT, SETTINGS_FILE, RegistryPlace
from featurestore.definitions.server import ServerSettings
from featurestore.definitions.streams import StreamConnection
from featurestore.errors import UsageError
from featurestore.manifest.blocks import Block, open_block, show
from featurestore.manifest.paths import shown_path
from featurestore.manifest.problems import Problems
from featurestore.manifest.registry_settings import open_registry_block, read_registry
from featurestore.manifest.server_settings import open_server_block, read_server_settings
from featurestore.manifest.stream_settings import open_streams
from featurestore.manifest.templates import Renderer
from featurestore.manifest.yaml_file import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEYS = ("registry", "online_store", "entities", "server", "streams", "targets")
PLACE_KEYS = ("registry", "online_store")
TARGET_KEYS = (*PLACE_KEYS, "server", "streams")
ENTITY_KEYS = ("name", "join_keys", "description")
_PLACE = "a path or URI"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `featurestore.yml` and the environment say.

    Attributes:
        registry: where it is, a relative path starts at the dbt project's folder; and how readers take it.
        online_store: URI; a relative path likewise. It may hold a password, so it is not in the repr.
        entities: entities without a dimension model.
        streams: by name, what is said of each: definitions, rendered.
        connections: by name, where each is, or why that cannot be known here; ask for `connection`.
        server_or_trouble: what a feature server is told, or why that cannot be known here; ask for `server`.
    """

    registry: RegistryPlace = field(default_factory=RegistryPlace)
    online_store: str = field(default=DEFAULT_ONLINE_STORE, repr=False)
    entities: tuple[Entity, ...] = ()
    streams: Mapping[str, Block] = field(default_factory=dict)
    connections: Mapping[str, StreamConnection | UsageError] = field(default_factory=dict)
    server_or_trouble: ServerSettings | UsageError = field(default_factory=ServerSettings)

    @property
    def server(self) -> ServerSettings:
        """What a feature server is told.

        Raises:
            UsageError: a template in it cannot be rendered. Nobody but a server needs its variables.
        """
        if isinstance(self.server_or_trouble, UsageError):
            raise self.server_or_trouble
        return self.server_or_trouble

    def connection(self, stream: str) -> StreamConnection:
        """Where a stream is; one of which nothing is said is in the online store's Redis.

        Raises:
            UsageError: a template in it cannot be rendered.
        """
        found = self.connections.get(stream, StreamConnection())
        if isinstance(found, UsageError):
            raise found
        return found


def load_settings(project_dir: Path, *, target: str, environ: Mapping[str, str]) -> Settings:
    """Read the settings of a dbt project for one target.

    Args:
        project_dir: the dbt project's folder; the file may be missing.
        target: the dbt target, whose overrides count.
        environ: environment variables; FEATURESTORE_REGISTRY, FEATURESTORE_REGISTRY_VERSION,
            FEATURESTORE_REGISTRY_CACHE and FEATURESTORE_ONLINE_STORE win over the file.

    Raises:
        UsageError: the file cannot be read, or a template outside ``server:`` needs a missing environment variable.
        DefinitionError: unknown keys or wrong values; all of them at once.
    """
    path = project_dir / SETTINGS_FILE
    if not path.exists() and path.with_suffix(".yaml").exists():
        raise UsageError(f"{shown_path(path.with_suffix('.yaml'))} is not read", hint=f"rename it to {SETTINGS_FILE}")
    problems = Problems()
    place = shown_path(path)
    values = read_yaml(path) if path.exists() else {}
    block = open_block(values, file=place, path="", known=KEYS, problems=problems)
    assert block is not None
    overrides = _read_targets(block).get(target, Block(file=place, path="", values={}, problems=problems))
    renderer = Renderer(place=place, environ=environ)
    streams = open_streams((overrides, block), renderer)
    settings = Settings(
        streams=streams.definitions,
        connections=streams.connections,
        server_or_trouble=_read_server((overrides, block), renderer),
        registry=read_registry((overrides, block), renderer),
        online_store=_setting("online_store", (overrides, block), renderer) or DEFAULT_ONLINE_STORE,
        entities=_read_entities(renderer.render(block.values.get("entities"), "entities"), place, problems),
    )
    problems.raise_all()
    return settings


def read_entity(block: Block, name: str | None) -> Entity | None:
    """Read one entity from its block; without join keys it is its own. None, with the problem noted, without a name."""
    if name is None or not name.strip():
        block.refuse("name", "the entity's name")
        return None
    join_keys = block.names("join_keys")
    if join_keys == ():
        block.refuse("join_keys", "at least one column")
    return Entity(name=name, join_keys=join_keys or (name,), description=block.text("description") or "")


def _read_targets(block: Block) -> dict[str, Block]:
    raw = block.values.get("targets")
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        block.refuse("targets", "a mapping of target names")
        return {}
    found: dict[str, Block] = {}
    for name, values in raw.items():
        path = f"targets.{name}"
        one = open_block(values, file=block.file, path=path, known=TARGET_KEYS, problems=block.problems)
        if one is not None:
            found[str(name)] = one
            one.text("online_store", _PLACE)
            open_registry_block(one)
            _open_server(one)
            open_streams((one,), None)
    return found


def _read_server(blocks: tuple[Block, ...], renderer: Renderer) -> ServerSettings | UsageError:
    """Read the ``server:`` that wins, as a whole; of the other one only the keys are looked at."""
    opened = [_open_server(block) for block in blocks]
    block = next((each for each in opened if each is not None), None)
    if block is None:
        return ServerSettings()
    try:
        rendered = renderer.render(block.values, block.path)
    except UsageError as error:
        return error
    return read_server_settings(replace(block, values=rendered))


def _open_server(block: Block) -> Block | None:
    path = f"{block.path}.server".removeprefix(".")
    return open_server_block(block.values.get("server"), file=block.file, path=path, problems=block.problems)


def _setting(key: str, blocks: tuple[Block, ...], renderer: Renderer) -> str | None:
    """Find the value that wins; wrong values are noted wherever they stand."""
    texts = [(block, block.text(key, _PLACE)) for block in blocks]
    from_environment = renderer.environ.get(ENVIRONMENT[key])
    if from_environment:
        return from_environment
    for block, text in texts:
        if text is not None:
            rendered = renderer.render(text, block.place(key).removeprefix(f"{block.file}: "))
            if isinstance(rendered, str) and rendered.strip():
                return rendered
            block.problems.error(f"expected {_PLACE}, got nothing after rendering", where=block.place(key))
    return None


def _read_entities(raw: Any, file: str, problems: Problems) -> tuple[Entity, ...]:  # noqa: ANN401
    """Read ``entities:``, a list of names or blocks, or a mapping from names to blocks."""
    found: dict[str, Entity] = {}
    for path, name, values in _entity_items(raw, file, problems):
        known = ENTITY_KEYS if name is None else ENTITY_KEYS[1:]
        block = open_block(values, file=file, path=path, known=known, problems=problems)
        entity = (
            read_entity(block, name if name is not None else block.text("name", "the entity's name"))
            if block is not None
            else None
        )
        if entity is not None and entity.name in found:
            problems.error(
                f"entity '{entity.name}' is declared twice", where=f"{file}: {path}", hint="keep one of them"
            )
        elif entity is not None:
            found[entity.name] = entity
    return tuple(found[name] for name in sorted(found))


def _entity_items(raw: Any, file: str, problems: Problems) -> list[tuple[str, str | None, Any]]:  # noqa: ANN401
    """Split ``entities:`` into (key path, name if it stands outside the block, block)."""
    if isinstance(raw, dict):
        return [(f"entities.{name}", str(name), {} if values is None else values) for name, values in raw.items()]
    if isinstance(raw, list):
        return [
            (f"entities[{at}]", None, {"name": value} if isinstance(value, str) else value)
            for at, value in enumerate(raw)
        ]
    if raw is not None:
        problems.error(f"expected a list or mapping of entities, got {show(raw)}", where=f"{file}: entities")
    return []
