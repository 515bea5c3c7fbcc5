"""A Kafka that refuses a client: every command, and a worker that waits, say why, and which setting to change."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kafka import KafkaProducer
from structlog.testing import capture_logs

from tests.support.embedded import wait_until
from tests.support.ports import free_ports
from tests.support.proxy import Proxy
from tests.support.secured_kafka import PASSWORD, SecuredKafka
from tests.support.user import BIN, run_workers
from tests.support.wire_mongo import WireMongo
from workers.doctor import group_checks, kafka_checks, retention_checks, topic_checks
from workers.doctor.answers import DoctorAnswers
from workers.doctor.kafka_questions import ask_kafka
from workers.drill.load import Load
from workers.drill.preconditions import require_readable
from workers.errors import LoginRefusedError, UnavailableError
from workers.findings import Finding, Severity
from workers.kafka.admin import Admin
from workers.kafka.group_client import GroupClient
from workers.kafka.servers import ask_bootstrap_servers
from workers.settings import load, load_all

pytestmark = pytest.mark.integration

TOPIC, GROUP = "numbers", "counters"
SECONDS = 10.0
"""Within which a reason must be there."""


@pytest.fixture(scope="module")
def kafka() -> Iterator[SecuredKafka]:
    with SecuredKafka() as found:
        with found.admin() as admin:
            admin.create_topics({TOPIC: {"num_partitions": 2, "replication_factor": 1}})
        found.grant("visitor", ("topic", TOPIC, "READ"), ("group", GROUP, "READ"))
        found.grant("writer", ("topic", TOPIC, "WRITE"))
        found.grant("stranger", ("group", GROUP, "READ"))
        yield found


class Case(NamedTuple):
    """A client of one listener; `given` are its settings, and every part of `said` is in its message."""

    listener: str
    protocol: str
    given: dict[str, Any]
    said: tuple[str, ...]
    is_login: bool = False


KNOWN = {"ssl_cafile": "right"}
USER = {"sasl_username": "visitor", "sasl_password": PASSWORD}
WRONG = USER | {"sasl_password": "wrong-canary"}
LOGIN = ("the login of visitor was refused", "WORKERS_SASL_USERNAME", "WORKERS_SASL_PASSWORD")
WITH_TLS = ("the port speaks TLS", "WORKERS_SECURITY_PROTOCOL=")
WITHOUT_TLS = ("the port speaks Kafka without TLS", "WORKERS_SECURITY_PROTOCOL=")
DEMANDS = ("the port demands a login", "WORKERS_SASL_USERNAME and WORKERS_SASL_PASSWORD")
CASES = {
    "no authority": Case("TLS", "SSL", {}, ("an authority that this machine does not know", "set WORKERS_SSL_CAFILE")),
    "another authority": Case(
        "TLS", "SSL", {"ssl_cafile": "other"}, ("not signed by the authority in WORKERS_SSL_CAFILE=",)
    ),
    "expired": Case("EXPIRED", "SSL", KNOWN, ("has expired", "WORKERS_SSL_CAFILE")),
    "another host": Case("ELSEWHERE", "SSL", KNOWN, ("is not valid for 127.0.0.1", "WORKERS_BOOTSTRAP_SERVERS")),
    "client certificate": Case("MUTUAL", "SSL", KNOWN, ("demands a client certificate", "WORKERS_BOOTSTRAP_SERVERS")),
    "TLS to plaintext": Case("ADMIN", "SSL", KNOWN, WITHOUT_TLS),
    "plaintext to TLS": Case("TLS", "PLAINTEXT", {}, WITH_TLS),
    "plaintext to TLS with a login": Case("LOGIN", "PLAINTEXT", {}, WITH_TLS),
    "login without TLS to TLS": Case("LOGIN", "SASL_PLAINTEXT", USER, WITH_TLS),
    "login with TLS to plaintext": Case("LOGINPLAIN", "SASL_SSL", KNOWN | USER, WITHOUT_TLS),
    "no login in the clear": Case("LOGINPLAIN", "PLAINTEXT", {}, DEMANDS),
    "no login": Case("LOGIN", "SSL", KNOWN, DEMANDS, is_login=True),
    "login where there is none": Case(
        "TLS", "SASL_SSL", KNOWN | USER, ("has no login", "WORKERS_SECURITY_PROTOCOL=SSL")
    ),
    "login in the clear where there is none": Case(
        "ADMIN", "SASL_PLAINTEXT", USER, ("has no login", "WORKERS_SECURITY_PROTOCOL=PLAINTEXT")
    ),
    "wrong password": Case("LOGIN", "SASL_SSL", KNOWN | WRONG, LOGIN, is_login=True),
    "wrong password in the clear": Case(
        "LOGINPLAIN", "SASL_PLAINTEXT", WRONG | {"sasl_mechanism": "PLAIN"}, LOGIN, is_login=True
    ),
    "unknown user": Case(
        *("LOGIN", "SASL_SSL", KNOWN | USER | {"sasl_username": "nobody"}, ("login of nobody was refused",)),
        is_login=True,
    ),
    "mechanism": Case(
        "LOGIN",
        "SASL_SSL",
        KNOWN | USER | {"sasl_mechanism": "SCRAM-SHA-256"},
        ("does not offer WORKERS_SASL_MECHANISM=SCRAM-SHA-256; it offers PLAIN, SCRAM-SHA-512",),
        is_login=True,
    ),
    "login without the authority": Case("LOGIN", "SASL_SSL", USER, ("set WORKERS_SSL_CAFILE",)),
}


def given(kafka: SecuredKafka, case: Case, port: int | None = None) -> dict[str, Any]:
    files = {"right": kafka.authority.file, "other": kafka.stranger.file}
    more = case.given | ({"ssl_cafile": files[case.given["ssl_cafile"]]} if "ssl_cafile" in case.given else {})
    address = kafka.address(case.listener) if port is None else f"127.0.0.1:{port}"
    return {"bootstrap_servers": address, "security_protocol": case.protocol, "topic": TOPIC, "group": GROUP, **more}


@pytest.mark.parametrize("name", CASES)
def test_what_is_refused_is_told_with_the_setting_to_change(kafka: SecuredKafka, name: str) -> None:
    case, started = CASES[name], time.monotonic()

    with pytest.raises(UnavailableError) as refused:
        Admin(load(**given(kafka, case)), patience=2.0).connect()

    assert time.monotonic() - started < SECONDS
    assert [part for part in case.said if part not in str(refused.value)] == []
    assert [secret for secret in ("canary", PASSWORD) if secret in str(refused.value)] == []
    assert "\n" not in str(refused.value)
    assert isinstance(refused.value, LoginRefusedError) == case.is_login


@pytest.mark.parametrize("name", CASES)
def test_doctor_tells_the_same_with_what_to_do(kafka: SecuredKafka, name: str, tmp_path: Path) -> None:
    case = CASES[name]

    found = examined(kafka, case, tmp_path)

    (told,) = [each for each in found if each.mark is Severity.WRONG]
    said = f"{told.text}: {told.fix}"
    assert told.check == "kafka.reachable"
    assert "WORKERS_" in told.fix or "renew it" in told.fix, told
    assert [part for part in case.said if part not in said] == []
    assert [secret for secret in ("canary", PASSWORD) if secret in said] == []


RIGHTS_TOLD = {
    "visitor": {"topic.rights": "ok", "group.rights": "ok", "topic.retention": "warning"},
    "looker": {"topic.rights": "wrong", "group.rights": "wrong"},
    "stranger": {"topic.exists": "wrong", "group.rights": "ok"},
    "writer": {"topic.rights": "wrong", "group.members": "wrong"},
}


@pytest.mark.parametrize("user", RIGHTS_TOLD)
def test_doctor_tells_each_right_with_the_command_that_grants_it(
    kafka: SecuredKafka, user: str, tmp_path: Path
) -> None:
    kafka.grant("looker", ("topic", TOPIC, "DESCRIBE"), ("group", GROUP, "DESCRIBE"))
    case = Case("LOGIN", "SASL_SSL", KNOWN | USER | {"sasl_username": user}, ())

    found = examined(kafka, case, tmp_path)

    marks = {each.check: str(each.mark) for each in found if each.check in RIGHTS_TOLD[user]}
    assert marks == RIGHTS_TOLD[user], found
    assert all("grant it" in each.fix for each in found if each.mark is Severity.WRONG)
    told = " ".join(each.text + each.fix for each in found)
    assert f"logged in as {user} (SCRAM-SHA-512)" in told
    assert f"User:{user}" in told


def test_doctor_tells_where_the_brokers_send_their_clients_and_asks_nothing_more(
    kafka: SecuredKafka, tmp_path: Path
) -> None:
    started = time.monotonic()

    found = examined(kafka, Case("AWAY", "PLAINTEXT", {}, ()), tmp_path)

    assert time.monotonic() - started < SECONDS
    (told,) = [each for each in found if each.mark is Severity.WRONG]
    assert told.check == "kafka.advertised"
    assert "Kafka sends its clients to 127.0.0.1:1, which cannot be reached from here" in told.text
    assert "advertised.listeners" in told.fix
    assert {each.check for each in found if each.mark is Severity.UNKNOWN} == {"topic.exists", "group.members"}


def examined(kafka: SecuredKafka, case: Case, folder: Path) -> list[Finding]:
    """What `workers doctor` says about Kafka, the topic and the group."""
    answers = DoctorAnswers(load_all(folder, **given(kafka, case)))
    ask_kafka(answers.loaded.settings, answers.kafka)
    checks = kafka_checks.CHECKS + topic_checks.CHECKS + retention_checks.CHECKS + group_checks.CHECKS
    return [finding for check in checks for finding in check(answers)]


def test_an_authority_that_went_away_since_the_start_is_named(kafka: SecuredKafka, tmp_path: Path) -> None:
    (file := tmp_path / "authority.pem").write_bytes(kafka.authority.file.read_bytes())
    settings = load(**given(kafka, Case("TLS", "SSL", {}, ())), ssl_cafile=file)
    file.unlink()

    with pytest.raises(UnavailableError, match=f"WORKERS_SSL_CAFILE={file} cannot be read: No such file"):
        Admin(settings).connect()


def test_a_broker_that_sends_its_clients_elsewhere_is_told_as_that(kafka: SecuredKafka) -> None:
    settings = load(**given(kafka, Case("AWAY", "PLAINTEXT", {}, ())))

    with Admin(settings, patience=2.0) as admin, pytest.raises(UnavailableError) as refused:
        admin.topic(TOPIC)

    assert "sends its clients to 127.0.0.1:1, which cannot be reached from here" in str(refused.value)
    assert "advertised.listeners" in str(refused.value)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_who_is_admitted_is_asked_nothing_more(kafka: SecuredKafka, mechanism: str) -> None:
    case = Case("LOGIN", "SASL_SSL", KNOWN | USER | {"sasl_mechanism": mechanism}, ())

    with Admin(load(**given(kafka, case))) as admin:
        assert admin.topic(TOPIC)


class CountingProxy(Proxy):
    count = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count += 1
        await super()._serve(reader, writer)


def test_a_login_that_is_refused_is_tried_once(kafka: SecuredKafka) -> None:
    """Accounts are locked after some attempts, and the client makes one a second."""
    with CountingProxy(kafka.ports["LOGIN"]) as proxy:
        with pytest.raises(LoginRefusedError):
            Admin(load(**given(kafka, CASES["wrong password"], proxy.port))).connect()
        assert proxy.count == 1


def test_doctor_tries_no_second_server_with_a_login_that_the_first_refused(kafka: SecuredKafka) -> None:
    with CountingProxy(kafka.ports["LOGIN"]) as proxy:
        settings = given(kafka, CASES["wrong password"], proxy.port)
        first, second = ask_bootstrap_servers(
            load(**settings | {"bootstrap_servers": f"{proxy.address},{proxy.address}"})
        )
        assert proxy.count == 1
    assert (first.is_login, second.problem) == (True, "not asked, since the login was refused")


def environment(mongodb_uri: str, settings: dict[str, Any]) -> dict[str, str]:
    named = {f"WORKERS_{field.upper()}": str(value) for field, value in settings.items()}
    ports = dict(zip(("WORKERS_LAG_PORT", "WORKERS_METRICS_PORT"), map(str, free_ports(2)), strict=True))
    return {"PATH": os.defpath, "WORKERS_MONGODB_URI": mongodb_uri, **ports, **named}


RIGHTLESS = Case(
    "LOGIN",
    "SASL_SSL",
    KNOWN | USER | {"sasl_username": "stranger"},
    ("not authorized to", "the topic numbers (Kafka's right", "for User:stranger"),
)


@pytest.mark.parametrize(
    "case", [CASES["wrong password"], CASES["no authority"], RIGHTLESS], ids=["login", "TLS", "right"]
)
def test_every_command_tells_the_reason_and_so_does_a_worker_that_waits(
    kafka: SecuredKafka, tmp_path: Path, case: Case
) -> None:
    commands = {"produce": 69, "verify": 2, "peek": 69, "status": 2, "run": None, "lag": None}
    running: dict[str, subprocess.Popen[bytes]] = {}
    with WireMongo() as mongodb:
        variables = environment(mongodb.uri, given(kafka, case))
        try:
            for command in commands:
                with (tmp_path / f"{command}.log").open("wb") as log:
                    running[command] = subprocess.Popen(
                        [str(BIN / "workers"), command], env=variables, cwd=tmp_path, stdout=log, stderr=log
                    )
            # The screen of status cuts a line that is too long for it.
            said = {command: case.said[:1] if command == "status" else case.said for command in commands}
            wait_until(
                lambda: all(part in text(tmp_path, command) for command in commands for part in said[command]),
                2 * SECONDS,
                "every command says why",
            )
            ended = {command: running[command].wait(SECONDS) for command, code in commands.items() if code is not None}
        finally:
            for process in running.values():
                process.kill()
                process.wait()
    assert ended == {command: code for command, code in commands.items() if code is not None}
    assert "waiting for Kafka" in text(tmp_path, "run")
    assert [command for command in commands if "Traceback" in text(tmp_path, command)] == []
    assert [command for command in commands if "canary" in text(tmp_path, command)] == []


def text(folder: Path, command: str) -> str:
    return (folder / f"{command}.log").read_text()


RIGHTS = {
    "produce": (
        ["produce", "--count", "5"],
        "visitor",
        1,
        "not authorized to write to the topic numbers (Kafka's right WRITE",
    ),
    "produce a new one": (["produce", "--topic", "new"], "visitor", 69, "not authorized to write to the topic new"),
    "no right on the group": (
        ["verify"],
        "writer",
        2,
        "not authorized to describe the group counters (Kafka's right DESCRIBE",
    ),
    "peek at a group": (
        ["peek", "0/0"],
        "writer",
        69,
        "not authorized to describe the group counters (Kafka's right DESCRIBE",
    ),
    "peek at another topic": (["peek", "other/0"], "visitor", 69, "not authorized to read the topic other"),
}


@pytest.mark.parametrize("name", RIGHTS)
def test_a_right_that_a_command_lacks_is_named(kafka: SecuredKafka, tmp_path: Path, name: str) -> None:
    arguments, user, code, said = RIGHTS[name]
    settings = given(kafka, Case("LOGIN", "SASL_SSL", KNOWN | USER | {"sasl_username": user}, ()))

    with WireMongo() as mongodb:
        ran = run_workers(tmp_path, environment(mongodb.uri, settings), *arguments, timeout=30)

    assert ran.returncode == code
    assert said in ran.stdout + ran.stderr
    assert f"for User:{user}" in ran.stdout + ran.stderr


def test_a_worker_waits_for_a_right_and_keeps_its_membership(kafka: SecuredKafka, tmp_path: Path) -> None:
    """At its join, and when READ is revoked while it runs: no exit, no rebalance, and it goes on by itself."""
    log = tmp_path / "worker.log"
    user = Case("LOGIN", "SASL_SSL", KNOWN | USER | {"sasl_username": "worker"}, ())
    read = {"topic": ("topic", TOPIC, "READ"), "group": ("group", GROUP, "READ")}
    kafka.grant("worker", read["topic"])
    with WireMongo() as mongodb, log.open("wb") as out:
        worker = subprocess.Popen(
            [str(BIN / "workers"), "run"],
            env=environment(mongodb.uri, given(kafka, user)),
            cwd=tmp_path,
            stdout=out,
            stderr=out,
        )
        stored = mongodb.collections["numtest"]
        try:
            reaches(log, "not authorized to join the group counters (Kafka's right READ on the group, for User:worker)")
            kafka.grant("worker", read["group"])
            send(kafka, 50)
            wait_until(lambda: len(stored) == 50, 20, "the records are stored")
            kafka.revoke("worker", *read["topic"])
            reaches(log, "not authorized to read the topic numbers (Kafka's right READ on the topic, for User:worker)")
            send(kafka, 50)
            kafka.grant("worker", read["topic"])
            wait_until(lambda: len(stored) == 100, 20, "the rest is stored")
            assert worker.poll() is None
            worker.terminate()
            assert worker.wait(20) == 0
        finally:
            worker.kill()
            worker.wait()
    said = log.read_text()
    assert said.count("partitions assigned") == 1, "it stayed a member"
    assert said.count("waiting for Kafka") < 6, "once in ten seconds"
    assert said.count("Kafka authorizes this worker again") == 2


def test_a_right_that_the_watchdog_lacks_is_no_outage(kafka: SecuredKafka) -> None:
    """It is told once, not at each check; the connection is kept, and the watchdog's other questions are answered."""
    group = ("group", GROUP)
    kafka.grant("watchdog", ("topic", TOPIC, "DESCRIBE"), (*group, "DESCRIBE"))
    user = Case("LOGIN", "SASL_SSL", KNOWN | USER | {"sasl_username": "watchdog"}, ())
    with CountingProxy(kafka.ports["LOGIN"]) as proxy, capture_logs() as logs:
        watched = GroupClient(load(**given(kafka, user, proxy.port)))
        try:
            for _ in range(3):
                offsets = watched.partition_offsets()
                assert offsets
                assert watched.evict("worker_00-nobody") is None
            connections = proxy.count
            assert watched.evict("worker_00-nobody") is None
            assert proxy.count == connections
            (told,) = logs
            assert told["log_level"] == "warning"
            assert "a right of Kafka" in told["event"]
            said = "not authorized to remove a dead member from the group counters (Kafka's right READ on the group, for User:watchdog)"
            assert said in told["error"]
            kafka.grant("watchdog", (*group, "READ"))
            wait_until(lambda: watched.evict("worker_00-nobody") is False, SECONDS, "the right is there")
        finally:
            watched.close()
    assert [each["event"] for each in logs[1:]] == ["Kafka authorizes the watchdog again"]


def test_the_watchdog_names_the_right_without_which_it_judges_no_worker(kafka: SecuredKafka) -> None:
    user = Case("LOGIN", "SASL_SSL", KNOWN | USER | {"sasl_username": "looker"}, ())
    kafka.grant("looker", ("topic", TOPIC, "DESCRIBE"), ("group", GROUP, "DESCRIBE"))
    send(kafka, 1)
    with capture_logs() as logs:
        watched = GroupClient(load(**given(kafka, user)))
        try:
            offsets = watched.partition_offsets() or {}
            partition = next(each for each in offsets if offsets[each].end > offsets[each].start)
            whole = offsets[partition]._replace(committed=None)
            assert [watched.can_be_read(partition, whole) for _ in range(2)] == [False, False]
        finally:
            watched.close()
    (told,) = logs
    assert "no worker is killed for its lag" in told["event"]
    assert (
        "not authorized to read the topic numbers (Kafka's right READ on the topic, for User:looker)" in told["error"]
    )


def test_a_drill_knows_before_it_breaks_anything_that_it_may_not_write_or_read(kafka: SecuredKafka) -> None:
    reader, writer = (
        load(**given(kafka, Case("LOGIN", "SASL_SSL", KNOWN | USER | {"sasl_username": user}, ())))
        for user in ("visitor", "writer")
    )
    with Load(reader, 100, 0.0, {}) as sent:
        refusal = wait_until(lambda: sent.refusal, SECONDS, "Kafka refuses the records")
    assert refusal.startswith("not authorized to write to the topic numbers (Kafka's right WRITE on the topic")

    with Load(writer, 100, 0.0, {}) as sent:
        wait_until(lambda: sent.next_offsets, SECONDS, "Kafka takes the records")
        assert sent.refusal is None
        with pytest.raises(UnavailableError, match=r"nothing was broken.*not authorized to read the topic numbers"):
            require_readable(writer, sent.next_offsets)
    require_readable(reader, sent.next_offsets)


def reaches(log: Path, words: str) -> None:
    wait_until(lambda: words in log.read_text(), SECONDS, words)


def send(kafka: SecuredKafka, count: int) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka.address("ADMIN"))
    for number in range(count):
        producer.send(TOPIC, value=b'{"number": %d}' % number)
    producer.flush()
    producer.close()
