"""A client whose brokers are no longer where they were, and one that does not find them though they can be found."""

from __future__ import annotations

import socket
import time

import pytest
from kafka.errors import NodeNotReadyError

from tests.support.kafka_sides import RealKafka, wait
from tests.support.ports import free_ports
from workers.errors import CutOffError, ExitCode
from workers.kafka import contact, options
from workers.kafka.producer import Producer
from workers.types import CommitResult

pytestmark = pytest.mark.integration


@pytest.fixture
def kafka(stack, monkeypatch):
    monkeypatch.setattr(options, "REBOOTSTRAP_SECONDS", 0.5)
    side = RealKafka(stack, partitions=1)
    side.settings = side.settings.model_copy(update={"session_timeout": 2.0})
    yield side
    side.close()


def move(manager) -> None:
    """All that the client knows leads to a port where nobody listens, as after the move of all brokers."""
    (dead,) = free_ports(1)
    cluster = manager.cluster
    for known in (cluster._brokers, cluster._coordinator_brokers):
        for broker in known.values():
            broker.port = dead
    for node in list(manager._conns):
        manager.close(node)


@pytest.mark.parametrize("coordinator_first", [False, True], ids=["metadata", "coordinator"])
def test_a_worker_finds_a_broker_that_has_moved(kafka, coordinator_first):
    """Whichever is found first at the new address, the brokers or the group's coordinator: the other must follow."""
    member = kafka.member()
    wait(lambda: member.poll() or member.told.owned == [0], "an assignment")
    manager = member.source._consumer._manager
    coordinators = dict(manager.cluster._coordinator_brokers) if coordinator_first else {}
    ports = {name: broker.port for name, broker in coordinators.items()}
    move(manager)
    for name, broker in coordinators.items():
        broker.port = ports[name]

    kafka.produce(0, b"1")
    assert member.take(1) == [(0, b"1")]
    assert member.commit({0: 1}) is CommitResult.OK
    wait(lambda: member.poll() or member.source.connected(), "it is ready again")


def test_a_producer_finds_a_broker_that_has_moved(kafka, capsys):
    with Producer(kafka.settings) as producer:
        producer.send_all([b"0"])
        move(producer._client._sender._client._manager)
        assert producer.send_all([b"1"]).acknowledged == 2
    # `produce --json` prints one object, and nothing else.
    assert capsys.readouterr().out == ""


def test_a_name_with_a_new_address_is_looked_up_again(kafka, monkeypatch):
    """Brokers that have moved with their name: nothing listens at the old address."""
    lookup, address = socket.getaddrinfo, "127.0.0.1"
    asked = []

    def resolve(host, *arguments, **keywords):
        if host == "broker.test":
            asked.append(address)
            host = address
        return lookup(host, *arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    port = kafka.settings.bootstrap_servers.rpartition(":")[2]
    kafka.settings = kafka.settings.model_copy(update={"bootstrap_servers": f"broker.test:{port}"})
    member = kafka.member()
    wait(lambda: member.poll() or member.told.owned == [0], "an assignment")
    address = "127.0.0.2"
    move(member.source._consumer._manager)
    wait(lambda: member.poll() or "127.0.0.2" in asked, "the old address is tried")
    # Back where the broker is: as a DNS whose answer has changed.
    address = "127.0.0.1"
    kafka.produce(0, b"1")
    assert member.take(1) == [(0, b"1")]


@pytest.fixture
def lost(kafka, monkeypatch):
    """A member that finds no broker any more, whatever it tries."""
    monkeypatch.setattr(contact, "CUT_OFF_SECONDS", 1.0)
    monkeypatch.setattr(contact, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(contact, "PROBE_PATIENCE_SECONDS", 0.5)
    member = kafka.member()
    wait(lambda: member.poll() or member.told.owned == [0], "an assignment")
    assert member.source.connected()
    manager = member.source._consumer._manager

    def refuse(*_arguments, **_options):
        raise NodeNotReadyError

    monkeypatch.setattr(manager, "get_connection", refuse)
    for node in list(manager._conns):
        manager.close(node)
    return member


def test_a_client_that_finds_nothing_ends_only_if_a_new_one_would_not(lost):
    with pytest.raises(CutOffError, match=r"reached no Kafka broker for .* a new one does") as raised:
        wait(lost.poll, "it ends")
    assert raised.value.exit_code == ExitCode.CUT_OFF == 76
    assert len(str(raised.value).splitlines()) == 1


def test_a_worker_without_an_answer_from_its_group_is_not_ready(lost, monkeypatch):
    """And it does not end: while nobody reaches Kafka, a restart would not help."""
    (dead,) = free_ports(1)
    away = lost.source._settings.model_copy(update={"bootstrap_servers": f"127.0.0.1:{dead}"})
    monkeypatch.setattr(lost.source._contact, "_settings", away)
    wait(lambda: lost.poll() or not lost.source.connected(), "it is not ready")
    until = time.monotonic() + 4
    wait(lambda: lost.poll() or time.monotonic() > until, "it lives on")
    assert not lost.source.connected()
