"""Secrets in the store's URI, in dbt's profile, in keys and tokens: no command, answer, log or file tells one."""

from __future__ import annotations

import traceback

import pytest

from featurestore import RemoteClient
from featurestore.cli.commands import COMMANDS
from featurestore.errors import FeatureStoreError
from tests.cli.logged import logged_churn
from tests.cli.tiny import labels, orders
from tests.server.auth.issuer import RSA_KEY, b64, running_issuer
from tests.server.auth.running import LOOKUP, make_shop, serving, settings_text

IN_URI, IN_PROFILE, IN_KEY, WRONG_KEY = "canary-uri", "canary-profile", "fsk_canary-key", "fsk_canary-wrong"
SECRETS = (IN_URI, IN_PROFILE, IN_KEY, WRONG_KEY)
STORE = f"redis://me:{IN_URI}@127.0.0.1:1/0"
ARGUMENTS = {
    "init": ["other"],
    "search": ["orders"],
    "show": ["orders"],
    "training-sql": ["--spine", "labels", "--features", "orders:order_count"],
    "training-model": ["churn", "--spine", "labels"],
    "explain-row": ["--features", "orders:order_count", "--entity", "customer_id=1", "--time", "2026-06-06"],
    "get-online": ["--features", "orders:order_count", "--entity", "customer_id=1"],
    "push": ["orders", "-", "--to", "online_and_offline"],
    "server-key": ["web", "--scope", "read:*"],
}
OF_GROUPS = {
    "online": (
        ["stats"],
        ["drop", "orders", "--yes"],
        ["delete-entity", "--entity", "customer_id=1", "--yes"],
    ),
    "registry": (
        ["versions"],
        ["show"],
        ["diff", "1"],
        ["rollback", "1", "--dry-run"],
        ["gc", "--keep", "9"],
        ["tags"],
    ),
    "export": (["openlineage"], ["json-schema"], ["feast"]),
    "stream": (["status"], ["run"], ["settle"]),
    "log": (["load"], ["status"], ["sources"]),
    "verify": ([], ["--log", "churn"]),
    "training-set": (
        ["--spine", "labels", "--features", "orders:order_count", "--output", "out.parquet"],
        ["--from-log", "churn", "--output", "logged.parquet"],
    ),
}
GET = ("/", "/health", "/ready", "/metrics", "/openapi.json", "/feature-views", "/feature-services", "/jobs", "/no")
POST = ("/get-online-features", "/push", "/write-to-online-store", "/materialize", "/materialize-incremental")
BODIES = (LOOKUP, {"push_source_name": "orders", "feature_view_name": "orders", "df": {}}, {}, [])
USAGE = 2
SAID_LATE = (
    "nothing was loaded yet into the log",
    "the dbt project has no macro 'training_set'",
    "no feature view is fed by a stream",
)
"""Said once the project, the registry and the warehouse were opened."""
NOT_RUN = {"demo", "import", "run", "serve"}
"""Two hand over to dbt, one to Feast, whose projects it reads and none of ours; the server is run below."""


def calls():
    for name in COMMANDS:
        if name not in NOT_RUN:
            for more in OF_GROUPS.get(name, (ARGUMENTS.get(name, []),)):
                yield [name, *more]


def made(folder, **metadata):
    """The shop, its service logged, its store away."""
    tiny = make_shop(folder)
    tiny.write_manifest(orders(), labels(), logged_churn())
    applied = tiny.run("apply", "--allow-breaking", "payments")
    assert applied.code == 0, applied.err
    tiny.write_manifest(orders(), labels(), logged_churn(), metadata=metadata)
    (tiny.folder / "featurestore.yml").write_text(
        settings_text({IN_KEY: ["read:*", "write:*", "admin:*"]}) + f"online_store: '{STORE}'\n"
    )
    (tiny.folder / "profiles.yml").write_text(
        "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb, schema: main}\n"
        f"    away: {{type: postgres, host: localhost, port: 1, user: u, password: {IN_PROFILE}, "
        "dbname: shop, schema: main}"
    )
    return tiny


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return made(tmp_path_factory.mktemp("canary") / "shop")


@pytest.fixture(scope="module")
def shop_away(tmp_path_factory):
    """Its warehouse is away, too."""
    return made(tmp_path_factory.mktemp("canary") / "shop", adapter_type="postgres")


def secrets_in(*texts):
    return [secret for secret in SECRETS if secret in " ".join(texts)]


@pytest.mark.parametrize("call", list(calls()), ids=" ".join)
@pytest.mark.parametrize("more", [[], ["--json"], ["--target", "away"]], ids=["", "json", "away"])
def test_no_command_tells_a_secret(shop, shop_away, call, more):
    ran = (shop_away if "away" in more else shop).run(*call, *more)
    assert secrets_in(ran.out, ran.err) == []
    is_far = ran.code != USAGE or any(each in ran.err for each in SAID_LATE)
    assert is_far, f"it did not get as far as to tell one: {ran.err}"


def test_the_remote_client_tells_no_secret(shop):
    (shop.folder / "featurestore.yml").write_text(settings_text({IN_KEY: ["read:*"]}) + f"online_store: '{STORE}'\n")
    with serving(shop) as server:
        for key in (IN_KEY, WRONG_KEY):
            with RemoteClient(server.url, api_key=key) as client, pytest.raises(FeatureStoreError) as refused:
                client.get_online_features(["orders:order_count"], [{"customer_id": 1}])
            told = "".join(traceback.format_exception(refused.value))
            assert secrets_in(told, repr(client), str(vars(refused.value))) == []


def test_no_mistake_in_the_settings_tells_a_secret(shop, tmp_path):
    tiny = make_shop(tmp_path / "shop")
    for text in (
        f"online_store: ['{STORE}']\n",
        f"online_store: '{STORE.replace('redis', 'rediz')}'\n",
        f"online_store: '{STORE.replace(':1/', ':port/')}'\n",
        f"online_store: '{STORE}?max_connections=many'\n",
        f"server: {{keys: [{IN_KEY}]}}\n",
        f"server: {{keys: [{{name: web, sha256: {IN_KEY}, scopes: ['read:*']}}]}}\n",
    ):
        (tiny.folder / "featurestore.yml").write_text(text)
        for call in (["doctor"], ["get-online", *ARGUMENTS["get-online"]], ["serve", "--port", "0"], ["materialize"]):
            ran = tiny.run(*call)
            assert ran.code != 0
            assert secrets_in(ran.out, ran.err) == [], (
                text,
                call,
            )


def test_no_answer_and_no_log_of_a_server_tells_a_secret(shop):
    with running_issuer() as issuer:
        oidc = {"issuer": issuer.url, "audience": "shop", "jwks_url": f"{issuer.url}/keys"}
        (shop.folder / "featurestore.yml").write_text(
            settings_text({IN_KEY: ["read:*", "write:*", "admin:*"]}, oidc=oidc) + f"online_store: '{STORE}'\n"
        )
        forged = f"{b64({'alg': 'none', 'kid': 'canary'})}.{b64({'sub': 'canary'})}.{b64(b'canary')}"
        good = issuer.token(key=RSA_KEY, sub="someone")
        secrets = [*SECRETS, forged, good, *good.split(".")]
        told = []
        with serving(shop) as server:
            for key in (None, IN_KEY, WRONG_KEY, forged, good):
                told += [server.ask(path, key=key) for path in GET]
                told += [server.ask(path, key=key, json=body) for path in POST for body in BODIES]
            assert {answer.status_code for answer in told} >= {200, 400, 401, 403, 404, 503}
        texts = [answer.text + str(answer.headers) for answer in told] + [
            server.said.read_text(),
            server.told.read_text(),
        ]
        assert [secret for secret in secrets if secret in " ".join(texts)] == []


def test_no_file_that_commands_leave_holds_a_secret(shop):
    written = {path for path in shop.folder.rglob("*") if path.is_file()}
    given = {shop.folder / "featurestore.yml", shop.folder / "profiles.yml"}
    assert [path for path in written - given for secret in SECRETS if secret.encode() in path.read_bytes()] == []
