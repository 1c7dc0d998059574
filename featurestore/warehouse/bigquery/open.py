"""Open a client for a dbt-bigquery target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.errors import UsageError, WarehouseError
from featurestore.warehouse.bigquery.target import credentials_of, dataset_of
from featurestore.warehouse.bigquery.warehouse import BigQueryWarehouse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def open_warehouse(
    settings: Mapping[str, object],
    *,
    base_dir: Path,
    read_only: bool = True,  # noqa: ARG001  what an account may do is BigQuery's matter
) -> BigQueryWarehouse:
    """Open a client for a dbt-bigquery target.

    Args:
        settings: the target's block of `profiles.yml`: project (or database), dataset (or schema), location, method
            (oauth, service-account, service-account-json, oauth-secrets), keyfile, keyfile_json, token,
            execution_project, maximum_bytes_billed, priority, job_execution_timeout_seconds.
        base_dir: folder that a relative ``keyfile`` starts from.
        read_only: not used.

    Raises:
        UsageError: the client is not installed, or the method is unknown.
        WarehouseError: no credentials are found, or they are refused.
    """
    try:
        import google.auth.exceptions
        from google.api_core.exceptions import GoogleAPIError
        from google.cloud import bigquery
    except ImportError as error:
        raise UsageError("the BigQuery client is not installed", hint="pip install 'featurestore[bigquery]'") from error
    home = dataset_of(settings)
    try:
        client = bigquery.Client(
            project=str(settings.get("execution_project") or home.database),
            credentials=credentials_of(settings, base_dir=base_dir),
            location=settings.get("location"),
        )
    except (google.auth.exceptions.GoogleAuthError, OSError, ValueError) as error:
        raise WarehouseError(
            f"cannot open BigQuery project {home.database}: {type(error).__name__}",
            hint="check the target in profiles.yml",
        ) from error
    refusals = (GoogleAPIError, google.auth.exceptions.GoogleAuthError)
    limits = {
        "maximum_bytes_billed": settings.get("maximum_bytes_billed"),
        "priority": str(settings["priority"]).upper() if settings.get("priority") else None,
    }
    return BigQueryWarehouse(client, bigquery, refusals=refusals, home=home, limits=limits)
