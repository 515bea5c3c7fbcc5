"""One examination: nobody is waited for without an end, and no answer is lost because another does not come."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.ports import free_ports
from workers.doctor import examination
from workers.findings import Finding, Severity, ok
from workers.settings import load_all


class StuckDoctor:
    """A database that answers one question, and hangs at the next."""

    name = "Stuck"

    def __init__(self) -> None:
        self.release = threading.Event()
        self.fails = False

    def examine(self) -> Iterator[Finding]:
        yield ok("stuck.first", "it answers")
        self.release.wait(30)
        if self.fails:
            raise RuntimeError("secret")

    def close(self) -> None: ...


@pytest.fixture
def stuck(monkeypatch):
    found = StuckDoctor()
    monkeypatch.setattr(examination, "open_doctor", lambda _settings: found)
    yield found
    found.release.set()


def examined(tmp_path, on_wait=lambda _names: None):
    (port,) = free_ports(1)
    loaded = load_all(tmp_path, bootstrap_servers=f"127.0.0.1:{port}")
    return examination.examine(loaded, on_wait)


def test_one_that_hangs_is_not_waited_for_and_what_it_said_before_is_there(stuck, tmp_path, monkeypatch):
    monkeypatch.setattr(examination, "DEADLINE_SECONDS", 1.5)
    waited: list[list[str]] = []
    started = time.monotonic()

    report = examined(tmp_path, waited.append)

    assert not stuck.release.is_set()
    assert 1.0 < time.monotonic() - started < 10
    sections = {each.name: each.findings for each in report.sections}
    assert [each.text for each in sections["Stuck"]] == ["it answers", "Stuck does not answer the next question"]
    assert [each.mark for each in sections["Stuck"]] == [Severity.OK, Severity.UNKNOWN]
    assert {"settings", "Kafka", "topic", "group", "this machine", "fleet"} <= sections.keys()
    assert any(each.check == "kafka.reachable" and each.mark is Severity.WRONG for each in sections["Kafka"])
    assert waited[-1] == ["Stuck"], "a person sees who is waited for"


def test_an_error_that_nobody_foresaw_is_told_by_its_name_alone(stuck, tmp_path):
    stuck.fails = True
    stuck.release.set()

    report = examined(tmp_path)

    (section,) = [each for each in report.sections if each.name == "Stuck"]
    assert [each.text for each in section.findings] == ["it answers", "Stuck could not be asked: RuntimeError"]
    assert section.findings[1].mark is Severity.UNKNOWN
