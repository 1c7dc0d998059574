"""The files in deploy/ say what is true: metrics that exist, options that exist, commands that run. No container is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path, PurePosixPath

import click
import pytest
import yaml

from featurestore.cli.commands import load_command
from featurestore.manifest.server_settings import SERVER_KEYS
from featurestore.server.metric_families import FAMILIES
from tests.server.running import running
from tests.server.scene import scene

DEPLOY = Path(__file__).parents[2] / "deploy"
ROOT = DEPLOY.parent
DASHBOARD = json.loads((DEPLOY / "grafana.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PROJECT = (ROOT / "pyproject.toml").read_text()
GUIDE = (ROOT / "docs" / "guides" / "production.md").read_text()
UNIT = (DEPLOY / "featurestore.service").read_text()
EXPRESSIONS = [
    *(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]),
    *(each["definition"] for each in DASHBOARD["templating"]["list"] if "definition" in each),
    *(each["expr"] for each in DASHBOARD["annotations"]["list"]),
    *(rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]),
]


def labels_by_sample():
    """The labels of each sample that a scrape may have, those that Prometheus adds among them."""
    found = {}
    for family in FAMILIES:
        labels = {*family.labels, "instance", "job"}
        if family.kind == "histogram":
            found |= {
                f"{family.name}_bucket": labels | {"le"},
                f"{family.name}_sum": labels,
                f"{family.name}_count": labels,
            }
        else:
            found[family.name] = labels
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_query_names_metrics_and_labels_that_exist(expression):
    samples = labels_by_sample()
    named = re.findall(r"featurestore_\w+", expression)
    assert named
    allowed = set()
    for name in named:
        assert name in samples, expression
        allowed |= samples[name]
    selected = re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', expression)
    grouped = [
        label.strip() for group in re.findall(r"(?:by|on) \(([^)]*)\)", expression) for label in group.split(",")
    ]
    assert {*selected, *grouped} <= allowed, expression
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing), expression


def test_every_metric_that_warns_of_something_is_on_the_dashboard():
    shown = " ".join(EXPRESSIONS)
    missing = [family.name for family in FAMILIES if family.name not in shown]
    assert missing == []


def test_the_dashboard_can_be_laid_out():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    for place in places:
        assert place["x"] + place["w"] <= 24
    taken = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(taken) == len(set(taken))


def parsed(arguments):
    """Arguments of ``featurestore serve``, as the command line takes them; an unknown one is an error."""
    command = load_command("serve")
    assert isinstance(command, click.Command)
    return command.make_context("serve", list(arguments), resilient_parsing=True).args


def entry_point():
    """What a container runs."""
    entry, command = (re.findall(rf"^{word} (\[.*\])$", DOCKERFILE, re.MULTILINE) for word in ("ENTRYPOINT", "CMD"))
    return json.loads(entry[0]), json.loads(command[-1])


def container():
    return next(each for each in KUBERNETES if each["kind"] == "StatefulSet")["spec"]["template"]["spec"]


def spool_of(arguments):
    """The folder in which a feature log waits, as the arguments name it."""
    return PurePosixPath(arguments[arguments.index("--spool") + 1])


def test_the_image_installs_extras_that_exist_and_copies_what_is_there():
    assert 'pip install ".[${EXTRAS}]"' in DOCKERFILE
    default = re.search(r"^ARG EXTRAS=(\S+)$", DOCKERFILE, re.MULTILINE)[1]
    for extras in (default, *re.findall(r"--build-arg EXTRAS=([\w,]+)", DOCKERFILE + GUIDE)):
        assert "server" in extras.split(",")
        assert set(extras.split(",")) <= set(metadata("featurestore").get_all("Provides-Extra"))
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source
    included = re.search(r"^\[tool.hatch.build.targets.wheel\]\ninclude = (.*)$", PROJECT, re.MULTILINE)[1]
    assert set(json.loads(included)) <= {line.removeprefix("!") for line in ignored}
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)


def test_what_a_container_runs_refuses_without_keys_and_serves_with_them(tmp_path):
    """The image's command and environment, but for the port, in a process of this machine."""
    scene(tmp_path)
    (entry, command), port = entry_point(), ["--port", "0"]
    environment = {
        **os.environ,
        "FEATURESTORE_REGISTRY": str(tmp_path / "registry"),
        "FEATURESTORE_ONLINE_STORE": f"sqlite:{tmp_path / 'online.sqlite'}",
    }
    run = [sys.executable, "-m", "featurestore.cli", *entry[1:], *command, *port]
    refused = subprocess.run(
        run, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert refused.returncode == 2
    assert "server-key" in refused.stderr
    settings = next(each for each in KUBERNETES if each["kind"] == "ConfigMap")["data"]["featurestore.yml"]
    (tmp_path / "featurestore.yml").write_text(settings)
    assert entry[:2] == ["featurestore", "serve"]
    with running(tmp_path, *container()["containers"][0]["args"]) as server:
        assert server.get("/health").status_code == 200
        assert server.get("/metrics").status_code == 401


def test_the_health_check_of_the_image_passes_and_fails(tmp_path):
    check = json.loads(re.search(r"HEALTHCHECK .*?CMD (\[.*?\])$", DOCKERFILE, re.DOTALL | re.MULTILINE)[1])
    scene(tmp_path)
    with running(tmp_path) as server:
        here = [sys.executable, *(each.replace("127.0.0.1:6566", server.url.partition("//")[2]) for each in check[1:])]
        assert subprocess.run(here, check=False).returncode == 0
    assert subprocess.run(here, capture_output=True, check=False).returncode != 0


def test_logged_answers_wait_in_a_volume_that_can_be_written_and_outlives_the_server():
    """In a folder of the volume, whose own may hold others, such as lost+found."""
    entry, _ = entry_point()
    (volume,) = re.findall(r"^VOLUME (\S+)$", DOCKERFILE, re.MULTILINE)
    assert PurePosixPath(volume) in spool_of(entry).parents
    assert f"chown 10001:10001 {volume} " in DOCKERFILE
    pods = next(each for each in KUBERNETES if each["kind"] == "StatefulSet")["spec"]
    (claim,) = pods["volumeClaimTemplates"]
    server = container()["containers"][0]
    (mount,) = [each for each in server["volumeMounts"] if each["name"] == claim["metadata"]["name"]]
    assert not mount.get("readOnly")
    assert PurePosixPath(mount["mountPath"]) in spool_of(server["args"]).parents
    state = re.search(r"^StateDirectory=(\S+)$", UNIT, re.MULTILINE)[1]
    words = re.search(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)[1].split()
    assert PurePosixPath("/var/lib", state) in spool_of(words).parents


def test_the_pods_probe_paths_that_answer_and_may_write_nowhere_but_their_volumes(served):
    pod = container()
    server = pod["containers"][0]
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        assert served.get(server[probe]["httpGet"]["path"]).status_code == 200
    assert parsed(server["args"]) == []
    assert server["securityContext"]["readOnlyRootFilesystem"]
    assert pod["securityContext"]["runAsNonRoot"]
    writable = [mount["mountPath"] for mount in server["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/tmp", "/spool"]
    drain = float(server["args"][server["args"].index("--drain") + 1])
    stop = float(server["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= drain + stop + 5


def test_everything_in_kubernetes_goes_together():
    by_kind = {each["kind"]: each for each in KUBERNETES}
    labels = by_kind["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    for kind in ("Service", "PodDisruptionBudget"):
        selector = by_kind[kind]["spec"]["selector"]
        assert (selector.get("matchLabels") or selector).items() <= labels.items()
    assert {each["metadata"]["namespace"] for each in KUBERNETES} == {"features"}
    settings = yaml.safe_load(by_kind["ConfigMap"]["data"]["featurestore.yml"])
    assert set(settings["server"]) <= set(SERVER_KEYS)


def test_the_unit_starts_a_command_that_exists():
    words = re.search(r"^ExecStart=\S+/featurestore serve (.*)$", UNIT, re.MULTILINE)[1].split()
    assert parsed(words) == []
    assert float(re.search(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)[1]) >= 30 + 5


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_systemd_takes_the_unit(tmp_path):
    unit = tmp_path / "featurestore.service"
    unit.write_text(UNIT.replace("/srv/featurestore/venv/bin/featurestore", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
