"""The log: one line an event, nothing in it that came from a record, nothing that can forge a line or drive a terminal."""

from __future__ import annotations

import ast
import inspect
import json
import logging
import re
from pathlib import Path

import pytest
import structlog
from kafka.net import selector
from kafka.protocol.parser import KafkaProtocol
from kafka.protocol.sasl import SaslAuthenticateRequest

from tests.support.batches import batch_of, document, reject, tp, tps
from workers.errors import RetryReason, SinkUnavailableError
from workers.log_fields import Action
from workers.monitoring import logs as log
from workers.monitoring.log_observer import LogObserver
from workers.pauses import Pause
from workers.settings import load
from workers.types import CommitResult, RejectReason, Truncation, WriteResult

SECRET = "payload-canary"


@pytest.fixture(autouse=True)
def _log_as_it_was():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def told(capsys):
    """Read what was logged since the last time, as JSON, line by line; called first, it begins to listen."""
    listening = []

    def read():
        if not listening:
            # Here and not in the fixture: standard output is another one there.
            log.configure(load(log_format="json", slot=3))
            listening.append(True)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return read


def test_a_batch_is_one_line_with_what_from_where_and_how_many(told):
    told()
    narrator = LogObserver()
    batch = batch_of(document(5, text=SECRET), document(2, 1), rejects=[reject(9, value=SECRET.encode())])
    written = WriteResult({tp(0): 1, tp(1): 1}, {}, {(tp(0), RejectReason.NOT_JSON): 1})

    narrator.written(batch, written, 0.0123)
    narrator.committed(batch, CommitResult.OK)

    letters, line = told()
    assert (letters["event"], letters["level"], letters["reason"]) == ("dead letters", "warning", "not_json")
    assert line["event"] == "batch"
    assert line["offsets"] == "0:5-9 1:2-2"
    assert (line["records"], line["stored"], line["dead_letters"]) == (3, 2, 1)
    assert line["write_ms"] == 12.3
    assert line["worker"] == "worker_03"
    assert SECRET not in json.dumps([letters, line])


def test_a_batch_that_was_not_committed_says_that_it_will_be_redelivered(told):
    told()
    narrator = LogObserver()
    narrator.written(batch_of(document(0)), WriteResult({tp(0): 1}, {}, {}), 0.01)
    narrator.committed(batch_of(document(0)), CommitResult.REBALANCED)

    (line,) = told()
    assert line["level"] == "warning"
    assert line["commit"] == "rebalanced"
    assert "will be redelivered" in line["event"]


def test_an_outage_is_a_line_when_it_begins_and_one_when_it_ends(told):
    told()
    narrator = LogObserver()
    for attempt in range(50):
        narrator.sink_unavailable(SinkUnavailableError(RetryReason.UNREACHABLE, "nobody there"), attempt, 1.0)
    narrator.written(batch_of(document(0)), WriteResult({tp(0): 1}, {}, {}), 0.01)

    began, ended = told()
    assert began["level"] == "warning"
    assert "unreachable: nobody there" in began["error"]
    assert "again" in ended["event"]


def test_a_long_outage_is_told_now_and_then(told, monkeypatch):
    told()
    narrator = LogObserver()
    now = [100.0]
    monkeypatch.setattr("workers.monitoring.log_observer.time.monotonic", lambda: now[0])

    for _ in range(120):
        narrator.sink_unavailable(SinkUnavailableError(RetryReason.TIMEOUT, "x"), 1, 1.0)
        now[0] += 1.0

    assert [line.get("unavailable_seconds") for line in told()] == [None, 30.0, 60.0, 90.0]


def test_records_that_are_gone_are_an_error_with_their_range(told):
    told()
    LogObserver().records_lost(tp(2), 100, 25)

    (line,) = told()
    assert (line["level"], line["partition"], line["first"], line["last"], line["lost"]) == ("error", 2, 100, 124, 25)


def test_a_truncated_log_is_an_error_with_where_the_logs_part_and_both_epochs(told):
    told()
    LogObserver().log_truncated(tp(2), Truncation(read_to=100, divergence=60, old_epoch=5, new_epoch=7))

    (line,) = told()
    assert (line["level"], line["partition"], line["read_to"], line["divergence"]) == ("error", 2, 100, 60)
    assert (line["old_epoch"], line["new_epoch"]) == (5, 7)


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize(
    "evil", ["x\nERROR root: fake", "a\r\nb", "\x1b[2J", "\u202egnp", "\u2028", "\x00\x07", "\x9b2J"]
)
def test_what_came_from_outside_forges_no_line_and_drives_no_terminal(capsys, form, evil):
    log.configure(load(log_format=form))

    structlog.get_logger().warning("refused", error=evil)
    logging.getLogger("kafka.conn").error("broker said %s", evil)

    out = capsys.readouterr().out
    assert out.count("\n") == 2
    assert all(character.isprintable() for line in out.splitlines() for character in line)
    assert not set(evil) & set("\r\x1b\u202e\u2028\x00\x07\x9b") & set(out)


def test_the_clients_chatter_is_not_logged_but_its_warnings_are(told):
    told()
    logging.getLogger("kafka.coordinator").info("chatter")
    logging.getLogger("kafka.coordinator").warning("trouble")

    (line,) = told()
    assert (line["event"], line["level"], line["worker"]) == ("trouble", "warning", "worker_03")


def test_that_the_machine_is_busy_is_not_a_warning_of_the_client(told):
    told()
    client = logging.getLogger("kafka.net.selector")
    client.warning(f"Task x ran for 0.105s (>0.100s threshold). {log.OF_A_BUSY_MACHINE} -- likely a tight loop")
    client.warning("another one")

    assert [line["event"] for line in told()] == ["another one"]
    assert log.OF_A_BUSY_MACHINE in inspect.getsource(selector), "the client says it in other words now"


def test_a_password_and_a_payload_are_not_logged_by_the_clients_either(capsys):
    """At DEBUG the Kafka client tells every byte that it sends and receives, and MongoDB's every command."""
    log.configure(load(log_level="debug"))
    wire = KafkaProtocol(client_id="worker_03")
    wire.send_request(SaslAuthenticateRequest(f"\0user\0{SECRET}".encode(), version=1))
    wire.send_bytes()
    for name in ("kafka.net.connection", "kafka.consumer.fetcher", "pymongo.command"):
        logging.getLogger(name).debug("%s", SECRET)
    logging.getLogger("kafka.coordinator").info("joined")

    (line,) = capsys.readouterr().out.splitlines()
    assert "joined" in line


def test_every_line_of_the_data_path_has_worker_topic_partition_and_an_action_of_few(told):
    told()
    narrator = LogObserver()
    narrator.rebalanced("assigned", tps(0))
    narrator.owns([])
    narrator.records_lost(tp(2), 100, 25)
    narrator.halted(tps(2), "too many rejects")
    narrator.sink_unavailable(SinkUnavailableError(RetryReason.TIMEOUT, "x"), 1, 0.1)
    narrator.written(
        batch_of(document(0), rejects=[reject(1)]), WriteResult({tp(0): 1}, {}, {(tp(0), RejectReason.EMPTY): 1}), 0.01
    )
    narrator.committed(batch_of(document(0), document(0, 3)), CommitResult.OK)
    narrator.committed(batch_of(document(0)), CommitResult.TIMEOUT)
    narrator.rebalanced("revoked", tps(0))
    narrator.rebalanced("lost", tps(1, 0))

    lines = told()
    assert {(line["worker"], line["topic"]) for line in lines} == {("worker_03", "numtest")}
    assert [(line["action"], line.get("partition", line.get("partitions"))) for line in lines] == [
        ("rebalance", "0"),
        ("rebalance", None),
        ("read", 2),
        ("read", "2"),
        ("write", None),
        ("write", None),
        ("dead_letter", 0),
        ("commit", "0,3"),
        ("commit", "0"),
        ("rebalance", "0"),
        ("rebalance", "0,1"),
    ]


def test_a_line_for_people_begins_with_when_who_and_what(capsys):
    log.configure(load(slot=3))
    LogObserver().rebalanced("assigned", tps(1, 0))

    line = capsys.readouterr().out
    assert re.fullmatch(
        r"timestamp=\S+Z level=info worker=worker_03 event=\"partitions assigned\" action=rebalance "
        r"partitions=0,1 topic=numtest\n",
        line,
    )


def calls():
    """Every line that is logged anywhere: where, the words that go with it, and its action, as they stand in the code."""
    for path in sorted(Path(log.__file__).parents[1].rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and re.fullmatch(
                r"(self\._)?log\.(debug|info|warning|error)", ast.unparse(node.func)
            ):
                words = {each.arg or ast.unparse(each.value): ast.unparse(each.value) for each in node.keywords}
                yield f"{path.name}:{node.lineno}", words


def test_every_line_about_a_partition_has_an_action():
    names = re.compile(r"partitions?|offsets|of_partitions?\(.*\)")
    about = [(where, words) for where, words in calls() if any(names.fullmatch(word) for word in words)]

    assert len(about) >= 10
    assert [where for where, words in about if "action" not in words] == []


def test_every_action_is_used_and_no_other():
    assert {words["action"] for _, words in calls() if "action" in words} == {f"Action.{each.name}" for each in Action}


def test_a_pause_is_a_line_when_it_begins_and_one_when_it_ends_whatever_moves_meanwhile(told):
    told()
    narrator, pause = LogObserver(), Pause("backup", "ann@db1", 0.0)
    for _ in range(3):
        narrator.owns([tp(0), tp(1), tp(2)])
        narrator.paused({tp(0): pause, tp(1): pause})
    narrator.owns([tp(1), tp(2)])
    narrator.paused({tp(1): pause})
    narrator.paused({})

    began, ended = told()
    assert (began["partitions"], began["by"], began["because"]) == ("0,1", "ann@db1", "backup")
    assert (ended["event"], ended["partitions"]) == ("partitions resumed", "1"), "0 has another owner, and is paused"


def test_a_limit_is_told_once(told):
    told()
    narrator = LogObserver()
    for _ in range(50):
        narrator.limited("WORKERS_MAX_RATE", 0.2)
        narrator.limited(None, 0.0)

    (line,) = told()
    assert "limited by WORKERS_MAX_RATE" in line["event"]
