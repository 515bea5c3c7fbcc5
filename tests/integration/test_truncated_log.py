"""A log that is not the one that was committed against: cut back to an earlier copy of itself, it goes on with other records.

As after an unclean election, a lost disk or a restored backup. The topic is the same, the group's commits are kept.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.embedded import EmbeddedStack, StackUnavailableError, unavailable, wait_until
from tests.support.plain_workers import PlainWorkers
from workers.errors import UnavailableError
from workers.monitoring.lag_poller import LagPoller
from workers.settings import load
from workers.types import TopicPartition as OurPartition

pytestmark = pytest.mark.integration

COPIED, READ = 60, 100
"""Records in the copy of the log, and records that were read and committed before it was put back."""
TOLD = "the log was truncated"
TOPICS = ("grown", "shorter", "stopping", "running", "waiting")
WAITS_AT = 70
"""Where the group stands that reads nothing, behind what is in the copy of the log."""
HOUR, MINUTE = 3_600, 60


class Waiting(PlainWorkers):
    """Nobody reads the topic; one poller asks for the lag before and after the log is put back."""

    def __init__(self, stack: EmbeddedStack, folder: Path) -> None:
        super().__init__(stack, folder)
        self.lag = LagPoller(
            load(bootstrap_servers=stack.bootstrap_servers, topic=self.topic, group=self.group, lag_interval=1.0)
        )

    def aged(self, count: int, seconds: int) -> None:
        """Send records that are so old."""
        for each in [int((time.time() - seconds) * 1000)] * count:
            self.send(0, b"{}", timestamp_ms=each)

    def age(self) -> float:
        """Of the oldest record that is not committed."""
        return wait_until(self._age, 30, "Kafka tells the age")

    def _age(self) -> float | None:
        with contextlib.suppress(UnavailableError):
            return (self.lag.take_snapshot().partitions or {})[OurPartition(self.topic, 0)].seconds
        return None

    def close(self) -> None:
        self.lag.close()
        super().close()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, PlainWorkers]]:
    """Topics of one partition each, whose logs were put back to 60 records after 100 were committed."""
    try:
        stack = EmbeddedStack().__enter__()
    except StackUnavailableError as error:
        unavailable(error)
    with contextlib.ExitStack() as stop:
        stop.callback(stack.remove)
        kinds = {"waiting": Waiting}
        users = {
            name: stop.enter_context(kinds.get(name, PlainWorkers)(stack, tmp_path_factory.mktemp(name)))
            for name in TOPICS
        }
        copies = tmp_path_factory.mktemp("copies")
        for user in users.values():
            user.kafka.create(1)
            user.numbers(0, 0, COPIED)
        stack.stop_program("kafka")
        for user in users.values():
            shutil.copytree(folder(stack, user), copies / user.topic)
        stack.start_program("kafka")
        for name, user in users.items():
            user.forget_producer()
            if isinstance(user, Waiting):
                user.aged(READ - COPIED, 2 * HOUR)
                user.commit({0: WAITS_AT})
                assert user.age() == pytest.approx(2 * HOUR, abs=MINUTE)
                user.forget_producer()
                continue
            user.numbers(0, COPIED, READ - COPIED)
            user.start()
            user.wait_committed({0: READ})
            if name != "running":
                assert user.stop() == 0
            user.forget_producer()
        stack.stop_program("kafka")
        for user in users.values():
            shutil.rmtree(folder(stack, user))
            shutil.copytree(copies / user.topic, folder(stack, user))
        stack.start_program("kafka")
        yield users


def folder(stack: EmbeddedStack, user: PlainWorkers) -> Path:
    """Of the log of the topic's partition."""
    return stack.tree / "var/stack/data/kafka" / f"{user.topic}-0"


def numbers(user: PlainWorkers) -> list[int]:
    return sorted(user.documents().values())


def told(user: PlainWorkers) -> list[str]:
    return [line for line in user.log().splitlines() if TOLD in line]


def test_what_other_records_took_the_offsets_of_is_read_too_and_explained(logs: dict[str, PlainWorkers]) -> None:
    user = logs["grown"]
    assert user.numbers(0, 1_000, 80)[0] == COPIED

    before = user.verify()
    assert (before.code, before.total("pending"), before.total("replaced")) == (0, 80, READ - COPIED), before
    (found,) = before.report["truncated"]
    assert (found["partition"], found["committed"], found["divergence"]) == (0, READ, COPIED)
    assert "the log of partition 0 was truncated" in user.command("verify").stdout

    user.start()
    user.wait_committed({0: COPIED + 80})
    assert numbers(user) == [*range(READ), *range(1_000, 1_080)]
    assert user.dead_letters() == []
    (line,) = told(user)
    assert "level=error" in line
    assert all(word in line.split() for word in ("partition=0", f"read_to={READ}", f"divergence={COPIED}"))
    assert user.total("workers_log_truncations_total", partition="0") == 1
    beside = [key for key in user.documents() if "@" in key]
    assert len(beside) == READ - COPIED, "only where another document has the id"
    assert user.stop() == 0

    after = user.verify()
    assert (after.code, after.total("stored"), after.total("replaced")) == (0, COPIED + 80, READ - COPIED), after
    assert (after.total("pending"), after.total("unexpected"), after.report["truncated"]) == (0, 0, [])

    # Redelivered, by another process that knows only what is committed.
    user.commit({0: COPIED - 10})
    user.start()
    user.wait_committed({0: COPIED + 80})
    assert user.stop() == 0
    assert numbers(user) == [*range(READ), *range(1_000, 1_080)]
    assert len(told(user)) == 1


def test_a_log_that_is_shorter_than_the_commit_is_noticed_before_it_grows(logs: dict[str, PlainWorkers]) -> None:
    user = logs["shorter"]
    assert user.verify().total("replaced") == READ - COPIED

    user.start()
    user.wait_committed({0: COPIED})
    assert len(told(user)) == 1
    verdict = user.verify()
    assert (verdict.code, verdict.total("replaced"), verdict.total("unexpected")) == (0, READ - COPIED, 0), verdict

    user.numbers(0, 1_000, 50)
    user.wait_committed({0: COPIED + 50})
    assert numbers(user) == [*range(READ), *range(1_000, 1_050)]
    assert user.dead_letters() == []
    assert user.stop() == 0
    assert len(told(user)) == 1
    assert user.verify().code == 0


def test_a_truncated_log_can_stop_its_partition(logs: dict[str, PlainWorkers]) -> None:
    user = logs["stopping"]
    user.numbers(0, 1_000, 50)
    user.start(WORKERS_ON_LOST_RECORDS="stop")
    wait_until(lambda: told(user) and "partitions halted" in user.log(), 60, "it is halted")
    assert user.total("workers_stopped_partitions") == 1
    assert "WORKERS_ON_LOST_RECORDS" in user.log()
    assert user.kafka.committed() == {0: READ}
    assert user.stop() == 0
    assert numbers(user) == [*range(READ)]

    user.start()
    user.wait_committed({0: COPIED + 50})
    assert user.stop() == 0
    assert numbers(user) == [*range(READ), *range(1_000, 1_050)]
    assert user.verify().code == 0


def test_a_worker_that_runs_meanwhile_notices(logs: dict[str, PlainWorkers]) -> None:
    user = logs["running"]
    user.numbers(0, 1_000, 80)
    user.wait_committed({0: COPIED + 80})
    assert numbers(user) == [*range(READ), *range(1_000, 1_080)]
    assert len(told(user)) == 1
    assert user.dead_letters() == []
    assert user.stop() == 0
    verdict = user.verify()
    assert (verdict.code, verdict.total("stored"), verdict.total("replaced")) == (0, COPIED + 80, READ - COPIED), (
        verdict
    )


def test_the_age_of_what_waits_is_that_of_the_record_that_is_there_now(logs: dict[str, PlainWorkers]) -> None:
    """The commit tells no leader epoch, as those of other programs, so that it counts as it stands."""
    user = logs["waiting"]
    assert isinstance(user, Waiting)
    # The log has grown as far as before when it is looked at again.
    user.aged(READ - COPIED, HOUR)

    assert user.age() == pytest.approx(HOUR, abs=MINUTE)


@pytest.mark.slow
def test_a_broker_that_is_restored_with_its_commits_makes_no_good_record_a_dead_letter(tmp_path: Path) -> None:
    """The backup has everything, commits and leader epochs too: only the database knows of the records since."""
    try:
        stack = EmbeddedStack().__enter__()
    except StackUnavailableError as error:
        unavailable(error)
    data, backup = stack.tree / "var/stack/data/kafka", tmp_path / "backup"
    with contextlib.ExitStack() as stop:
        stop.callback(stack.remove)
        user = stop.enter_context(PlainWorkers(stack, tmp_path))
        user.kafka.create(1)
        read_and_stop(user, 0, COPIED)
        stack.stop_program("kafka")
        shutil.copytree(data, backup)
        stack.start_program("kafka")
        read_and_stop(user, COPIED, READ - COPIED)
        stack.stop_program("kafka")
        shutil.rmtree(data)
        shutil.copytree(backup, data)
        stack.start_program("kafka")
        assert user.kafka.committed() == {0: COPIED}

        assert user.numbers(0, 1_000, 80)[0] == COPIED
        user.start(WORKERS_MAX_POLL_RECORDS="10")
        user.wait_committed({0: COPIED + 80})
        user.running[0].kill()
        user.running.pop(0).wait()

        assert numbers(user) == [*range(READ), *range(1_000, 1_080)]
        assert user.dead_letters() == []
        assert "other documents are stored at these offsets" in user.log()
        verdict = user.verify()
        assert (verdict.code, verdict.total("stored"), verdict.total("replaced")) == (0, COPIED + 80, READ - COPIED)


def read_and_stop(user: PlainWorkers, first: int, count: int) -> None:
    user.numbers(0, first, count)
    user.start()
    user.wait_committed({0: first + count})
    assert user.stop() == 0
    user.forget_producer()
