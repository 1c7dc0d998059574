"""Reach a bucket of S3, Google Cloud Storage or Azure through `obstore`, with what the environment grants.

The rule: credentials come from the environment or the user's profiles, never from a URI; an endpoint comes from the
settings or the environment.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from featurestore.buckets.explain import explained
from featurestore.buckets.granted import Granted
from featurestore.errors import ObjectStoreError, UsageError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

EXTRAS = {"s3": "s3", "gs": "gcs", "az": "azure"}
"""The extra that each kind of bucket needs, by scheme."""

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT", "GOOGLE_BASE_URL")
_ENDPOINT_KEYS = {"s3": "endpoint", "gs": "base_url", "az": "endpoint"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Which bucket.

    Attributes:
        scheme: ``s3``, ``gs`` or ``az``.
        name: the bucket's; Azure: the container's.
        endpoint: URL of the service; None is that of the environment, else the vendor's.
        region: of S3; None is that of the environment or the profile.
    """

    scheme: str
    name: str
    endpoint: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an answer is waited for.

    Attributes:
        timeout_s: for one request.
        retries: how often one is repeated at most, with growing pauses.
        retry_timeout_s: no request is repeated later than this after the first.
    """

    timeout_s: float = 30
    retries: int = 3
    retry_timeout_s: float = 60


def open_bucket(bucket: Bucket, patience: Patience) -> ObjectStore:
    """Make a client for a bucket; nothing is asked yet.

    Raises:
        UsageError: `obstore` is missing, or the credentials' profile cannot be used.
        ObjectStoreError: `obstore` cannot use what the environment says.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        hint = f"pip install 'featurestore[{EXTRAS[bucket.scheme]}]'"
        raise UsageError(f"{bucket.scheme}:// needs the package obstore", hint=hint) from error
    rights = Granted()
    if bucket.scheme == "s3":
        from featurestore.buckets.aws import granted

        rights = granted(os.environ)
    config: Any = dict(rights.config)
    if bucket.region is not None:
        config["region"] = bucket.region
    if bucket.endpoint is not None:
        config[_ENDPOINT_KEYS[bucket.scheme]] = bucket.endpoint
    endpoints = (bucket.endpoint or "", *(os.environ.get(name, "") for name in _ENDPOINTS))
    options: Any = {
        "connect_timeout": "5s",
        "timeout": timedelta(seconds=patience.timeout_s),
        "allow_http": any(each.startswith("http://") for each in endpoints),
    }
    retries: Any = {"max_retries": patience.retries, "retry_timeout": timedelta(seconds=patience.retry_timeout_s)}
    try:
        return from_url(
            f"{bucket.scheme}://{bucket.name}",
            config=config or None,
            client_options=options,
            retry_config=retries,
            credential_provider=rights.provider,
        )
    except (BaseError, OSError) as error:
        what, hint = explained(error, scheme=bucket.scheme, bucket=bucket.name)
        raise ObjectStoreError(f"cannot use {bucket.scheme}://{bucket.name}: {what}", hint=hint) from None
