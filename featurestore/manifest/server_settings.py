"""``server:`` of `featurestore.yml`: who may ask a feature server, and for how much.

No message repeats what stands where a key or its hash is expected: somebody may have put the key itself there.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from featurestore.definitions.durations import SECOND, parse_duration
from featurestore.definitions.scopes import parse_scope
from featurestore.definitions.server import ApiKey, Limits, Oidc, ServerSettings
from featurestore.definitions.tokens import ALGORITHMS, is_trusted_url
from featurestore.errors import did_you_mean
from featurestore.manifest.blocks import Block, open_block, show

if TYPE_CHECKING:
    from featurestore.manifest.problems import Problems

SERVER_KEYS = ("keys", "oidc", "limits", "cors")
KEY_KEYS = ("name", "sha256", "scopes")
OIDC_KEYS = ("issuer", "audience", "jwks_url", "algorithms", "scopes_claim")
COUNT_KEYS = ("body_bytes", "entities", "features", "store_calls", "waiting")
SECONDS_KEYS = ("header_s", "body_s")
MOST = 1_000_000_000
LONGEST_S = 3_600.0
_MAKE_A_KEY = "`featurestore server-key NAME --scope read:*` makes a key and says what to write here"
NAME_FORM = "up to 64 letters, digits, dots, dashes and underscores"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_DEFAULTS = Oidc(issuer="", audience="")


def is_key_name(name: str) -> bool:
    """Whether a key can be called so: it stands in logs and metrics."""
    return _NAME.fullmatch(name) is not None


def read_server_settings(block: Block) -> ServerSettings:
    """Read a ``server:`` block whose templates are rendered; what is wrong in it is noted in its problems."""
    limits = _inner(block, "limits", (*COUNT_KEYS, *SECONDS_KEYS))
    return ServerSettings(
        keys=_read_keys(block),
        oidc=_read_oidc(_inner(block, "oidc", OIDC_KEYS)),
        limits=Limits() if limits is None else _read_limits(limits),
        cors=_read_origins(block),
    )


def open_server_block(values: object, *, file: str, path: str, problems: Problems) -> Block | None:
    """Check that ``server:`` is a mapping with known keys; an empty one is none."""
    if values is None:
        return None
    return open_block(values, file=file, path=path, known=SERVER_KEYS, problems=problems)


def _inner(block: Block, key: str, known: tuple[str, ...]) -> Block | None:
    values = block.values.get(key)
    if values is None:
        return None
    return open_block(values, file=block.file, path=f"{block.path}.{key}", known=known, problems=block.problems)


def _read_keys(block: Block) -> tuple[ApiKey, ...]:
    listed = block.values.get("keys")
    if not isinstance(listed, list):
        if listed is not None:
            block.problems.error("expected a list of keys", where=block.place("keys"), hint=_MAKE_A_KEY)
        return ()
    found: list[ApiKey] = []
    for position, values in enumerate(listed):
        path = f"{block.path}.keys[{position}]"
        if not isinstance(values, dict):
            expected = f"expected a mapping of {', '.join(KEY_KEYS)}"
            block.problems.error(expected, where=f"{block.file}: {path}", hint=_MAKE_A_KEY)
            continue
        one = open_block(values, file=block.file, path=path, known=KEY_KEYS, problems=block.problems)
        key = None if one is None else _read_key(one)
        if key is not None:
            _refuse_twice(key, found, f"{block.file}: {path}", block.problems)
            found.append(key)
    return tuple(found)


def _read_key(block: Block) -> ApiKey | None:
    name = block.text("name", "the key's name")
    if name is None:
        if block.values.get("name") is None:
            block.refuse("name", "the key's name")
    elif not is_key_name(name):
        block.refuse("name", NAME_FORM)
        name = None
    sha256 = block.values.get("sha256")
    if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        expected = "expected the SHA-256 of the key, 64 hexadecimal digits in quotes"
        block.problems.error(expected, where=block.place("sha256"), hint=_MAKE_A_KEY)
        sha256 = None
    scopes = _read_scopes(block)
    if name is None or sha256 is None or scopes is None:
        return None
    return ApiKey(name=name, sha256=sha256.lower(), scopes=scopes)


def _read_scopes(block: Block) -> tuple[str, ...] | None:
    names = block.names("scopes")
    if not names:
        if names == () or block.values.get("scopes") is None:
            block.refuse("scopes", "at least one scope", 'write `scopes: ["read:*"]` for a key that reads everything')
        return None
    found = []
    for name in names:
        try:
            found.append(parse_scope(name))
        except ValueError as error:
            block.problems.error(str(error), where=block.place("scopes"))
    return tuple(found)


def _refuse_twice(key: ApiKey, others: list[ApiKey], where: str, problems: Problems) -> None:
    for other in others:
        if other.name == key.name:
            problems.error(f"two keys are named '{key.name}'", where=where, hint="give each a name of its own")
        if other.sha256 == key.sha256:
            problems.error(f"'{key.name}' and '{other.name}' are the same key", where=where, hint=_MAKE_A_KEY)


def _read_oidc(block: Block | None) -> Oidc | None:
    if block is None:
        return None
    issuer, jwks_url = _read_url(block, "issuer"), _read_url(block, "jwks_url")
    audience = block.text("audience", "what the claim `aud` of a token holds")
    scopes_claim = block.text("scopes_claim", "the name of a claim")
    for key in ("issuer", "audience"):
        if block.values.get(key) is None:
            block.problems.error(f"expected '{key}'", where=block.where, hint=f"add `{key}:`, as the issuer has it")
    return Oidc(
        issuer=issuer or "",
        audience=audience or "",
        jwks_url=jwks_url or "",
        algorithms=_read_algorithms(block),
        scopes_claim=scopes_claim or _DEFAULTS.scopes_claim,
    )


def _read_url(block: Block, key: str) -> str | None:
    url = block.values.get(key)
    if url is None or (isinstance(url, str) and is_trusted_url(url)):
        return url
    what = f"expected an https:// URL without a user, got {show(url)}"
    block.problems.error(what, where=block.place(key), hint="http:// is taken for localhost and 127.0.0.1 only")
    return None


def _read_algorithms(block: Block) -> tuple[str, ...]:
    names = block.names("algorithms")
    if names == ():
        block.refuse("algorithms", "at least one algorithm")
    for name in names or ():
        if name not in ALGORITHMS:
            hint = did_you_mean(name, ALGORITHMS)
            block.problems.error(f"'{name}' is no asymmetric algorithm", where=block.place("algorithms"), hint=hint)
    return names or _DEFAULTS.algorithms


def _read_limits(block: Block) -> Limits:
    usual = Limits()
    return Limits(
        body_bytes=_count(block, "body_bytes", usual.body_bytes),
        entities=_count(block, "entities", usual.entities),
        features=_count(block, "features", usual.features),
        store_calls=_count(block, "store_calls", usual.store_calls),
        waiting=_count(block, "waiting", usual.waiting),
        header_s=_seconds(block, "header_s", usual.header_s),
        body_s=_seconds(block, "body_s", usual.body_s),
    )


def _count(block: Block, key: str, usual: int) -> int:
    value = _number(block.values.get(key))
    if value is None:
        return usual
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST:
        return value
    block.refuse(key, f"a whole number from 1 to {MOST:,}")
    return usual


def _seconds(block: Block, key: str, usual: float) -> float:
    value = _number(block.values.get(key))
    if value is None:
        return usual
    if isinstance(value, str):
        try:
            value = parse_duration(value) / SECOND
        except ValueError:
            value = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= LONGEST_S:
        return float(value)
    block.refuse(key, 'seconds, such as 5 or "5s", at most an hour')
    return usual


def _number(value: Any) -> Any:  # noqa: ANN401
    """A rendered template is text, also where it says a number."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _read_origins(block: Block) -> tuple[str, ...]:
    origins = block.names("cors") or ()
    for origin in origins:
        if not _is_origin(origin):
            hint = "write each as a browser sends it, such as https://app.example.com"
            what = f"expected an origin, got {show(origin)}"
            block.problems.error(what, where=block.place("cors"), hint=hint)
    return origins


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_whole = parts.hostname is not None and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return (
        is_whole
        and parts.scheme in {"http", "https"}
        and text == f"{parts.scheme}://{parts.netloc}".lower()
        and "@" not in text
    )
