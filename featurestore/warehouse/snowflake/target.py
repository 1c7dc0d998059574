"""From a dbt-snowflake target to the connector's options; secrets stay in them and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SAME_NAME = (
    "account", "user", "password", "authenticator", "token", "role", "warehouse", "database", "schema",
    "host", "port", "protocol",
)  # fmt: skip
_KEY_PAIR = "snowflake_jwt"


def connection_options(settings: Mapping[str, object], *, base_dir: Path) -> dict[str, object]:
    """Write the keyword arguments of `snowflake.connector.connect`.

    Args:
        settings: account, user, password or private_key_path or private_key (with private_key_passphrase) or
            authenticator (with token), role, warehouse, database, schema, host, port, protocol, query_tag,
            client_session_keep_alive, connect_timeout.
        base_dir: folder that a relative ``private_key_path`` starts from.

    Raises:
        UsageError: no account, or the private key cannot be read.
    """
    if not settings.get("account"):
        raise UsageError("expected the Snowflake account", where="profiles.yml: account")
    made = {name: settings[name] for name in _SAME_NAME if settings.get(name) is not None}
    made.update(
        arrow_number_to_decimal=True,
        client_session_keep_alive=bool(settings.get("client_session_keep_alive", False)),
        login_timeout=int(str(settings.get("connect_timeout") or 60)),
        session_parameters={
            "TIMEZONE": "UTC",
            "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
            "QUOTED_IDENTIFIERS_IGNORE_CASE": False,
            **({"QUERY_TAG": str(settings["query_tag"])} if settings.get("query_tag") else {}),
        },
    )
    passphrase = settings.get("private_key_passphrase")
    if settings.get("private_key_path"):
        made["private_key_file"] = str(base_dir / Path(str(settings["private_key_path"])).expanduser())
        made.update({"private_key_file_pwd": str(passphrase)} if passphrase else {})
        made.setdefault("authenticator", _KEY_PAIR)
    elif settings.get("private_key"):
        made["private_key"] = _as_der(str(settings["private_key"]), passphrase)
        made.setdefault("authenticator", _KEY_PAIR)
    return made


def _as_der(text: str, passphrase: object) -> bytes:
    """The bytes of a key that the target holds as PEM, or as base64 of DER."""
    import base64
    import binascii

    from cryptography.hazmat.primitives import serialization

    secret = str(passphrase).encode() if passphrase else None
    try:
        if text.lstrip().startswith("-----"):
            key = serialization.load_pem_private_key(text.encode(), password=secret)
        else:
            key = serialization.load_der_private_key(base64.b64decode(text, validate=True), password=secret)
    except (ValueError, TypeError, binascii.Error):
        # Without `from`: what a parser says of a key may hold a part of it.
        raise UsageError(
            "cannot read the private key", where="profiles.yml: private_key", hint="give PEM, or base64 of DER"
        ) from None
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
