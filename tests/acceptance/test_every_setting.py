"""Every setting with another value than its default, through a whole life: start, status, restart, kill -9, verify.

Few fleets, each with many settings, so that settings meet each other. A setting that is new has to join one of them, or say
why it does not.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.embedded import EmbeddedStack
from tests.support.fleet import Fleet
from tests.support.fleet_checks import exactly_once, wait_healthy
from tests.support.plain_workers import PlainWorkers
from workers.settings import Settings

pytestmark = pytest.mark.acceptance

PARTITIONS = 4
TWO_WORKERS = "[program:worker]\nnumprocs=2\n"
OTHER_PATHS = (
    '[program:worker]\nnumprocs=2\nenvironment=WORKERS_SLOT="%(process_num)d",WORKERS_STATE_DIR="{tree}/state"\n'
    '[program:lag]\nenvironment=WORKERS_STATE_DIR="{tree}/state"\n'
    '[program:auditor]\nenvironment=WORKERS_STATE_DIR="{tree}/state"\n'
    '[eventlistener:watchdog]\nenvironment=WORKERS_STATE_DIR="{tree}/state",WORKERS_EVENTS_FILE="{tree}/told/events.jsonl"\n'
)

STATIC = {
    "static_membership": "true",
    "session_timeout": "12",
    "heartbeat_interval": "2",
    "metrics_optional": "true",
    "max_poll_records": "20",
    "fetch_bytes": "20000",
    "start": "-1d",
    "healthy_after": "3",
}
RECYCLED = {
    # Each worker ends some times on its way, at its limit of records or at that of memory, whichever it meets first.
    "max_records": "400",
    "max_memory": "4000",
    "healthy_after": "2",
    "log_format": "json",
    "log_level": "debug",
    "metrics_port": "0",
    "lag_port": "0",
    "watchdog_port": "0",
    "auditor_port": "0",
    "metrics_host": "0.0.0.0",
    "max_poll_records": "50",
    "max_rate": "5000",
    "max_byte_rate": "1000000",
}
IMPATIENT = {
    "stall_timeout": "0",
    "write_timeout": "3",
    "commit_timeout": "2",
    "drain_timeout": "6",
    "max_poll_interval": "11",
    "progress_timeout": "6",
    "lag_interval": "0.5",
    "audit_interval": "0.5",
    "audit_share": "0.0",
    "max_fleet_rate": "20000",
    "on_lost_records": "stop",
    "on_tombstone": "ignore",
    "metadata": "place,timestamp,key,headers",
    "metadata_field": "of kafka",
    "key_format": "json",
    "refusal_patience": "5",
    # All that FerretDB holds; the others on another server: tests/integration/test_policies.py.
    "field_names": "escape",
    "empty_names": "keep",
    "big_integers": "string",
    "nan": "null",
    "bom": "strip",
    "duplicate_names": "last",
    "id_field": "rename:id",
    "not_an_object": "wrap:value",
    "surrogates": "replace",
    "memory_limit": "300",
    "max_memory": "10",
    "healthy_after": "5",
}
ELSEWHERE = {
    "state_dir": "state",
    "events_file": "told/events.jsonl",
    "collection": "orders.of-today",
    "database": "another",
    "topic": "A.topic_with-all.of_it",
    "group": "a group/of: others",
    "max_value_bytes": "200",
    "max_depth": "2",
    "max_fields": "3",
    "max_reject_share": "1",
    "min_reject_records": "5",
    "value_format": "text",
    "value_field": "line",
    "static_membership": "true",
    "session_timeout": "6",
}
SCENARIOS: dict[str, tuple[Mapping[str, str], str]] = {
    "static": (STATIC, TWO_WORKERS),
    "recycled": (RECYCLED, TWO_WORKERS),
    "impatient": (IMPATIENT, TWO_WORKERS),
    "elsewhere": (ELSEWHERE, OTHER_PATHS),
}
REASONS = {
    "routes": "has topics in place of the fleet's own: test_fleet_many_topics.py",
    "bootstrap_servers": "every fleet of a test has its own",
    "mongodb_uri": "every fleet of a test has its own",
    "slot": "each worker of a fleet has another",
    "security_protocol": "needs a broker with TLS and logins: test_secured_fleet.py, and all refusals in test_refused_by_kafka.py",
    "sasl_mechanism": "as security_protocol",
    "sasl_username": "as security_protocol",
    "sasl_password": "as security_protocol",
    "ssl_cafile": "as security_protocol",
    "decimals": "its other value needs a server with Decimal128: tests/integration/test_policies.py",
}


def test_every_setting_takes_part_or_says_why_not() -> None:
    tried = {name for settings, _ in SCENARIOS.values() for name in settings}

    assert tried | REASONS.keys() == Settings.model_fields.keys()
    assert tried & REASONS.keys() == set()
    for settings, _ in SCENARIOS.values():
        defaults = Settings()
        assert [name for name, value in settings.items() if str(getattr(defaults, name)).lower() == value] == []


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_fleet_with_these_settings_starts_restarts_recovers_and_is_proven(
    stack: EmbeddedStack, scenario: str
) -> None:
    settings, conf = SCENARIOS[scenario]
    fleet = Fleet(stack, {f"WORKERS_{name.upper()}": value for name, value in settings.items()})
    fleet.topic = settings.get("topic", fleet.topic)
    fleet.group = settings.get("group", fleet.group)
    fleet.kafka.topic, fleet.kafka.group = fleet.topic, fleet.group
    fleet.database = settings.get("database", fleet.database)
    fleet.local_d("two", conf.format(tree=fleet.tree))
    if "state_dir" in settings:
        # As the docs say: in local.d for the fleet, in .env for the commands.
        paths = {name: fleet.environment.pop(f"WORKERS_{name.upper()}") for name in ("state_dir", "events_file")}
        text = "".join(f"WORKERS_{name.upper()}={value}\n" for name, value in paths.items())
        (fleet.tree / ".env").write_text(text)
    with ExitStack() as taken, fleet:
        if "metrics_optional" in settings:
            taken.enter_context(socket.create_server(("127.0.0.1", fleet.metrics_port + 1)))
        fleet.kafka.create(PARTITIONS)
        wait_healthy(fleet)
        fleet.produce("--count", "600")
        fleet.wait_committed()
        wait_healthy(fleet)

        restarted = fleet.command("restart")
        assert restarted.returncode == 0, restarted.stderr
        assert restarted.stdout.splitlines()[-1].startswith("restarted 2 slots in ")
        wait_healthy(fleet)

        # Under load, and back within the session timeout; then as long as a static member may be away, and longer.
        producing = fleet.producing("--start", "600", "--count", "600", "--interval", "0.002")
        fleet.wait_restarted(0, fleet.kill(0))
        wait_healthy(fleet)
        fleet.supervisor("signalProcess", "worker:worker_01", "STOP")
        fleet.supervisor("stopProcess", "worker:worker_01", False)
        fleet.kill(1, signal.SIGKILL)
        producing.communicate(timeout=60)
        fleet.wait_committed()
        fleet.supervisor("startProcess", "worker:worker_01")
        status = wait_healthy(fleet)

        assert [slot["pid"] for slot in status["slots"]] == [fleet.pid(0), fleet.pid(1)]
        verified = fleet.verify("--wait", "30")
        assert (verified.code, verified.total("stored")) == (0, 1200), verified
        if scenario != "elsewhere":
            assert exactly_once(fleet) == set(range(1200))


@pytest.mark.slow
def test_a_worker_without_a_state_dir_comes_back_after_the_session_timeout(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    """The one setting that a fleet under supervisord cannot be without: nothing of the last process is known."""
    with PlainWorkers(stack, tmp_path, {"WORKERS_STATE_DIR": "", "WORKERS_SESSION_TIMEOUT": "6"}) as workers:
        workers.kafka.create(2)
        workers.numbers(0, 0, 50)
        worker = workers.start()
        workers.wait_committed({0: 50})
        worker.kill()
        worker.wait()
        workers.numbers(1, 50, 50)
        workers.start()
        workers.wait_committed({0: 50, 1: 50})
        assert workers.stop() == 0
        assert sorted(workers.documents().values()) == list(range(100))
        assert workers.verify().code == 0
