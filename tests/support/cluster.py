"""A Kafka of three brokers and a FerretDB, for tests that take brokers away. About 20 s to start, and 700 MB: share it.

with Cluster() as cluster:
    cluster.kill(cluster.coordinator(group)) ... cluster.wait_in_sync(topic)
"""

from __future__ import annotations

from contextlib import suppress

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from embedded_stack.settings import BROKERS
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.ports import free_ports
from workers.errors import UnavailableError

SETTLE_SECONDS = 90
"""For an election, and for a broker that was killed until it is in sync again, on a machine that is busy."""


class Cluster(EmbeddedStack):
    """The brokers are the programs `kafka`, `kafka_2` and `kafka_3`, with the node ids 1, 2 and 3."""

    programs = (*BROKERS, "ferretdb")

    def __init__(self) -> None:
        second, second_controller, third, third_controller = free_ports(4)
        super().__init__(
            {
                "STACK_BROKERS": "3",
                "STACK_KAFKA_2_PORT": str(second),
                "STACK_CONTROLLER_2_PORT": str(second_controller),
                "STACK_KAFKA_3_PORT": str(third),
                "STACK_CONTROLLER_3_PORT": str(third_controller),
            }
        )
        self._ports = (self.kafka_port, second, third)

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self._ports)

    def wait_ready(self, programs: object = None, seconds: float = SETTLE_SECONDS) -> None:
        """One broker alone has no quorum: supervisord starts the first, the other two are started here."""
        wait_until(self._start_others, seconds, "supervisord has started all brokers")
        super().wait_ready(programs, seconds)

    def _start_others(self) -> bool:
        with suppress(UnavailableError):
            for program in self.programs:
                if self.pid(program) is None:
                    with suppress(UnavailableError):
                        self._client.start(program)
            return all(self.pid(program) for program in self.programs)
        return False

    def brokers_running(self) -> list[str]:
        return [program for program in BROKERS if self.pid(program) is not None]

    def stop(self) -> None:
        """Killed, not told: the last brokers of a cluster wait for a quorum that is gone before they end."""
        for program in self._running_or_none():
            with suppress(ProcessLookupError, RuntimeError, UnavailableError):
                self._client.call("stopProcess", program, False)
                self.kill(program)
        super().stop()

    def _running_or_none(self) -> list[str]:
        with suppress(UnavailableError):
            return self.brokers_running()
        return []

    # Who does what

    def coordinator(self, group: str) -> str:
        """The broker that coordinates a group: the leader of that partition of `__consumer_offsets`."""
        hashed = 0
        for letter in group:
            hashed = (31 * hashed + ord(letter)) & 0xFFFFFFFF
        # Java's hash is signed.
        hashed = abs(hashed - (1 << 32) if hashed >> 31 else hashed)

        def leader(admin: KafkaAdminClient) -> str:
            partitions = _partitions(admin, "__consumer_offsets")
            return _name(partitions[hashed % len(partitions)]["leader_id"])

        return self._ask(leader)

    def leader(self, topic: str, partition: int = 0) -> str:
        return self._ask(lambda admin: _name(_partitions(admin, topic)[partition]["leader_id"]))

    def controller(self) -> str:
        return self._ask(lambda admin: _name(admin.describe_cluster()["controller_id"]))

    def wait_in_sync(self, topic: str, brokers: int = 3) -> None:
        """Until every partition of a topic has so many replicas in sync."""

        def in_sync() -> bool:
            with suppress(KafkaError, UnavailableError):
                return self._ask(
                    lambda admin: all(len(each["isr_nodes"]) >= brokers for each in _partitions(admin, topic).values())
                )
            return False

        wait_until(in_sync, SETTLE_SECONDS, f"{brokers} replicas of {topic} are in sync")

    def _ask(self, question):
        """Of whoever answers: the broker that was asked last may be the one that was killed."""

        def answers() -> list[object]:
            with suppress(KafkaError):
                admin = KafkaAdminClient(bootstrap_servers=self.bootstrap_servers, bootstrap_timeout_ms=10_000)
                try:
                    return [question(admin)]
                finally:
                    admin.close()
            return []

        (answer,) = wait_until(answers, SETTLE_SECONDS, "the cluster tells about itself")
        return answer


def _name(node: int) -> str:
    return BROKERS[node - 1]


def _partitions(admin: KafkaAdminClient, topic: str) -> dict[int, dict]:
    (found,) = admin.describe_topics([topic])
    return {each["partition_index"]: each for each in found["partitions"]}
