"""The commands as a user types them: `workers produce`, and what every command says to a mistake."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.user import BIN, User

pytestmark = pytest.mark.acceptance

NOBODY = "127.0.0.1:1"
"""A port on which nothing listens."""
SECRET = "hunter2-do-not-print"
PATIENCE_SECONDS = 30


@pytest.fixture
def user(stack: EmbeddedStack, tmp_path: Path) -> Iterator[User]:
    user = User(stack, tmp_path)
    yield user
    user.close()


def values(user: User) -> Counter[bytes]:
    return Counter(user.kafka.values().values())


def numbers(first: int, count: int) -> Counter[bytes]:
    return Counter(b'{"number": %d}' % number for number in range(first, first + count))


def test_produce_sends_the_numbers_0_to_999_and_makes_the_topic(user: User) -> None:
    ran = user.command("produce")
    assert (ran.returncode, values(user)) == (0, numbers(0, 1000))
    made, acknowledged = ran.stdout.splitlines()
    assert made == f"created the topic {user.topic} with 6 partitions"
    assert acknowledged.startswith("acknowledged 1,000, failed 0 in ")
    # Where there is no terminal there is no bar, and no control sequence.
    assert ran.stderr.startswith("produced 1,000 (")
    assert "\x1b" not in ran.stdout + ran.stderr


def test_produce_reports_what_was_acknowledged_as_json(user: User) -> None:
    report = user.produce("--start", "-5", "--count", "70", "--interval", "0", "--partitions", "3")
    assert values(user) == numbers(-5, 70)
    assert (report["topic"], report["acknowledged"], report["failed"]) == (user.topic, 70, 0)
    held = Counter(f"{user.topic}-{partition}" for partition, _ in user.kafka.values())
    assert report["by_partition"] == held
    assert set(held) <= {f"{user.topic}-{partition}" for partition in range(3)}
    assert user.kafka.partitions() == [0, 1, 2]


def test_produce_takes_its_time_between_two_records(user: User) -> None:
    assert user.produce("--count", "6", "--interval", "0.1")["seconds"] >= 0.5
    assert user.produce("--count", "0")["acknowledged"] == 0
    assert values(user) == numbers(0, 6)


def test_produce_sends_the_lines_of_a_file_as_they_are(user: User) -> None:
    raw = b'{"a": 1}\n\xff\x00\r\n\n  two words  \nlast, without an end'
    lines = [b'{"a": 1}', b"\xff\x00", b"", b"  two words  ", b"last, without an end"]
    (user.folder / "lines").write_bytes(raw)
    assert user.produce("--from", "lines")["acknowledged"] == len(lines)
    assert values(user) == Counter(lines)
    piped = user.command("produce", "--from", "-", input=raw, text=False)
    assert (piped.returncode, values(user)) == (0, Counter(lines * 2))


def test_produce_writes_to_the_topic_that_its_option_names(user: User) -> None:
    user.kafka.create(1)
    user.produce("--topic", f"{user.topic}.other", "--count", "5")
    assert values(user) == Counter()


@pytest.mark.slow
def test_produce_needs_no_more_memory_for_more_numbers(user: User) -> None:
    """300,000 numbers that are held whole need 200 MB and more; the client's own share is near 60."""
    peak = 0
    producing = user.producing("--count", "300000")
    process = psutil.Process(producing.pid)
    ended = threading.Event()
    try:
        while producing.poll() is None:
            with process.oneshot():
                peak = max(peak, _resident(process))
            ended.wait(0.05)
        report = json.loads(producing.communicate()[0])
    finally:
        producing.kill()
        producing.wait()
    assert (report["acknowledged"], sum(user.kafka.ends().values())) == (300_000, 300_000)
    assert 20 * 2**20 < peak < 130 * 2**20


def test_produce_that_is_interrupted_tells_what_was_acknowledged(user: User) -> None:
    user.kafka.create(1)
    producing = user.producing("--count", "100000", "--interval", "0.001")
    wait_until(lambda: sum(user.kafka.ends().values()) >= 50, 60, "some are there")
    producing.send_signal(signal.SIGINT)
    out, _ = producing.communicate(timeout=PATIENCE_SECONDS)
    report = json.loads(out)
    assert producing.returncode == 130, "what was not done is not told as done"
    assert 50 <= report["acknowledged"] == sum(user.kafka.ends().values()) < 100_000


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "words"),
    [
        (["produce"], {"WORKERS_BOOTSTRAP_SERVERS": NOBODY}, 69, [NOBODY, "WORKERS_BOOTSTRAP_SERVERS"]),
        (["verify"], {"WORKERS_BOOTSTRAP_SERVERS": NOBODY}, 2, [NOBODY, "WORKERS_BOOTSTRAP_SERVERS"]),
        (["verify", "--wait", "20"], {"WORKERS_BOOTSTRAP_SERVERS": NOBODY}, 2, [NOBODY]),
        (["verify"], {}, 2, ["there is no topic"]),
        (["produce", "--topic", "a b"], {}, 78, ["WORKERS_TOPIC=a b"]),
        (["produce", "--topic", ".."], {}, 78, ["WORKERS_TOPIC=.."]),
        (["produce", "--topic", "x" * 250], {}, 78, ["WORKERS_TOPIC=x"]),
        (["produce", "--count", "-1"], {}, 64, ["--count"]),
        (["produce", "--interval", "-0.5"], {}, 64, ["--interval"]),
        (["produce", "--interval", "inf"], {}, 64, ["--interval"]),
        (["produce", "--partitions", "0"], {}, 64, ["--partitions"]),
        (["produce", "--start", "9223372036854775808"], {}, 64, ["--start"]),
        (["produce", "--cuont", "1"], {}, 64, ["--cuont"]),
        (["prodcue"], {}, 64, ["prodcue"]),
        (["produce"], {"WORKERS_TOPICS": "x"}, 78, ["WORKERS_TOPICS", "WORKERS_TOPIC?"]),
    ],
)
def test_a_mistake_is_told_in_one_line_and_soon(
    user: User, arguments: list[str], settings: dict[str, str], code: int, words: list[str]
) -> None:
    ran = user.command(*arguments, env=settings, timeout=PATIENCE_SECONDS)
    told = ran.stderr.splitlines()
    if arguments[0] == "verify":
        assert told.pop() == "nothing was verified"
    assert (ran.returncode, ran.stdout, len(told)) == (code, "", 1), ran
    assert told[0].startswith("workers")
    assert all(word in told[0] for word in words), told
    assert user.kafka.partitions() == []


def test_every_wrong_setting_is_told_at_once(user: User) -> None:
    ran = user.command("run", env={"WORKERS_TOPIC": "a b", "WORKERS_SLOT": "many", "WORKERS_GRUOP": "x"})
    assert (ran.returncode, len(ran.stderr.splitlines())) == (78, 3)
    for word in ("WORKERS_TOPIC", "WORKERS_SLOT", "WORKERS_GRUOP"):
        assert word in ran.stderr


def test_a_file_that_is_not_there_is_named(user: User) -> None:
    ran = user.command("produce", "--from", "no-such-file")
    assert ran.returncode != 0
    assert "no-such-file" in ran.stderr.splitlines()[-1]
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("address", [NOBODY, "the database"])
@pytest.mark.parametrize(
    "arguments", [["verify"], ["config"], ["config", "--json"], ["run"], ["produce", "--count", "1"]]
)
def test_a_password_is_never_printed(user: User, arguments: list[str], address: str, stack: EmbeddedStack) -> None:
    user.kafka.create(1)
    host = address if address == NOBODY else stack.mongodb_uri.removeprefix("mongodb://")
    secrets = {
        "WORKERS_MONGODB_URI": f"mongodb://somebody:{SECRET}@{host}/?directConnection=true",
        "WORKERS_LOG_LEVEL": "debug",
        "WORKERS_METRICS_PORT": "0",
    }
    command = subprocess.Popen(
        [str(BIN / "workers"), *arguments],
        env=user.environment | secrets,
        cwd=user.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(command.stdout or ()))
    reader.start()
    try:
        if arguments == ["run"]:
            wait_until(lambda: "waiting for MongoDB" in "".join(said), 60, "the worker says that it waits")
            command.terminate()
        code = command.wait(PATIENCE_SECONDS)
    finally:
        command.kill()
        command.wait()
        reader.join()
        command.stdout.close()
    text = "".join(said)
    assert SECRET not in text
    assert code == (2 if arguments == ["verify"] else 0), text
    if arguments == ["verify"] and address != NOBODY:
        assert "refused the user or the password" in text


def test_a_setting_that_is_no_uri_is_refused_without_showing_it(user: User) -> None:
    ran = user.command("verify", env={"WORKERS_MONGODB_URI": f"mongodb://somebody:{SECRET}@host:port:27017"})
    assert (ran.returncode, SECRET in ran.stdout + ran.stderr) == (78, False)
    assert "WORKERS_MONGODB_URI" in ran.stderr


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
