"""``featurestore serve``: features over HTTP, as a Feast client asks for them."""

from __future__ import annotations

import json
import logging
import os
import ssl
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from featurestore.cli.options import Common, common_options, example, keep, kept
from featurestore.cli.output import result, say, warn
from featurestore.errors import OnlineStoreError, UsageError, without_secrets
from featurestore.texts import counted

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from featurestore.registry.document import Document
    from featurestore.server.bind import Address
    from featurestore.server.config import ServerConfig

logger = logging.getLogger("featurestore.server")

_NEEDED = ("starlette", "uvicorn", "uvloop", "httptools")
_ANY_NOTE = "generation"


def _option(*flags: str, name: str, **settings: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    return click.option(*flags, name, expose_value=False, callback=keep(name), **settings)


@click.command("serve", epilog=example("featurestore serve", "featurestore serve --port 6566 --workers 4"))
@_option("--host", name="host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@_option(
    "--port", name="port", type=click.IntRange(0, 65_535), default=6566, show_default=True, help="0 is any free one."
)
@_option("--uds", name="uds", type=click.Path(path_type=Path), metavar="PATH", help="A Unix socket, in their place.")
@_option("--workers", name="workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes.")
@_option(
    "--reload-registry",
    name="reload_registry",
    type=click.FloatRange(0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look for a newer registry version; 0 is never (SIGHUP looks at once).",
)
@_option("--cert", name="cert", type=click.Path(path_type=Path), metavar="FILE", help="The certificate, for TLS.")
@_option("--key", name="key", type=click.Path(path_type=Path), metavar="FILE", help="Its private key.")
@_option(
    "--drain",
    name="drain",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long requests under way may take when the server is told to end.",
)
@_option(
    "--insecure",
    name="insecure",
    is_flag=True,
    help="Listen where other machines reach it, without keys: whoever does may read every feature.",
)
@_option(
    "--spool",
    name="spool",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where logged answers wait for the warehouse; .featurestore/feature_log in the project by default.",
)
@_option("--no-access-log", name="no_access_log", is_flag=True, help="Do not log each request.")
@common_options
def command(common: Common) -> None:
    """Serve features over HTTP.

    The wire is that of Feast's feature server, so that its clients can ask: POST /get-online-features. A browser
    shows a page at /; /openapi.json describes all endpoints, /health, /ready and /metrics are for those who watch.
    Ctrl-C and SIGTERM let requests under way finish.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        hint = "pip install 'featurestore[server]'"
        raise UsageError(f"the feature server needs {', '.join(missing)}, which is not installed", hint=hint)
    from featurestore.server.bind import Address, bind
    from featurestore.server.logs import set_up_logs
    from featurestore.server.supervisor import Supervisor

    _check_address()
    address = Address(host=kept("host"), port=kept("port"), unix_socket=kept("uds"))
    with tempfile.TemporaryDirectory(prefix="featurestore-") as state_dir:
        config = _config(common, Path(state_dir))
        document, away = _checked(config)
        listener = bind(address)
        warnings = (_check_exposure(listener, config), away, _spool_warning(config, document))
        set_up_logs()
        for warning in filter(None, warnings):
            _warn(warning, as_json=common.as_json)
        url = _url(address, listener.getsockname(), has_tls=config.certificate is not None)

        def tell() -> None:
            if common.as_json:
                told = {"url": url, "pid": os.getpid(), "registry_version": document.version}
                result(json.dumps(told))  # on one line: those of the access log follow
            else:
                result(f"serving {document.content.name}, registry version {document.version}, at {url}")
                say(f"{counted(kept('workers'), 'worker')}; Ctrl-C ends")

        Supervisor(config, listener, kept("workers")).run(tell)


def _config(common: Common, state_dir: Path) -> ServerConfig:
    from featurestore.server.config import ServerConfig
    from featurestore.server.log.spool import spool_of
    from featurestore.server.settings import load_server_settings
    from featurestore.serving.places import find_places

    base_dir = Path(common.project_dir).resolve()
    places = find_places(
        base_dir,
        target=common.target,
        registry=common.registry,
        online_store=common.online_store,
        registry_version=common.registry_version,
    )
    if (kept("cert") is None) != (kept("key") is None):
        raise UsageError("expected both --cert and --key, or neither")
    for name in ("cert", "key"):
        if kept(name) is not None and not kept(name).is_file():
            raise UsageError(f"there is no file {kept(name)}", where=f"--{name}")
    if kept("cert") is not None:
        _check_certificate(kept("cert"), kept("key"))
    if places.online_store.lower().startswith("memory:"):
        raise UsageError(
            "a store in memory cannot be served: each process has its own, and the server's are empty",
            where="the online store",
            hint="take one that processes share: sqlite:PATH, redis://..., postgresql://... or dynamodb://...",
        )
    return ServerConfig(
        base_dir=base_dir,
        registry=places.registry,
        online_store=places.online_store,
        settings=load_server_settings(base_dir, common.target),
        reload_s=kept("reload_registry"),
        spool=kept("spool") or spool_of(base_dir),
        state_dir=state_dir,
        certificate=kept("cert"),
        private_key=kept("key"),
        profiles_dir=common.profiles_dir,
        profile=common.profile,
        target=common.target,
        drain_s=kept("drain"),
        has_access_log=not kept("no_access_log"),
    )


def _check_address() -> None:
    """Refuse two addresses at once, and a Unix socket in a folder that is not there."""
    path: Path | None = kept("uds")
    if path is None:
        return
    context = click.get_current_context()
    for name in ("host", "port"):
        if context.get_parameter_source(name) not in {ParameterSource.DEFAULT, None}:
            raise UsageError(f"expected either --uds or --{name}, got both", hint="a server listens on one address")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", where="--uds", hint="make it first")


def _check_certificate(certificate: Path, private_key: Path) -> None:
    """Try the two files as the workers will use them."""

    def refuse_to_ask() -> str:
        raise UsageError(
            f"{private_key} is encrypted, and there is nobody to ask for its password",
            where="--key",
            hint=f"write it without: openssl pkey -in {private_key} -out plain.pem",
        )

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key, refuse_to_ask)
    except ssl.SSLError as problem:
        if problem.reason == "KEY_VALUES_MISMATCH":
            what = f"{private_key} is the key of another certificate than {certificate}"
        else:
            what = f"cannot read {certificate} and {private_key}: expected a certificate and its private key, in PEM"
        raise UsageError(what, where="--cert, --key") from problem
    except OSError as problem:
        raise UsageError(f"cannot read {problem.filename or certificate}", where="--cert, --key") from problem


def _warn(text: str, *, as_json: bool) -> None:
    """Say a warning: to people, or as a line of the log."""
    if as_json:
        logger.warning("%s", text)
    else:
        warn(text)


def _check_exposure(listener: socket.socket, config: ServerConfig) -> str:
    from featurestore.server.exposure import check_exposure

    has_tls = config.certificate is not None
    return check_exposure(listener, config.settings, has_tls=has_tls, is_insecure=kept("insecure"))


def _spool_warning(config: ServerConfig, document: Document) -> str:
    """Say now that what is logged cannot be written; lookups are answered all the same."""
    from featurestore.server.log.spool import spool_problem

    logged = [service.name for service in document.content.services if service.logging is not None]
    problem = spool_problem(config.spool) if logged else None
    if problem is None:
        return ""
    return (
        f"answers of {', '.join(logged)} cannot be logged, {config.spool} cannot be written: {problem}; "
        "give another folder, --spool DIR"
    )


def _checked(config: ServerConfig) -> tuple[Document, str]:
    """Read the registry and ask the store once, so that what is wrong with them is said before anything starts.

    Returns:
        The newest version, and what to warn of: a store that is away may come back, so it is no reason not to start.
    """
    from featurestore.online.open import open_online_store
    from featurestore.registry.read import read_latest_document

    document = read_latest_document(config.registry, config.base_dir)
    store = open_online_store(config.online_store, project=document.content.name, base_dir=config.base_dir)
    try:
        store.read((), (_ANY_NOTE,))
    except OnlineStoreError as problem:
        said = without_secrets(problem.message)
        return document, f"the online store does not answer; lookups are 503 until it does: {said}"
    finally:
        store.close()
    return document, ""


def _url(address: Address, bound: Any, *, has_tls: bool) -> str:  # noqa: ANN401  a socket's name is of its family
    if address.unix_socket is not None:
        return f"unix:{address.unix_socket}"
    host = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    return f"http{'s' if has_tls else ''}://{host}:{bound[1]}"
