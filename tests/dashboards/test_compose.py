"""deploy/compose.yaml against what is tested: there is no container engine here, so it is parsed and compared."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from supervisor.options import ServerOptions

from embedded_stack import broker, prometheus
from embedded_stack.settings import Settings as StackSettings
from tests.support.embedded import REPOSITORY
from workers.kafka.options import connection_options
from workers.settings import PREFIX, Settings

COMPOSE = REPOSITORY / "deploy/compose.yaml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
VOLUMES = yaml.safe_load(COMPOSE.read_text())["volumes"]
STACK = StackSettings.read({})


def mounts(service: str) -> dict[str, str]:
    """By place in the container: what is there."""
    return {each.split(":")[1]: each.split(":")[0] for each in SERVICES[service]["volumes"]}


def in_checkout(service: str, place: str) -> Path:
    """The file of this checkout that a container sees at a place."""
    for mount, source in mounts(service).items():
        if PurePosixPath(place).is_relative_to(mount) and source.startswith("."):
            return COMPOSE.parent / source / PurePosixPath(place).relative_to(mount)
    raise AssertionError(f"{service} has nothing at {place}")


def test_every_version_is_fixed_and_is_the_tested_one() -> None:
    images = dict(service["image"].split(":") for service in SERVICES.values() if "image" in service)
    assert images.keys() == {"apache/kafka", "mongo", "prom/prometheus", "grafana/grafana"}
    assert all(re.match(r"v?\d+\.\d+", version) for version in images.values())
    kafka = re.search(r"kafka_2\.13:([\d.]+)", (REPOSITORY / "deploy/stack/jgo.toml").read_text())[1]
    assert images["apache/kafka"] == kafka
    # Of its module, v0.316.0, the release is v3.16.0.
    minor = re.search(r"prometheus v0\.3(\d\d)\.(\d+)", (REPOSITORY / "deploy/stack/prometheus/go.mod").read_text())
    assert images["prom/prometheus"] == f"v3.{minor[1]}.{minor[2]}"


def test_kafka_is_set_as_the_embedded_one() -> None:
    given = SERVICES["kafka"]["environment"]
    tested = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in broker.FIXED.items()}
    assert {name: value for name, value in given.items() if name in tested and value != tested[name]} == {}
    assert len(given.keys() & tested.keys()) >= 9
    assert "KAFKA_NUM_PARTITIONS" not in given


def test_the_fleet_finds_its_services_and_its_settings_are_sound() -> None:
    given = SERVICES["fleet"]["environment"]
    settings = Settings.model_validate({name.removeprefix(PREFIX).lower(): value for name, value in given.items()})
    (server,) = connection_options(settings)["bootstrap_servers"]
    assert f"PLAINTEXT://{server}" == SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert re.match(r"mongodb://mongodb:27017$", settings.mongodb_uri.get_secret_value())
    assert "mongodb" in SERVICES


def test_only_this_machine_reaches_a_port_and_each_is_the_usual_one() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    usual = {Settings().lag_port, STACK.prometheus_port, 3000}
    assert {f"127.0.0.1:{port}:{port}" for port in usual} == set(ports)


def test_what_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for each in service.get("volumes", []):
            source, place, *mode = each.split(":")
            assert place.startswith("/")
            if source.startswith("."):
                assert (COMPOSE.parent / source).is_dir(), source
                assert mode == ["ro"]
            else:
                assert source in VOLUMES


def test_prometheus_is_started_as_in_the_stack_and_finds_its_rules_and_targets() -> None:
    given = dict(flag.split("=", 1) for flag in SERVICES["prometheus"]["command"])
    tested = dict(flag.split("=", 1) for flag in prometheus.command(STACK)[1:])
    assert given.keys() == tested.keys() - {"--web.listen-address"}
    for flag in ("--storage.tsdb.retention.time", "--storage.tsdb.retention.size"):
        assert given[flag] == tested[flag]
    configuration = PurePosixPath(given["--config.file"])
    assert in_checkout("prometheus", str(configuration)).samefile(tested["--config.file"])
    assert given["--storage.tsdb.path"] in mounts("prometheus")

    (targets,) = yaml.safe_load(Path(tested["--config.file"]).read_text())["scrape_configs"][0]["file_sd_configs"]
    folder = configuration.parent.parent.parent / "var/run"
    assert targets["files"] == ["../../var/run/targets.json"]
    assert mounts("prometheus")[str(folder)] == mounts("fleet")[str(folder)]
    # It asks on its own loopback, which is the fleet's.
    assert SERVICES["prometheus"]["network_mode"] == "service:fleet"


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    given = SERVICES["grafana"]["environment"]
    provisioning = REPOSITORY / "grafana/provisioning"
    texts = [path.read_text() for path in provisioning.rglob("*.yaml")]
    assert {name for text in texts for name in re.findall(r"\${(\w+)}", text)} <= given.keys()
    assert in_checkout("grafana", "/etc/grafana/provisioning").samefile(provisioning)
    assert in_checkout("grafana", given["DASHBOARDS"]).samefile(REPOSITORY / "grafana/dashboards")
    assert in_checkout("grafana", given["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]).is_file()
    assert given["PROMETHEUS_URL"] == f"http://fleet:{STACK.prometheus_port}"


def test_the_image_holds_what_the_fleet_needs_and_its_workers_have_time_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (REPOSITORY / "deploy/Dockerfile").read_text()
    kept = (REPOSITORY / "deploy/Dockerfile.dockerignore").read_text().splitlines()
    for sources in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (REPOSITORY / source).exists(), source
            assert f"!{source}" in kept
    assert {"workers", "deploy"} <= set(re.findall(r"^COPY (\w+) ", text, re.MULTILINE))
    makefile = (REPOSITORY / "Makefile").read_text()
    for install in ("--require-hashes -r requirements/", "--no-deps --no-build-isolation -e ."):
        assert install in text
        assert install in makefile

    monkeypatch.chdir("/")
    options = ServerOptions()
    options.realize(["-c", str(REPOSITORY / "deploy/supervisord.conf")])
    patience = max(each.stopwaitsecs for group in options.process_group_configs for each in group.process_configs)
    assert int(SERVICES["fleet"]["stop_grace_period"].removesuffix("s")) > patience
