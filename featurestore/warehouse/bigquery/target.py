"""From a dbt-bigquery target to a place and credentials; secrets stay in these and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import UsageError
from featurestore.warehouse.names import RelationName

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCOPES = ("https://www.googleapis.com/auth/bigquery", "https://www.googleapis.com/auth/cloud-platform")


def dataset_of(settings: Mapping[str, object]) -> RelationName:
    """The target's project and dataset.

    Raises:
        UsageError: one of them is missing.
    """
    project = settings.get("project") or settings.get("database")
    dataset = settings.get("dataset") or settings.get("schema")
    for value, key in ((project, "project"), (dataset, "dataset")):
        if not value:
            raise UsageError(f"expected the BigQuery {key}", where=f"profiles.yml: {key}")
    return RelationName(database=str(project), schema=str(dataset), name="")


def credentials_of(settings: Mapping[str, object], *, base_dir: Path) -> object:
    """Make the credentials of the target; None for those of the environment (``gcloud auth application-default``).

    Args:
        settings: method, and keyfile, keyfile_json, or token with refresh_token, client_id, client_secret, token_uri.
        base_dir: folder that a relative ``keyfile`` starts from.

    Raises:
        UsageError: another method, or a key that cannot be read.
    """
    method = str(settings.get("method") or "oauth")
    if method == "oauth":
        return None
    if method not in {"service-account", "service-account-json", "oauth-secrets"}:
        raise UsageError(
            f"expected oauth, service-account, service-account-json or oauth-secrets, got '{method}'",
            where="profiles.yml: method",
        )
    from google.oauth2.credentials import Credentials
    from google.oauth2.service_account import Credentials as ServiceAccount

    try:
        if method == "service-account":
            path = base_dir / Path(str(settings.get("keyfile"))).expanduser()
            return ServiceAccount.from_service_account_file(str(path), scopes=_SCOPES)
        if method == "service-account-json":
            return ServiceAccount.from_service_account_info(settings.get("keyfile_json"), scopes=_SCOPES)
    except (ValueError, TypeError, OSError):
        # Without `from`: what a parser says of a key may hold a part of it.
        raise UsageError("cannot read the service account's key", where="profiles.yml: keyfile") from None
    names = ("token", "refresh_token", "client_id", "client_secret", "token_uri")
    made = {name: settings[name] for name in names if settings.get(name) is not None}
    return Credentials(made.pop("token", None), scopes=_SCOPES, **made)
