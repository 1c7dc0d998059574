"""An online store of Feast's as a URI of ours; a password becomes a variable of the environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from featurestore.scaffold.feast.notes import Note

if TYPE_CHECKING:
    from collections.abc import Mapping

Found: TypeAlias = "tuple[str | None, tuple[Note, ...]]"
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_NODE = re.compile(r"^[\w.-]+(:\d+)?$|^\[[0-9a-fA-F:]+\](:\d+)?$")
_TRUE = frozenset(("true", "1", "yes"))
_USED = frozenset(("password", "username", "db", "ssl"))
_CHOOSE = "choose one in docs/guides/online-stores.md and name it in featurestore.yml: `online_store: redis://...`"


def online_store(keys: Mapping[str, Any], project: str) -> Found:
    """Write the URI of an online store.

    Args:
        keys: of `online_store:`, with its type.
        project: Feast's name of the project.

    Returns:
        The URI, a template for Jinja; None where the default, SQLite in the project's folder, is meant or there is no
        equal; and what is not as it was.
    """
    kind = str(keys["type"])
    if kind == "sqlite":
        return None, ()
    if kind == "redis":
        return _redis(keys)
    if kind == "postgres":
        return _postgres(keys)
    if kind == "dynamodb":
        return _dynamodb(keys, project)
    what = "there is no such online store here, so lookups go to SQLite in .featurestore/"
    if keys.get("vector_enabled"):
        what += "; similarity search has no equal"
    return None, (Note(kind="online store", name=kind, what=what, hint=_CHOOSE),)


def _redis(keys: Mapping[str, Any]) -> Found:
    text = str(keys.get("connection_string") or "localhost:6379")
    parts = [part.strip() for part in text.split(",") if part.strip()]
    nodes = [part for part in parts if "=" not in part]
    options = dict(part.split("=", 1) for part in parts if "=" in part)
    if not nodes or not all(_NODE.match(node) for node in nodes):
        what = "its connection string does not name a host that can be read"
        return None, (_note("redis", what, "write `online_store: redis://HOST:PORT/DB` into featurestore.yml"),)
    flavour = {"redis_cluster": "+cluster", "redis_sentinel": "+sentinel"}.get(str(keys.get("redis_type")), "")
    scheme = "rediss" if options.get("ssl", "").lower() in _TRUE else "redis"
    notes = []
    if "password" in options:
        notes.append(_password_note("redis", _named(options["password"]) or "REDIS_PASSWORD"))
    place = ",".join(nodes)
    if flavour == "+sentinel":
        place += f"/{quote(str(keys.get('sentinel_master') or 'mymaster'), safe='')}"
    db = options.get("db", "")
    if flavour != "+cluster" and db.isdecimal() and db != "0":
        place += f"/{db}"
    left = sorted(set(options) - _USED)
    if left:
        what = f"options of the client have no equal: {', '.join(left)}"
        notes.append(_note("redis", what, "see docs/guides/redis.md for what the URI can say"))
    if keys.get("key_ttl_seconds"):
        notes.append(_note("redis", "key_ttl_seconds has no equal", "give views a ttl: rows expire after twice of it"))
    uri = f"{scheme}{flavour}://{_user(options, 'REDIS_PASSWORD')}{place}"
    return uri, tuple(notes)


def _user(options: Mapping[str, str], variable: str) -> str:
    """User and password of a URI, the password as a variable."""
    name = options.get("username", "")
    user = _template(name) if _named(name) else quote(name, safe="")
    if "password" not in options:
        return f"{user}@" if user else ""
    named = _named(options["password"]) or variable
    return f"{user}:{{{{ env_var('{named}') }}}}@"


def _postgres(keys: Mapping[str, Any]) -> Found:
    host, port = str(keys.get("host") or "localhost"), str(keys.get("port") or "5432")
    database = str(keys.get("database") or "")
    readable = all(_named(text) or re.match(r"^[\w.-]+$", text) for text in (host, port))
    if not readable or not database:
        hint = "write `online_store: postgresql://HOST/DATABASE` into featurestore.yml"
        return None, (_note("postgres", "its host or database cannot be read", hint),)
    user = str(keys.get("user") or "")
    shown = [_template(text) if _named(text) else quote(text, safe="") for text in (user, host, port, database)]
    uri = f"postgresql://{shown[0]}{'@' if user else ''}{shown[1]}:{shown[2]}/{shown[3]}"
    sslmode = str(keys.get("sslmode") or "")
    if re.match(r"^[a-z-]+$", sslmode):
        uri += f"?sslmode={sslmode}"
    hint = "set PGPASSWORD or use ~/.pgpass, and pip install 'featurestore[postgres-online]'"
    return uri, (
        _note("postgres", "the password is not copied, and rows go to a schema of ours, `featurestore`", hint),
    )


def _dynamodb(keys: Mapping[str, Any], project: str) -> Found:
    table = re.sub(r"[^\w.-]", "_", project, flags=re.ASCII)
    region = str(keys.get("region") or "")
    uri = f"dynamodb://{table}" + (f"?region={region}" if re.match(r"^[a-z0-9-]+$", region) else "")
    what = f"all views are in one table, `{table}`, and Feast's tables are not read"
    hint = "make the table, or add `create=true` to the URI; pip install 'featurestore[dynamodb]'"
    return uri, (_note("dynamodb", what, hint),)


def _note(store: str, what: str, hint: str) -> Note:
    return Note(kind="online store", name=store, what=what, hint=hint)


def _password_note(store: str, variable: str) -> Note:
    hint = f"set the variable {variable}, with `@ : / ?` and the like percent-encoded, as in every URI"
    return _note(store, f"the password is not copied: it is read from {variable}", hint)


def _named(text: str) -> str | None:
    """The variable that a text is, e.g. NAME for ``${NAME}``."""
    found = _VARIABLE.fullmatch(text)
    return None if found is None else found[1] or found[2]


def _template(text: str) -> str:
    return f"{{{{ env_var('{_named(text)}') }}}}"
