"""The service of systemd and the manifests of Kubernetes: sound, and right about how a worker lives and stops."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from supervisor.options import ServerOptions

from workers import __version__
from workers.scaffold import Platform
from workers.scaffold.contents import EMPTY_FOLDERS, contents
from workers.scaffold.systemd import service_text
from workers.settings import PREFIX, Settings

REPOSITORY = Path(__file__).resolve().parents[3]
FOLDER = Path("/srv/my fleet")


def settings_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def kubernetes() -> list[dict[str, Any]]:
    files = [file for file in contents(FOLDER, [Platform.KUBERNETES]) if file.path.endswith(".yaml")]
    return [each for file in files if "kubernetes/" in file.path for each in yaml.safe_load_all(file.content)]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in kubernetes() if each["kind"] == kind}


def environment(container: dict[str, Any]) -> dict[str, str]:
    """As Kubernetes makes it."""
    given = {}
    for each in container["envFrom"]:
        if "configMapRef" in each:
            given |= of_kind("ConfigMap")[each["configMapRef"]["name"]]["data"]
        else:
            given |= of_kind("Secret")[each["secretRef"]["name"]]["stringData"]
    return given | {each["name"]: each["value"] for each in container["env"]}


def test_a_service_is_only_written_where_it_is_asked_for():
    written = {file.path for file in contents(FOLDER)}

    assert not any("systemd" in path or "kubernetes" in path for path in written)


def test_systemd_accepts_the_service(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    folder = tmp_path / "my fleet"
    folder.mkdir()
    unit = tmp_path / "kafka-mongo-workers.service"
    unit.write_text(service_text(folder))
    checked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    # A machine of the tests may lack what other units name; of this one there is nothing to say.
    assert unit.name not in checked.stderr, checked.stderr
    assert checked.returncode == 0, checked.stderr


def test_the_service_stops_the_fleet_as_supervisord_does(tmp_path):
    unit = settings_of(service_text(FOLDER))
    for name in ("deploy", *EMPTY_FOLDERS):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "deploy/supervisord.conf").write_bytes((REPOSITORY / "deploy/supervisord.conf").read_bytes())
    options = ServerOptions()
    options.realize(["-c", str(tmp_path / "deploy/supervisord.conf")])
    # Groups are stopped one after the other, the processes of one together.
    longest = sum(max(each.stopwaitsecs for each in group.process_configs) for group in options.process_group_configs)

    assert (unit["KillMode"], unit["Restart"], unit["OOMPolicy"]) == ("mixed", "always", "continue")
    assert int(unit["TimeoutStopSec"]) > longest
    assert unit["WorkingDirectory"] == "/srv/my fleet"
    assert unit["ExecStart"].endswith('supervisord -c "/srv/my fleet/supervisord.conf"')
    assert unit["ReadWritePaths"] == '"/srv/my fleet/var"'
    assert unit["User"] not in ("root", "0")
    assert "{{" not in service_text(FOLDER)


def test_root_is_told_how_to_make_the_user_of_the_service(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "sudo useradd --system" in service_text(FOLDER)
    assert "chown -R kafka-mongo-workers: '/srv/my fleet/var' '/srv/my fleet/.env'" in service_text(FOLDER)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert "useradd" not in service_text(FOLDER)
    assert settings_of(service_text(FOLDER))["User"] == "12345"


@pytest.mark.parametrize(
    ("name", "place", "command"),
    [
        ("workers", 0, ["run"]),
        ("workers-lag", 0, ["lag", "--tree", "/state"]),
        ("workers-lag", 1, ["audit", "--tree", "/state"]),
    ],
)
def test_a_deployment_runs_its_command_with_sound_settings(name, place, command):
    deployment = of_kind("Deployment")[name]
    container = deployment["spec"]["template"]["spec"]["containers"][place]
    given = environment(container)
    settings = Settings.model_validate({key.removeprefix(PREFIX).lower(): value for key, value in given.items()})

    assert container["args"] == command
    assert container["image"] == f"kafka-mongo-workers:{__version__}"
    assert (settings.slot, str(settings.state_dir), settings.static_membership) == (0, "/state", False)
    assert settings.metrics_host == "0.0.0.0"
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/state"}
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_a_worker_has_time_to_stop_and_room_for_its_memory():
    (pod,) = [of_kind("Deployment")["workers"]["spec"]["template"]["spec"]]
    (container,) = pod["containers"]
    strategy = of_kind("Deployment")["workers"]["spec"]["strategy"]["rollingUpdate"]

    assert pod["terminationGracePeriodSeconds"] > Settings().drain_timeout + 10
    assert int(container["resources"]["limits"]["memory"].removesuffix("Mi")) > Settings().memory_limit
    assert strategy == {"maxSurge": 0, "maxUnavailable": 1}


def test_probes_ask_what_the_process_serves_and_kill_none_that_would_end_itself():
    ports = {
        ("workers", 0): ("metrics", Settings().metrics_port),
        ("workers-lag", 0): ("page", Settings().lag_port),
        ("workers-lag", 1): ("audit", Settings().auditor_port),
    }
    for (name, place), (port, number) in ports.items():
        template = of_kind("Deployment")[name]["spec"]["template"]
        container = template["spec"]["containers"][place]
        assert container["ports"] == [{"name": port, "containerPort": number}]
        if place == 0:
            assert template["metadata"]["annotations"]["prometheus.io/port"] == str(number)
        live, ready = container["livenessProbe"], container["readinessProbe"]
        assert (live["httpGet"], ready["httpGet"]["port"]) == ({"path": "/healthz", "port": port}, port)
        # The stall timer first: it writes the stacks into the log.
        assert live["periodSeconds"] * (live["failureThreshold"] - 1) > Settings().stall_timeout
    assert of_kind("Deployment")["workers"]["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"][
        "path"
    ] == ("/readyz")


def test_a_pod_may_do_nothing_but_its_work():
    for deployment in of_kind("Deployment").values():
        pod = deployment["spec"]["template"]["spec"]
        assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_the_service_leads_to_the_page():
    (service,) = of_kind("Service").values()
    template = of_kind("Deployment")["workers-lag"]["spec"]["template"]

    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert service["spec"]["ports"] == [{"name": "page", "port": Settings().lag_port, "targetPort": "page"}]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.37", "1.30"])
def test_kubernetes_knows_every_field(version):
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="make .venv/release")
    for each in kubernetes():
        kubernetes_validate.validate(each, version, strict=True)
