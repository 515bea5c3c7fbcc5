"""What `workers doctor` is answered where all is well: tests break one thing of it at a time."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from tests.support.batches import tp
from workers.doctor.answers import DoctorAnswers, KafkaAnswers
from workers.doctor.fleet_answers import FleetAnswers, FleetPlan, Planned
from workers.doctor.host import Folder, Host, Port
from workers.fleet.supervisor import Process
from workers.identity import TopicIdentity
from workers.kafka.group_description import GroupDescription, Member
from workers.kafka.inspector import BatchHeader, Broker, Cluster, Commits, PartitionState, TopicDetails
from workers.kafka.partition_offsets import PartitionOffsets
from workers.kafka.servers import KafkaServer
from workers.kafka.topics import Topic
from workers.settings import Settings
from workers.settings.load import Loaded
from workers.settings.paths import StatePaths

NOW = 1_700_000_000.0
DAY = 86_400
ALL_RIGHTS = frozenset({"READ", "WRITE", "DESCRIBE"})
TREE = Path("/srv/fleet")
WORKERS = [f"worker_{slot:02d}" for slot in range(4)]


def details(
    partitions: int | tuple[PartitionState, ...] = 6, replicas: tuple[int, ...] = (1,), **facts: object
) -> TopicDetails:
    if isinstance(partitions, tuple):
        states, partitions = partitions, len(partitions)
    else:
        states = tuple(PartitionState(number, 1, replicas, replicas) for number in range(partitions))
    leaders = {tp(number): (1, 0) for number in range(partitions)}
    topic = Topic(TopicIdentity("numtest", UUID(int=0x08B40071 << 96)), sorted(leaders), leaders)
    return TopicDetails(topic, states, ALL_RIGHTS)._replace(**facts)


def configuration(**values: str) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(7 * DAY * 1000),
        "retention.bytes": "-1",
        "min.insync.replicas": "1",
        "max.message.bytes": "1048588",
        "message.timestamp.type": "CreateTime",
    } | {name.replace("_", "."): value for name, value in values.items()}


def members(*ids: str, client: str | None = None, host: str = "10.0.0.7") -> dict[str, Member]:
    return {each: Member(client or each[:9], host, [tp(number)]) for number, each in enumerate(ids)}


def kafka(**facts: object) -> KafkaAnswers:
    found = KafkaAnswers(
        servers=[KafkaServer("localhost:9092", None, 0.003)],
        cluster=Cluster("abc", (Broker(1, "localhost", 9092),), "4.3"),
        unreachable={},
        broker_configuration={"group.min.session.timeout.ms": "6000", "group.max.session.timeout.ms": "1800000"},
        topic=details(),
        topic_configuration=configuration(),
        group=GroupDescription("Stable", members(*[f"{name}-id" for name in WORKERS])),
        group_rights=ALL_RIGHTS,
        commits=Commits(6),
        offsets={tp(number): PartitionOffsets(0, 100, 90) for number in range(6)},
        newest_times={tp(0): NOW},
        oldest_unread={tp(0): BatchHeader("none", NOW - 3, NOW, 100)},
        last_batches={tp(0): BatchHeader("zstd", NOW - 3, NOW, 100)},
        own_hosts=frozenset({"10.0.0.7"}),
        now=NOW,
    )
    for name, value in facts.items():
        setattr(found, name, value)
    return found


def plan(**facts: object) -> FleetPlan:
    processes = [Planned(name, "run", {"WORKERS_SLOT": name[-1]}, 45.0) for name in WORKERS]
    processes += [Planned(name, name, {"WORKERS_STATE_DIR": "/x"}, 10.0) for name in ("lag", "watchdog")]
    return FleetPlan(TREE / "deploy/supervisord.conf", tuple(processes))._replace(**facts)


def fleet(**facts: object) -> FleetAnswers:
    processes = [Process(name, "worker", "RUNNING", 100 + number) for number, name in enumerate(WORKERS)]
    processes += [Process(name, name, "RUNNING", 200) for name in ("lag", "watchdog")]
    known = frozenset(f"{name}-id" for name in WORKERS)
    return FleetAnswers(
        **(
            {
                "plan": plan(),
                "pid": 77,
                "why": "",
                "processes": tuple(processes),
                "members": known,
                "start": "`supervisord -c x` starts one",
            }
            | facts
        )
    )


def folder(**facts: object) -> Folder:
    return Folder(TREE / "var/run", "state", free=10 << 30, free_files=100_000, file_system="ext4")._replace(**facts)


def host(**facts: object) -> Host:
    return Host(
        user="fleet",
        python="Python 3.11.7",
        versions={"kafka-python": "3.0.12"},
        missing=(),
        ports=(Port(9800, "worker_00", "WORKERS_METRICS_PORT", in_use=True, is_ours=True, holder="pid 100"),),
        folders=(folder(),),
        descriptors=20_000,
        user_processes=-1,
        memory=8 << 30,
        is_synchronized=True,
        serves_at=True,
    )._replace(**facts)


def answers(**facts: object) -> DoctorAnswers:
    """Args: facts: fields of the answers; `settings`: values of settings; all others: of Kafka's answers."""
    settings = Settings(**facts.pop("settings", {}))
    sources = dict.fromkeys((f"WORKERS_{name.upper()}" for name in Settings.model_fields), "default")
    found = DoctorAnswers(Loaded(settings, sources, StatePaths(TREE)), host=host(), fleet=fleet())
    for name in ("host", "fleet"):
        setattr(found, name, facts.pop(name, getattr(found, name)))
    found.kafka = kafka(**facts)
    return found
