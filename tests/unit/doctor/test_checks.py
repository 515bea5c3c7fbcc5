"""What `workers doctor` concludes: every finding that is not ok has its mark, its figures and its fix."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from tests.support.batches import tp
from tests.support.examined import (
    DAY,
    NOW,
    TREE,
    WORKERS,
    answers,
    configuration,
    details,
    fleet,
    folder,
    host,
    members,
    plan,
)
from workers.doctor import examination
from workers.doctor.answers import DoctorAnswers, KafkaAnswers, Unanswered
from workers.doctor.fleet_answers import Planned
from workers.doctor.host import Port
from workers.findings import Finding, Severity
from workers.fleet.supervisor import NOT_RUNNING, Process
from workers.kafka.group_description import GroupDescription
from workers.kafka.inspector import BatchHeader, Broker, Cluster, Commits, PartitionState
from workers.kafka.partition_offsets import PartitionOffsets
from workers.kafka.servers import KafkaServer
from workers.pauses import Pause, Pauses

PAUSE = Pause("a backup", "ann@db1", 1_000.0)
REMOTE = {"bootstrap_servers": "kafka-1:9092"}
SECURED = REMOTE | {"security_protocol": "SASL_SSL", "sasl_username": "fleet", "sasl_password": "canary"}
OURS = members(*[f"{name}-id" for name in WORKERS])


def waits(days: float) -> dict[Any, BatchHeader]:
    return {tp(0): BatchHeader("none", NOW - days * DAY, NOW, 100)}


def states(*partitions: tuple[int, tuple[int, ...], tuple[int, ...]]) -> tuple[PartitionState, ...]:
    return tuple(PartitionState(number, *each) for number, each in enumerate(partitions))


def port(**facts: Any) -> Port:
    return Port(9801, "worker_01", "WORKERS_METRICS_PORT", in_use=True)._replace(**facts)


def found(given: DoctorAnswers) -> list[Finding]:
    sections = [each for each in examination._sections(given) if each.name != given.sink_name]
    return [finding for section in sections for finding in section.findings]


def test_where_all_is_well_nothing_is_marked_and_the_figures_are_there():
    given = found(answers())

    assert [each for each in given if each.mark is not Severity.OK] == []
    text = "\n".join(each.text for each in given)
    for words in (
        "topic numtest, group counters, into numtest.numtest at mongodb://localhost:27017",
        "localhost:9092 answers in 3 ms, without TLS, without a login",
        "Kafka 4.3, 1 broker",
        "numtest: 6 partitions, replication factor 1, id 08b40071",
        "6 partitions for 4 workers",
        "records are kept for 7 d; the oldest unread one is from 3.0 s ago",
        "the last batches: zstd",
        "counters: Stable, 4 members, here 00 01 02 03",
        "committed in 6 of 6 partitions, 60 records waiting",
        "fleet can write /srv/fleet/var/run; 10 GiB are free",
        "ports 9800 served by this fleet",
        "supervisord runs, pid 77: 4 of 4 workers, lag running, watchdog running",
    ):
        assert words in text


KAFKA: dict[str, tuple[dict[str, Any], str, str, str, str]] = {
    "one server is down": (
        {"servers": [KafkaServer("a:1", None), KafkaServer("b:1", "nothing listens there (connection refused)")]},
        *("kafka.reachable", "warning", "b:1: nothing listens there", "WORKERS_BOOTSTRAP_SERVERS"),
    ),
    "all servers are down": (
        {"servers": [KafkaServer("a:1", "no answer within 3 s")]},
        *("kafka.reachable", "wrong", "a:1: no answer within 3 s", "start Kafka"),
    ),
    "the demo's servers are down": (
        {"servers": [KafkaServer("localhost:9092", "no answer within 3 s")], "fleet": fleet(has_demo=True)},
        *("kafka.reachable", "wrong", "localhost:9092: no answer", "`make demo` starts one to try"),
    ),
    "a reason has its own advice": (
        {"servers": [KafkaServer("a:1", "the port speaks TLS: set WORKERS_SECURITY_PROTOCOL=SSL")]},
        *("kafka.reachable", "wrong", "a:1: the port speaks TLS", "set WORKERS_SECURITY_PROTOCOL=SSL"),
    ),
    "a certificate ends": (
        {"servers": [KafkaServer("a:1", None, certificate_ends=time.time() + 3 * DAY + 3_600)]},
        *("kafka.certificate", "warning", "of a:1 expires in 3 d", "renew it"),
    ),
    "a broker is elsewhere": (
        {"unreachable": {"inside:9092": "the name inside is not known here"}},
        *("kafka.advertised", "wrong", "sends its clients to inside:9092", "advertised.listeners"),
    ),
    "a broker is fenced": (
        {"cluster": Cluster("abc", (Broker(1, "a", 1), Broker(2, "b", 1, is_fenced=True)))},
        *("kafka.brokers", "warning", "takes for dead: b:1", "start these brokers"),
    ),
}
TOPIC: dict[str, tuple[dict[str, Any], str, str, str, str]] = {
    "none": (
        {"settings": REMOTE | {"topic": "orders"}, "topic": None},
        *("topic.exists", "wrong", "there is no topic orders yet"),
        "make it: `kafka-topics.sh --bootstrap-server kafka-1:9092 --create --topic orders --partitions 6`",
    ),
    "hidden": (
        {
            "topic": Unanswered(
                "not authorized to describe the topic t (Kafka's right DESCRIBE); grant it, or change it"
            )
        },
        *("topic.exists", "wrong", "not authorized to describe the topic", "grant it"),
    ),
    "too many workers": (
        {"topic": details(partitions=3)},
        *("topic.partitions", "warning", "4 workers for 3 partitions: 1 of them will be idle", "numprocs"),
    ),
    "no right to read": (
        {"settings": SECURED, "topic": details(rights=frozenset({"DESCRIBE"}))},
        *("topic.rights", "wrong", "User:fleet may not read numtest"),
        "--allow-principal User:fleet --operation Read --topic numtest",
    ),
    "no leader": (
        {"topic": details(partitions=states((-1, (1,), ()), (1, (1,), (1,))))},
        *("topic.replicas", "wrong", "without a leader, so that nothing of it can be read: partition 0", "start the"),
    ),
    "not in sync": (
        {"topic": details(partitions=states((1, (1, 2), (1,)), (1, (1, 2), (1, 2))))},
        *("topic.replicas", "warning", "not in sync: partition 0", "--under-replicated-partitions"),
    ),
    "one copy, on another machine": (
        {"settings": REMOTE},
        *("topic.replicas", "warning", "replication factor 1", "three replicas"),
    ),
    "acknowledged by one": (
        {"topic": details(replicas=(1, 2, 3))},
        *("topic.replicas", "warning", "min.insync.replicas=1 with replication factor 3", "min.insync.replicas=2"),
    ),
    "acknowledged by all": (
        {"topic": details(replicas=(1, 2)), "topic_configuration": configuration(min_insync_replicas="2")},
        *("topic.replicas", "warning", "producers stop while one broker is down", "set min.insync.replicas=1"),
    ),
    "half of the retention": (
        {"oldest_unread": waits(4)},
        *("topic.retention", "warning", "kept for 7 d; the oldest unread one is from 4 d ago", "raise retention.ms"),
    ),
    "nearly deleted": (
        {"oldest_unread": waits(6.9)},
        *("topic.retention", "wrong", "Kafka is about to delete it unread", "raise retention.ms now"),
    ),
    "too many bytes": (
        {
            "topic_configuration": configuration(retention_bytes=str(1 << 30)),
            "offsets": {tp(number): PartitionOffsets(500, 1_000, 600) for number in range(6)},
        },
        *(
            "topic.retention",
            "warning",
            "at most 1 GiB of a partition are kept; more than half",
            "raise retention.bytes",
        ),
    ),
    "compacted": (
        {"topic_configuration": configuration(cleanup_policy="compact")},
        *("topic.retention", "warning", "cleanup.policy=compact", "WORKERS_ON_TOMBSTONE"),
    ),
    "configuration is hidden": (
        {"topic_configuration": None},
        *("topic.retention", "warning", "User:ANONYMOUS does not see the topic's configuration"),
        "--operation DescribeConfigs --topic numtest",
    ),
    "larger than the memory": (
        {"topic_configuration": configuration(max_message_bytes=str(600 << 20))},
        *("topic.records", "warning", "batches of up to 600 MiB", "raise WORKERS_MEMORY_LIMIT to 2400"),
    ),
    "a clock is wrong": (
        {"newest_times": {tp(3): NOW + 7_200, tp(1): NOW}},
        *(
            "topic.times",
            "warning",
            "partition 3 has a record from 2 h ahead",
            "synchronize the clocks of its producer",
        ),
    ),
    "the broker's clock is wrong": (
        {
            "newest_times": {tp(3): NOW + 7_200},
            "topic_configuration": configuration(message_timestamp_type="LogAppendTime"),
        },
        *("topic.times", "warning", "partition 3", "synchronize the clocks of the brokers"),
    ),
}
GROUP: dict[str, tuple[dict[str, Any], str, str, str, str]] = {
    "no right to join": (
        {"settings": SECURED, "group_rights": frozenset({"DESCRIBE"})},
        *("group.rights", "wrong", "User:fleet may not join counters", "--operation Read --group counters"),
    ),
    "a fleet in another group": (
        {
            "group": GroupDescription("Dead", {}),
            "fleet": fleet(processes=tuple(replace(each, uptime=60.0) for each in fleet().processes)),
        },
        *("group.members", "warning", "4 workers of this folder run, and none of them is in the group counters"),
        "is WORKERS_GROUP theirs, too?",
    ),
    "a foreign consumer": (
        {"group": GroupDescription("Stable", OURS | members("x", client="console-consumer", host="10.0.0.9"))},
        *("group.foreign", "wrong", "no worker is in the group (console-consumer from 10.0.0.9) with 1 partition"),
        "set WORKERS_GROUP",
    ),
    "a second fleet here": (
        {"group": GroupDescription("Stable", OURS | members("x", client="worker_07"))},
        *("group.second_fleet", "warning", "another fleet on this machine is in the same group: 07", "WORKERS_GROUP"),
    ),
    "rebalancing": (
        {"group": GroupDescription("PreparingRebalance", OURS)},
        *("group.state", "warning", "rebalancing (PreparingRebalance)", "workers status"),
    ),
    "somebody else's commits": (
        {"commits": Commits(4, 2)},
        *("group.commits", "warning", "another program has committed for this group in 2 partitions", "WORKERS_GROUP"),
    ),
    "lost": (
        {"offsets": {tp(0): PartitionOffsets(50, 100, 40)}},
        *("group.lost", "warning", "Kafka deleted 10 offsets behind the commits", "LostRecords"),
    ),
    "unstable": (
        {"offsets": {tp(0): PartitionOffsets(0, 100, 40, unstable=7)}},
        *("group.unstable", "warning", "7 records behind an open transaction", "workers status"),
    ),
    "session timeout": (
        {"broker_configuration": {"group.min.session.timeout.ms": "15000", "group.max.session.timeout.ms": "60000"}},
        *("group.session_timeout", "wrong", "takes session timeouts of 15 to 60 s", "between 15 and 60"),
    ),
}
HERE: dict[str, tuple[dict[str, Any], str, str, str, str]] = {
    "a port is taken": (
        {"host": host(ports=(port(holder="pid 5 (nginx)"),))},
        *("machine.ports", "wrong", "port 9801, of worker_01, is in use by pid 5 (nginx)", "set WORKERS_METRICS_PORT"),
    ),
    "a port of another user": (
        {"host": host(ports=(port(),))},
        *("machine.ports", "wrong", "in use by a process of another user", "set WORKERS_METRICS_PORT"),
    ),
    "no such address": (
        {"settings": {"metrics_host": "10.9.8.7"}, "host": host(serves_at=False)},
        *("machine.ports", "wrong", "WORKERS_METRICS_HOST=10.9.8.7 is no address", "WORKERS_METRICS_HOST=127.0.0.1"),
    ),
    "not writable": (
        {"host": host(folders=(folder(problem="it belongs to root, mode 755"),))},
        *("machine.folders", "wrong", "fleet cannot write state to /srv/fleet/var/run: it belongs to root"),
        "`sudo chown -R fleet /srv/fleet/var/run`, or set WORKERS_STATE_DIR",
    ),
    "no such folder": (
        {"host": host(folders=(folder(problem="/srv/fleet/var does not exist"),))},
        *("machine.folders", "wrong", "/srv/fleet/var does not exist", "`mkdir -p /srv/fleet/var/run`"),
    ),
    "files of root": (
        {"host": host(folders=(folder(foreign_files=("counters-worker_00.lock",)),))},
        *("machine.folders", "wrong", "belong to another user: counters-worker_00.lock", "run the fleet as one user"),
    ),
    "a full disk": (
        {"host": host(folders=(folder(free=1 << 20),))},
        *("machine.disk", "wrong", "1 MiB left on the disk of /srv/fleet/var/run", "delete or move"),
    ),
    "no inodes": (
        {"host": host(folders=(folder(free_files=3),))},
        *("machine.disk", "wrong", "room for 3 files left", "delete or move"),
    ),
    "little room": (
        {"host": host(folders=(folder(free=500 << 20),))},
        *("machine.disk", "warning", "500 MiB left", "delete or move"),
    ),
    "a network file system": (
        {"host": host(folders=(folder(file_system="nfs4"),))},
        *("machine.folders", "wrong", "network file system (nfs4)", "a local disk"),
    ),
    "few descriptors": (
        {"host": host(descriptors=512)},
        *(
            "machine.limits",
            "wrong",
            "512 open files are allowed, and supervisord does not start with fewer than 1,024",
        ),
        "ulimit -H -n 1024",
    ),
    "little memory": (
        {"host": host(memory=512 << 20)},
        *("machine.limits", "warning", "512 MiB of memory for 4 workers", "numprocs"),
    ),
    "the clock runs free": (
        {"host": host(is_synchronized=False)},
        *("machine.clock", "warning", "nothing synchronizes the clock", "chrony"),
    ),
    "a codec is missing": (
        {"host": host(missing=("records that are compressed with zstd could not be read: pip install 'kafka[zstd]'",))},
        *("machine.packages", "wrong", "compressed with zstd could not be read", "`pip install 'kafka[zstd]'`"),
    ),
    "no fleet runs": (
        {"fleet": fleet(pid=None, why=NOT_RUNNING, processes=())},
        *("fleet.supervisord", "warning", "no fleet runs in /srv/fleet"),
        "`supervisord -c x` starts one",
    ),
    "supervisord cannot be asked": (
        {"fleet": fleet(pid=None, why="cannot be reached at /x: Permission denied", processes=())},
        *("fleet.supervisord", "wrong", "supervisord cannot be reached at /x: Permission denied", "as the user of the"),
    ),
    "no configuration": (
        {"fleet": fleet(plan=None)},
        *("fleet.configuration", "warning", f"there is no supervisord.conf in {TREE}", "workers init"),
    ),
    "a broken configuration": (
        {"fleet": fleet(plan=plan(processes=(), problem="The directory named as part of the path x does not exist"))},
        *("fleet.configuration", "wrong", "would not start with", "local.d/"),
    ),
    "a process is FATAL": (
        {"fleet": fleet(processes=(*fleet().processes[1:], Process("worker_00", "worker", "FATAL", log="/log/w.log")))},
        *("fleet.processes", "wrong", "program worker_00 is FATAL; its log is", "start worker:worker_00"),
    ),
    "planned otherwise": (
        {"fleet": fleet(plan=plan(processes=plan().processes[1:]))},
        *("fleet.processes", "warning", "supervisord runs 6 processes, and its configuration plans 5", "update"),
    ),
    "a pause": (
        {"fleet": fleet(pauses=Pauses((PAUSE,)))},
        *("fleet.pauses", "warning", "everything is paused since ", "`workers resume` ends that"),
    ),
    "pauses that cannot be read": (
        {"fleet": fleet(pauses=Pauses((PAUSE,), "var/run/counters.pauses is torn"))},
        *("fleet.pauses", "wrong", "var/run/counters.pauses is torn", "`workers resume` writes it anew"),
    ),
    "a stop is cut off": (
        {"fleet": fleet(plan=plan(processes=(Planned("worker_00", "run", {}, 30.0),)))},
        *("fleet.stop", "wrong", "stopwaitsecs=30 is not longer than WORKERS_DRAIN_TIMEOUT=35", "stopwaitsecs to 45"),
    ),
    "other settings in supervisord.conf": (
        {"fleet": fleet(plan=plan(processes=(Planned("worker_00", "run", {"WORKERS_TOPIC": "orders"}, 45.0),)))},
        *("fleet.settings", "warning", "WORKERS_TOPIC (for worker_00)", "into .env"),
    ),
    "fetches larger than the memory": (
        {"settings": {"fetch_bytes": 67_108_864, "memory_limit": 512}},
        *("settings.memory", "warning", "one fetch may take 768 MiB", "set WORKERS_FETCH_BYTES=44739242 or less"),
    ),
    "a setting without effect": (
        {"settings": {"sasl_username": "x"}},
        *("settings.unused", "warning", "WORKERS_SASL_USERNAME and its password are not used", "set SASL_SSL"),
    ),
}
CASES = {
    f"{subject}: {name}": case
    for subject, cases in (("kafka", KAFKA), ("topic", TOPIC), ("group", GROUP), ("here", HERE))
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_well_is_told_with_its_fix(name):
    given, check, mark, text, fix = CASES[name]

    told = found(answers(**given))

    matching = [each for each in told if each.check == check and text in each.text]
    assert [(each.mark, fix in each.fix) for each in matching] == [(Severity(mark), True)], told
    assert [each for each in told if each.mark is not Severity.OK and not each.fix] == []
    assert not any("canary" in each.text + each.fix for each in told)


def test_the_fleets_own_ports_are_no_problem_and_neither_are_free_ones():
    ports = (port(is_ours=True), port(number=9802, in_use=False), port(number=9803, in_use=False))

    (told,) = [each for each in found(answers(host=host(ports=ports))) if each.check == "machine.ports"]

    assert (told.mark, told.text) == (Severity.OK, "ports 9802-9803 free, 9801 served by this fleet")


def test_what_was_not_asked_is_told_once_for_each_subject_and_is_no_fault_of_its_own():
    silent = Unanswered("not asked: Kafka does not answer", was_asked=False)
    dead = dict.fromkeys(vars(KafkaAnswers()), silent) | {
        "servers": [KafkaServer("localhost:9092", "no answer within 3 s")],
        "own_hosts": frozenset(),
        "now": NOW,
    }

    told = found(answers(**dead))

    assert [each.check for each in told if each.mark is Severity.WRONG] == ["kafka.reachable"]
    assert [each.check for each in told if each.mark is Severity.UNKNOWN] == ["topic.exists", "group.members"]
    assert {each.text for each in told if each.mark is Severity.UNKNOWN} == {silent.why}


def test_a_mistake_in_one_check_hides_nothing_of_the_others():
    told = found(answers(cluster=Cluster("abc", None)))

    failed = [each for each in told if each.mark is not Severity.OK]
    assert {(each.check, each.mark) for each in failed} == {("doctor", Severity.UNKNOWN)}
    assert "check_cluster failed: TypeError" in failed[0].text
    assert len(told) > 10


@pytest.mark.parametrize(
    ("marks", "code"),
    [
        (["ok", "warning"], 0),
        (["ok", "unknown"], 2),
        (["wrong", "unknown", "warning"], 1),
        (["ok"], 0),
    ],
)
def test_the_exit_code_tells_wrong_before_unknown_and_warnings_are_none(marks, code):
    findings = tuple(Finding("x.y", Severity(mark), "text", "fix") for mark in marks)
    report = examination.Report((examination.Section("one", findings),), 1.0)

    assert report.exit_code == code
    assert (report.as_dict()["exit_code"], report.as_dict()["wrong"]) == (code, marks.count("wrong"))


def test_settings_that_cannot_be_used_are_told_with_their_fix():
    problems = ["WORKERS_TOPC is not a setting; did you mean WORKERS_TOPIC?", "WORKERS_SLOT=x: no number"]
    report = examination.without_settings(problems)

    first = report.sections[0]
    assert [each.mark for each in first.findings] == [Severity.WRONG] * 2
    assert all(each.fix for each in first.findings)
    assert report.exit_code == 1
    assert [each.findings[0].mark for each in report.sections[1:]] == [Severity.UNKNOWN] * 6


def test_workers_of_other_machines_are_members_like_all():
    others = members("x", client="worker_04", host="10.0.0.9")
    told = found(answers(group=GroupDescription("Stable", OURS | others)))

    assert [each for each in told if each.mark is not Severity.OK] == []
    assert "1 worker on other machines: 10.0.0.9" in [each.text for each in told]


def test_an_age_that_is_not_known_is_not_told_as_none():
    told = [each for each in found(answers(oldest_unread={})) if each.check == "topic.retention"]

    assert [each.text for each in told] == ["records are kept for 7 d; how old the oldest unread one is, is not known"]


def test_what_retention_deleted_before_the_first_commit_is_told():
    given = answers(offsets={tp(0): PartitionOffsets(40, 100, None)}, commits=Commits())

    (told,) = [each for each in found(given) if each.check == "group.commits"]
    assert told.text.endswith("begin at the log start, 60 records waiting; 40 offsets before it were deleted already")


def test_a_group_and_a_log_that_are_new_are_well():
    given = answers(
        group=GroupDescription("Dead", {}),
        commits=Commits(),
        offsets={tp(0): PartitionOffsets(0, 3, None)},
        oldest_unread={},
        last_batches={},
        newest_times={},
        fleet=replace(fleet(), members=frozenset()),
    )

    told = {each.check: each.text for each in found(given) if each.check.startswith("group")}
    assert [each for each in found(given) if each.mark is not Severity.OK] == []
    assert told["group.members"] == "counters: it does not exist yet: the first worker makes it"
    assert told["group.commits"] == "nothing is committed yet: the workers begin at the log start, 3 records waiting"
