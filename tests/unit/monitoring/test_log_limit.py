"""Lines of libraries are limited by kind, with a line that says how many were left out; nothing new, and nothing of ours, is lost."""

from __future__ import annotations

import io
import logging
import threading
import time

import pytest
import structlog

from workers.monitoring import log_limit, logs
from workers.monitoring.log_limit import LINES_A_MINUTE, WINDOW_SECONDS, LimitedHandler
from workers.settings import load

DEAD = "Marking the coordinator dead (node coordinator-%d) for group %s: %s."


class Log:
    """Two libraries' loggers before a limited handler."""

    def __init__(self) -> None:
        self.now, self.out = 1000.0, io.StringIO()
        self.handler = LimitedHandler(self.out, lambda: self.now)
        self.handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        self.kafka, self.pymongo, self.ours = map(logging.getLogger, ("kafka.test", "pymongo.test", "workers.test"))
        for logger in (self.kafka, self.pymongo, self.ours):
            logger.propagate, logger.handlers = False, [self.handler]

    def lines(self) -> list[str]:
        """Since the last time."""
        text = self.out.getvalue()
        self.out.seek(0)
        self.out.truncate()
        return text.splitlines()


@pytest.fixture
def log():
    made = Log()
    yield made
    made.handler.close()
    for logger in (made.kafka, made.pymongo, made.ours):
        logger.propagate, logger.handlers = True, []


def test_a_flood_is_a_few_lines_and_one_that_says_how_many_were_left_out(log):
    for number in range(586):
        log.kafka.warning(DEAD, number % 3, "counters", "Node Disconnected")
    assert log.lines() == [
        f"WARNING kafka.test Marking the coordinator dead (node coordinator-{number % 3}) for group counters:"
        " Node Disconnected."
        for number in range(LINES_A_MINUTE)
    ]
    log.now += WINDOW_SECONDS
    log.pymongo.warning("something else")
    said, other = log.lines()
    assert said.startswith(f"WARNING kafka.test left out {586 - LINES_A_MINUTE} more lines of this kind")
    assert "Marking the coordinator dead" in said
    assert other == "WARNING pymongo.test something else"
    # A new minute begins: the next ones are written again.
    log.kafka.warning(DEAD, 1, "counters", "Node Disconnected")
    assert len(log.lines()) == 1


def test_an_error_that_was_not_there_before_is_written_in_the_middle_of_a_flood(log):
    for _ in range(100):
        log.kafka.error("Connection failed: %s", "111 ECONNREFUSED")
    log.lines()
    log.kafka.error("Connection failed: %s", "certificate has expired")
    log.kafka.warning("Connection failed: %s", "111 ECONNREFUSED")
    log.pymongo.error("Connection failed: %s", "111 ECONNREFUSED")
    assert [line.split()[:2] for line in log.lines()] == [
        ["ERROR", "kafka.test"],
        ["WARNING", "kafka.test"],
        ["ERROR", "pymongo.test"],
    ]


def test_ids_and_numbers_do_not_make_another_kind(log):
    for number in range(50):
        log.kafka.error(
            "Error of worker_00-%08x-1111-4222-8333-444455556666 at 0x%x after %d ms", number, number, number
        )
    assert len(log.lines()) == LINES_A_MINUTE


def test_kinds_without_end_are_one_kind_in_the_end(log, monkeypatch):
    """Texts that differ in more than numbers must fill neither the memory nor the log."""
    monkeypatch.setattr(log_limit, "MAX_KINDS", 20)
    letters = "abcdefghijklmnopqrstuvwxyz"
    for first in letters:
        for second in letters:
            log.kafka.error("about %s", first + second)
    assert len(log.lines()) <= 20 + LINES_A_MINUTE
    assert len(log.handler._windows) <= 21


def test_no_line_of_ours_is_left_out(log):
    for _ in range(100):
        log.ours.warning("the same")
    assert len(log.lines()) == 100


def test_what_was_left_out_is_said_though_no_other_line_comes(log, monkeypatch):
    said = threading.Event()
    write = log.out.write
    monkeypatch.setattr(log.out, "write", lambda text: (write(text), "left out" in text and said.set()))
    monkeypatch.setattr(log_limit, "WINDOW_SECONDS", 0.2)
    log.handler._clock = time.monotonic
    for _ in range(LINES_A_MINUTE + 7):
        log.kafka.warning("again")
    assert said.wait(10)
    assert "left out 7 more lines" in log.lines()[-1]


def test_what_was_left_out_is_said_at_the_end_of_the_process(log):
    for _ in range(LINES_A_MINUTE + 3):
        log.kafka.warning("again")
    log.lines()
    log.handler.close()
    (said,) = log.lines()
    assert "left out 3 more lines" in said


def test_without_another_thread_it_is_said_with_the_next_line(log, monkeypatch):
    def refuse(_timer: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Timer, "start", refuse)
    for _ in range(LINES_A_MINUTE + 2):
        log.kafka.warning("again")
    log.lines()
    log.now += WINDOW_SECONDS
    log.kafka.warning("again")
    assert "left out 2 more lines" in log.lines()[0]


def test_the_log_of_a_process_is_limited(capsys):
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        logs.configure(load())
        for _ in range(500):
            logging.getLogger("kafka.coordinator").warning(DEAD, 1, "counters", "Node Disconnected")
            structlog.get_logger().warning("ours")
        lines = capsys.readouterr().out.splitlines()
        assert sum("coordinator dead" in line for line in lines) == LINES_A_MINUTE
        assert sum("event=ours" in line for line in lines) == 500
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()
