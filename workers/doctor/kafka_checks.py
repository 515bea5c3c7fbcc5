"""Whether Kafka can be reached and admits this client, server by server. Pure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.doctor.answers import Unanswered
from workers.findings import Finding, Severity, advised, count, duration, is_this_machine, ok, unknown, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workers.doctor.answers import DoctorAnswers
    from workers.kafka.servers import KafkaServer
    from workers.settings import Settings

CERTIFICATE_DAYS = 14
"""A certificate that ends sooner is told: somebody has to renew it."""
LISTED = 3
"""Servers that are listed one by one while all is well."""
DAY = 86_400
START_KAFKA = "start Kafka, or name the right host and port in WORKERS_BOOTSTRAP_SERVERS"


def principal(settings: Settings) -> str:
    """Who this client is for Kafka."""
    return f"User:{settings.sasl_username}" if settings.security_protocol.startswith("SASL") else "User:ANONYMOUS"


def grant(settings: Settings, right: str, kind: str, name: str) -> str:
    """The command that gives a right. Args: kind: topic or group."""
    secured = "" if settings.security_protocol == "PLAINTEXT" else " --command-config admin.properties"
    server = settings.bootstrap_servers.split(",")[0].strip().rpartition("://")[2]
    return (
        f"grant it: `kafka-acls.sh --bootstrap-server {server}{secured} --add --allow-principal {principal(settings)} "
        f"--operation {right.title().replace('_', '')} --{kind} {name}`"
    )


def check_servers(answers: DoctorAnswers) -> Iterator[Finding]:
    """Each server of WORKERS_BOOTSTRAP_SERVERS."""
    servers, check = answers.kafka.servers, "kafka.reachable"
    if isinstance(servers, Unanswered):
        yield advised(check, Severity.UNKNOWN, servers.why, "")
        return
    good = [each for each in servers if each.problem is None]
    if good and len(good) > LISTED:
        slowest = duration(max(each.seconds for each in good))
        yield ok(check, f"{len(good)} bootstrap servers answer, the slowest in {slowest}, {_how(answers)}")
    else:
        for each in good:
            yield ok(check, f"{each.address} answers in {duration(each.seconds)}, {_how(answers)}")
    for each in servers:
        if each.problem:
            # As long as one of them answers, the client finds the others.
            mark = (
                Severity.WARNING
                if good
                else Severity.UNKNOWN
                if each.problem.startswith("not asked")
                else Severity.WRONG
            )
            yield advised(check, mark, f"{each.address}: {each.problem}", _start(answers, each))
    yield from _certificates(good)


def _start(answers: DoctorAnswers, server: KafkaServer) -> str:
    host = server.address.rpartition("://")[2].rpartition(":")[0].strip("[]")
    has_demo = not isinstance(answers.fleet, Unanswered) and answers.fleet.has_demo and is_this_machine(host)
    return f"{START_KAFKA}; `make demo` starts one to try" if has_demo else START_KAFKA


def _how(answers: DoctorAnswers) -> str:
    settings = answers.loaded.settings
    protocol = settings.security_protocol
    encrypted = "with TLS" if protocol.endswith("SSL") else "without TLS"
    if not protocol.startswith("SASL"):
        return f"{encrypted}, without a login"
    return f"{encrypted}, logged in as {settings.sasl_username} ({settings.sasl_mechanism})"


def _certificates(servers: Sequence[KafkaServer]) -> Iterator[Finding]:
    now = time.time()
    ends = [(each.certificate_ends, each.address) for each in servers if each.certificate_ends is not None]
    if ends and min(ends)[0] - now < CERTIFICATE_DAYS * DAY:
        end, address = min(ends)
        yield warning(
            "kafka.certificate",
            f"the certificate of {address} expires in {duration(max(0.0, end - now))}",
            "renew it: when it has expired, no client connects any more",
        )


def check_cluster(answers: DoctorAnswers) -> Iterator[Finding]:
    """What the brokers say of themselves."""
    kafka, check = answers.kafka, "kafka.brokers"
    if isinstance(kafka.cluster, Unanswered):
        # That no server answers stands above already.
        if kafka.cluster.was_asked:
            yield advised(check, Severity.WRONG, kafka.cluster.why, START_KAFKA)
        return
    version = f"Kafka {kafka.cluster.version}, " if kafka.cluster.version else ""
    fenced = [each.address for each in kafka.cluster.brokers if each.is_fenced]
    living = len(kafka.cluster.brokers) - len(fenced)
    yield ok(check, f"{version}{count(living, 'broker')}, cluster {kafka.cluster.id}")
    if fenced:
        yield warning(
            check, f"the controller takes for dead: {', '.join(fenced)}", "start these brokers, or unregister them"
        )


def check_advertised(answers: DoctorAnswers) -> Iterator[Finding]:
    """Whether each broker can be reached where it sends its clients."""
    away, cluster = answers.kafka.unreachable, answers.kafka.cluster
    if isinstance(away, Unanswered):
        if away.was_asked:
            yield unknown("kafka.advertised", away.why)
        return
    is_all = isinstance(cluster, Unanswered) or len(away) >= sum(not each.is_fenced for each in cluster.brokers)
    for address, why in away.items():
        mark = Severity.WRONG if is_all else Severity.WARNING
        text = f"Kafka sends its clients to {address}, which cannot be reached from here: {why}"
        fix = "start that broker; or mend its advertised.listeners, so that they name what this machine can reach"
        yield Finding("kafka.advertised", mark, text, fix)


CHECKS = (check_servers, check_cluster, check_advertised)
