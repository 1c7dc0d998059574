"""What the supervisor tells each worker: one line of JSON on its standard input, since it may hold a password."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from featurestore.definitions.places import RegistryPlace
from featurestore.definitions.server import ServerSettings

if TYPE_CHECKING:
    from featurestore.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """One run of the server.

    Attributes:
        base_dir: the project's folder; relative places start there.
        registry: where it is, and how it is read.
        online_store: its URI, which may hold a password.
        settings: who may ask, and how much.
        reload_s: seconds between looks for a newer registry version; 0 for none.
        spool: where what is logged of answers waits for the warehouse; it must outlive this server.
        state_dir: a folder of this server alone, for the socket of its helper and the numbers of its workers.
        certificate, private_key: files for TLS; none is plain HTTP.
        profiles_dir, profile, target: dbt's options, for what needs the warehouse.
        drain_s: how long requests under way may take once the server is told to end.
        has_access_log: whether each request is logged.
    """

    base_dir: Path
    registry: RegistryPlace
    online_store: str = field(repr=False)
    settings: ServerSettings
    reload_s: float = 10.0
    spool: Path
    state_dir: Path
    certificate: Path | None = None
    private_key: Path | None = None
    profiles_dir: str | None = None
    profile: str | None = None
    target: str | None = None
    drain_s: float = 30.0
    has_access_log: bool = True


def write_config(config: ServerConfig) -> bytes:
    """Write a config as one line."""
    return msgspec.json.encode(config, enc_hook=str) + b"\n"


def read_config(line: bytes) -> ServerConfig:
    """Read a config's line."""
    return msgspec.json.decode(line, type=ServerConfig, dec_hook=lambda _, text: Path(text))


def open_project(config: ServerConfig) -> Workspace:
    """Find the dbt project of a server, for what needs its warehouse. Raises UsageError."""
    from featurestore.workspace import Places, open_workspace

    places = Places(
        project_dir=config.base_dir,
        profiles_dir=None if config.profiles_dir is None else Path(config.profiles_dir),
        profile=config.profile,
        target=config.target,
        registry=config.registry.uri,
        online_store=config.online_store,
    )
    return open_workspace(places, os.environ)
