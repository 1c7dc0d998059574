"""AWS credentials of a profile, for a process whose environment has none: static keys from the user's two files.

`obstore` reads the environment, a container's and a machine's role by itself, but no profiles. Other kinds of profile
(SSO, a role, a process) are asked of boto3, where it is installed.
"""

from __future__ import annotations

from configparser import ConfigParser
from configparser import Error as ConfigError
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurestore.buckets.granted import Granted
from featurestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_KEYS = {
    "access_key_id": "aws_access_key_id",
    "secret_access_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
}
_IN_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_FRESH = timedelta(minutes=15)


def granted(environ: Mapping[str, str]) -> Granted:
    """Find credentials and region of the profile that is meant, as far as the environment does not say them.

    Args:
        environ: environment variables: ``AWS_PROFILE``, ``AWS_SHARED_CREDENTIALS_FILE``, ``AWS_CONFIG_FILE`` ...

    Raises:
        UsageError: the profile that ``AWS_PROFILE`` names is not there, is not whole, or needs boto3.
    """
    named = environ.get("AWS_PROFILE")
    profile = _profile(named or "default", environ)
    config = {}
    region = profile.get("region")
    if region and not any(environ.get(name) for name in _REGIONS):
        config["region"] = region
    if any(environ.get(name) for name in _IN_ENVIRONMENT):
        return Granted(config=config)
    if profile.get("aws_access_key_id"):
        if not profile.get("aws_secret_access_key"):
            raise UsageError(
                f"the AWS profile '{named or 'default'}' has an aws_access_key_id without aws_secret_access_key",
                hint="write both into ~/.aws/credentials",
            )
        return Granted(config=config | {ours: profile[its] for ours, its in _KEYS.items() if profile.get(its)})
    if any(key in profile for key in ("role_arn", "sso_session", "sso_start_url", "credential_process")):
        return Granted(config=config, provider=_asked_of_boto3(named or "default"))
    if named and not profile:
        raise UsageError(
            f"AWS_PROFILE names the profile '{named}', which is not in ~/.aws/credentials or ~/.aws/config",
            hint="correct AWS_PROFILE, or run `aws configure --profile NAME`",
        )
    return Granted(config=config)


def _profile(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What the two files say of a profile; the credentials' file wins."""
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or "~").expanduser()
    credentials = environ.get("AWS_SHARED_CREDENTIALS_FILE") or str(home / ".aws" / "credentials")
    settings = environ.get("AWS_CONFIG_FILE") or str(home / ".aws" / "config")
    in_settings = name if name == "default" else f"profile {name}"
    return _section(settings, in_settings) | _section(credentials, name)


def _section(path: str, name: str) -> dict[str, str]:
    parser = ConfigParser(interpolation=None, default_section="")
    try:
        parser.read(Path(path).expanduser(), encoding="utf-8")
    except (ConfigError, UnicodeDecodeError):
        raise UsageError(
            f"cannot read {path}: not a file of AWS profiles", hint="correct it, or run `aws configure`"
        ) from None
    return dict(parser[name]) if parser.has_section(name) else {}


def _asked_of_boto3(name: str) -> Callable[[], Any]:
    try:
        from boto3 import Session
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise UsageError(
            f"the AWS profile '{name}' has no keys of its own, but leads to others (SSO, a role or a process)",
            hint="pip install boto3, which can follow it; or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ) from error
    refused = f"the AWS profile '{name}' gives no credentials"
    hint = "log in anew (`aws sso login`), or correct the profile"
    try:
        source = Session(profile_name=name).get_credentials()
    except (BotoCoreError, ClientError):
        raise UsageError(refused, hint=hint) from None
    if source is None:
        raise UsageError(refused, hint=hint)

    def ask() -> dict[str, Any]:
        """Credentials as they are now, in obstore's words; boto3 renews them when they are about to expire."""
        frozen = source.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(timezone.utc) + _FRESH,
        }

    try:
        ask()
    except (BotoCoreError, ClientError):
        raise UsageError(refused, hint=hint) from None
    return ask
