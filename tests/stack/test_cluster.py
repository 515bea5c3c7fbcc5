"""The embedded stack as a cluster of three brokers: what it is told to replicate, and that it comes up, down, and back."""

from __future__ import annotations

import pytest

from embedded_stack import broker
from embedded_stack.settings import Settings
from tests.support.cluster import Cluster
from tests.support.embedded import StackUnavailableError, unavailable


def told(environ: dict[str, str], program: str = "kafka") -> dict[str, str]:
    settings = Settings.read(environ)
    lines = broker.properties(settings, settings.data_dir, program).splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_one_broker_is_as_before() -> None:
    alone = told({})
    assert (alone["node.id"], alone["controller.quorum.voters"]) == ("1", "1@127.0.0.1:9093")
    assert (alone["default.replication.factor"], alone["min.insync.replicas"]) == ("1", "1")
    assert Settings.read({}).bootstrap_servers == "127.0.0.1:9092"
    assert Settings.read({}).programs == ["kafka", "ferretdb"]


def test_three_brokers_replicate_everything_and_need_two() -> None:
    three = {"STACK_BROKERS": "3"}
    settings = Settings.read(three)
    assert settings.programs == ["kafka", "kafka_2", "kafka_3", "ferretdb"]
    assert settings.bootstrap_servers == "127.0.0.1:9092,127.0.0.1:9095,127.0.0.1:9097"
    assert settings.kafka_heap == "192m"
    properties = [told(three, program) for program in settings.brokers]
    assert [each["node.id"] for each in properties] == ["1", "2", "3"]
    assert {each["controller.quorum.voters"] for each in properties} == {
        "1@127.0.0.1:9093,2@127.0.0.1:9096,3@127.0.0.1:9098"
    }
    for each in properties:
        assert {value for name, value in each.items() if name.endswith("replication.factor")} == {"3"}
        assert {value for name, value in each.items() if "min.is" in name or "min.insync" in name} == {"2"}
        # As in production: so long is a dead broker taken for alive.
        assert each["broker.session.timeout.ms"] == "9000"


@pytest.mark.integration
@pytest.mark.slow
def test_a_cluster_comes_up_is_seen_goes_down_and_comes_back() -> None:
    cluster = Cluster()
    try:
        try:
            cluster.start()
        except StackUnavailableError as reason:
            unavailable(reason)
        status = cluster.command("status")
        assert [line.split()[0] for line in status.stdout.splitlines() if line.endswith(" answers")] == [
            *cluster.programs
        ]
        up = cluster.command("up")
        assert (up.returncode, "already running" in up.stdout, cluster.bootstrap_servers in up.stdout) == (
            0,
            True,
            True,
        )
        alone = dict(cluster.environment)
        cluster.environment["STACK_BROKERS"] = "1"
        assert "already running with 3 Kafka broker(s), not with 1" in cluster.command("up").stderr
        cluster.environment = alone
        for program in cluster.brokers_running():
            cluster.kill(program)
        cluster.wait_ready()
    finally:
        cluster.remove()
