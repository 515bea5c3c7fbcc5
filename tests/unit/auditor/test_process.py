"""The process around the auditor: what it says where nothing answers, and its figures."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support import scrape
from workers.auditor import servers
from workers.auditor.process import AuditProcess, lock_group
from workers.errors import UnavailableError
from workers.monitoring.audit_metrics import AuditMetrics
from workers.settings import load
from workers.settings.paths import StatePaths
from workers.state.audit_file import SIZE, Audit, audit_file, read_audit, write_audit
from workers.state.state_file import StateFile
from workers.state.write_failures import WriteFailures

NOBODY = {"bootstrap_servers": "127.0.0.1:1", "mongodb_uri": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"}


def series(metrics: AuditMetrics) -> scrape.Series:
    from prometheus_client import generate_latest

    return scrape.parse(generate_latest(metrics.registry).decode())


def test_without_a_server_it_says_so_once_and_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "WATCH_PATIENCE_SECONDS", 0.3)
    paths = StatePaths(tmp_path, tmp_path)
    process = AuditProcess(load(**NOBODY), paths, lambda: None)

    with capture_logs() as logs:
        for _ in range(2):
            process._round(time.monotonic())

    found = read_audit(audit_file(tmp_path, "counters"))
    assert found is not None
    assert "127.0.0.1:1" in str(found.problem)
    assert (found.until, found.is_clean) == (None, True)
    assert [each["event"] for each in logs] == ["nothing can be verified now; trying again in every round"]
    told = series(process.metrics)
    assert scrape.total(told, "workers_audit_rounds_total", result="failed") == 2
    assert scrape.total(told, "workers_audit_rounds_total", result="done") == 0
    for name in ("records", "unverified_records", "last_success_timestamp_seconds"):
        assert f"workers_audit_{name}" not in told, "it is not known, so it is absent"


def test_a_restart_while_nothing_answers_does_not_end_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "WATCH_PATIENCE_SECONDS", 0.3)
    left = Audit(
        100.0, until=90.0, records=7, missing=1, found=(("numtest", 0, 13, "missing"),), topic="numtest", done=98.0
    )
    path = audit_file(tmp_path, "counters")
    write_audit(StateFile(path, SIZE, WriteFailures()), left)
    process = AuditProcess(load(**NOBODY), StatePaths(tmp_path, tmp_path), lambda: None)
    process.resume()

    def told() -> tuple[float, float]:
        found = series(process.metrics)
        return (
            scrape.total(found, "workers_audit_records", outcome="missing"),
            scrape.total(found, "workers_audit_last_success_timestamp_seconds"),
        )

    assert told() == (1, 98.0)
    process._round(time.monotonic())
    found = read_audit(path)
    assert found is not None
    assert (found.missing, found.found, found.until, found.done) == (1, left.found, 90.0, 98.0)
    assert found.time > 100.0
    assert "127.0.0.1:1" in str(found.problem)
    assert told() == (1, 98.0)


def test_what_was_found_in_another_topic_is_not_said_again(tmp_path: Path) -> None:
    path = audit_file(tmp_path, "counters")
    write_audit(StateFile(path, SIZE, WriteFailures()), Audit(100.0, missing=1, topic="orders", done=98.0))
    process = AuditProcess(load(**NOBODY), StatePaths(tmp_path, tmp_path), lambda: None)
    process.resume()

    assert "workers_audit_records" not in series(process.metrics)


def test_what_is_not_known_is_absent_and_what_is_known_stands_there() -> None:
    audit, behind = Audit(1.0), None
    metrics = AuditMetrics(lambda: audit, lambda: behind)
    assert not series(metrics).keys() & {
        "workers_verified_until_timestamp_seconds",
        "workers_audit_behind_seconds",
        "workers_audit_last_success_timestamp_seconds",
        "workers_audit_full_pass_timestamp_seconds",
    }
    assert not series(metrics).keys() & {"workers_audit_records", "workers_audit_unverified_records"}, "never 0"

    counts = {"missing": 1, "twice": 2, "unexplained": 3, "unstable": 4, "removed": 8}
    audit, behind = Audit(10.0, until=7.0, **counts, unverified=5, passed=6.0, done=9.0), 2.5
    metrics.round_ended(0.5, done=True)
    metrics.verified("new", 10)
    told = series(metrics)
    outcomes = {labels["outcome"]: value for labels, value in told["workers_audit_records"]}
    assert outcomes == counts
    for name, value in {
        "workers_verified_until_timestamp_seconds": 7.0,
        "workers_audit_behind_seconds": 2.5,
        "workers_audit_last_success_timestamp_seconds": 9.0,
        "workers_audit_full_pass_timestamp_seconds": 6.0,
        "workers_audit_unverified_records": 5,
        "workers_audit_round_seconds_total": 0.5,
    }.items():
        assert told[name] == [({}, value)], name
    assert scrape.total(told, "workers_audit_verified_records_total", kind="new") == 10


@pytest.mark.parametrize("setting", [{"audit_interval": "0"}, {"audit_share": "1.5"}, {"auditor_port": "70000"}])
def test_wrong_settings_are_refused(setting: dict[str, str]) -> None:
    from workers.errors import BadConfigurationError

    with pytest.raises(BadConfigurationError):
        load(**setting)


def test_two_auditors_of_one_group_do_not_write_the_same_files(tmp_path: Path) -> None:
    paths = StatePaths(tmp_path, tmp_path)
    held = lock_group(load(), paths)
    assert held is not None
    try:
        with pytest.raises(
            UnavailableError, match=rf"another auditor of the group counters runs here \(pid {os.getpid()}\)"
        ):
            lock_group(load(), paths)
        other = lock_group(load(group="others"), paths)
        assert other is not None
        os.close(other)
    finally:
        os.close(held)
    again = lock_group(load(), paths)
    assert again is not None
    os.close(again)


def test_without_a_folder_for_its_lock_it_audits_all_the_same(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert lock_group(load(), StatePaths(tmp_path, tmp_path / "no/such/run")) is None
    assert [each["log_level"] for each in logs] == ["warning"]
