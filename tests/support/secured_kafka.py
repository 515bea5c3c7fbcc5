"""A Kafka with TLS, logins and rights: one broker, one listener for each way to be refused.

Its certificates and users are made when it starts. Whoever comes in on `admin` (PLAINTEXT) may do anything.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)

from embedded_stack import broker
from embedded_stack.processes import tied
from embedded_stack.readiness import kafka_answers
from embedded_stack.settings import Settings
from tests.support.certificates import Authority
from tests.support.embedded import StackUnavailableError, wait_until
from tests.support.ports import free_ports

PASSWORD = "right-canary"
USERS = ("worker", "watchdog", "visitor", "looker", "stranger", "writer", "prover")
"""All have the same password; who may do what is told by `grant`."""
TLS = ("TLS", "MUTUAL", "EXPIRED", "ELSEWHERE", "LOGIN")
LOGIN = ("LOGIN", "LOGINPLAIN")
LISTENERS = {
    "ADMIN": "PLAINTEXT",
    "CONTROLLER": "PLAINTEXT",
    "TLS": "SSL",
    "MUTUAL": "SSL",
    "EXPIRED": "SSL",
    "ELSEWHERE": "SSL",
    "LOGIN": "SASL_SSL",
    "LOGINPLAIN": "SASL_PLAINTEXT",
    "AWAY": "PLAINTEXT",
}
MECHANISMS = "PLAIN,SCRAM-SHA-512"


class SecuredKafka:
    """Use it with `with`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="secured-kafka-")).resolve()
        self.ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))
        self.authority = Authority(self.folder / "keys")
        self.stranger = Authority(self.folder / "other-keys", "stranger")
        """An authority that signed nothing here."""
        self._settings = Settings.read({"STACK_KAFKA_HEAP": "256m"})
        self._process: subprocess.Popen[bytes] | None = None

    def address(self, listener: str, host: str = "127.0.0.1") -> str:
        return f"{host}:{self.ports[listener]}"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def admin(self) -> Iterator[KafkaAdminClient]:
        client = KafkaAdminClient(bootstrap_servers=self.address("ADMIN"))
        try:
            yield client
        finally:
            client.close()

    def grant(self, user: str, *rights: tuple[str, str, str]) -> None:
        """Args: rights: kind of resource, its name, and the right: `("topic", "numbers", "READ")`."""
        with self.admin() as client:
            client.create_acls([_acl(user, *right) for right in rights])

    def revoke(self, user: str, kind: str, name: str, right: str) -> None:
        found = _acl(user, kind, name, right)
        kind_of, pattern = found.resource_pattern.resource_type, ACLResourcePatternType.LITERAL
        resource = ResourcePatternFilter(kind_of, name, pattern)
        with self.admin() as client:
            client.delete_acls([ACLFilter(found.principal, "*", found.operation, ACLPermissionType.ALLOW, resource)])

    def _start(self) -> None:
        written = self.folder / "server.properties"
        written.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()))
        storage = ["kafka.tools.StorageTool", "format", "--cluster-id=AAAAAAAAAAAAAAAAAAAAAA"]
        scram = [f"--add-scram=SCRAM-SHA-512=[name={user},password={PASSWORD},iterations=4096]" for user in USERS]
        self._java("64m", *storage, *scram, "--config", str(written)).wait(60)
        self._process = self._java(self._settings.kafka_heap, "kafka.Kafka", str(written))
        wait_until(self._serves, 60, "the secured Kafka serves")

    def _serves(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise StackUnavailableError(f"the secured Kafka ended: {self.log.read_text()[-2000:]}")
        return kafka_answers(self.address("ADMIN"))

    @property
    def log(self) -> Path:
        return self.folder / "kafka.log"

    def _java(self, heap: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = broker._java(self._settings, heap, self.folder, *arguments)
        with self.log.open("ab") as out:
            return subprocess.Popen(tied(*command), stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def _properties(self) -> dict[str, str]:
        good = self.authority.issue("broker")
        stores = dict.fromkeys(TLS, good) | {
            "EXPIRED": self.authority.issue("expired", expired=True),
            "ELSEWHERE": self.authority.issue("elsewhere", names=("kafka.example",)),
        }
        controller = f"127.0.0.1:{self.ports['CONTROLLER']}"
        values = broker.FIXED | {
            "node.id": "1",
            "log.dirs": str(self.folder / "data"),
            "controller.quorum.voters": f"1@{controller}",
            "inter.broker.listener.name": "ADMIN",
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in self.ports.items()),
            "advertised.listeners": ",".join(
                # On one of them the broker sends its clients to where nobody listens.
                f"{name}://127.0.0.1:{1 if name == 'AWAY' else port}"
                for name, port in self.ports.items()
                if name != "CONTROLLER"
            ),
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in LISTENERS.items()),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "sasl.enabled.mechanisms": MECHANISMS,
            "connection.failed.authentication.delay.ms": "100",
        }
        for name, store in stores.items():
            prefix = f"listener.name.{name.lower()}."
            values[f"{prefix}ssl.keystore.type"] = values[f"{prefix}ssl.truststore.type"] = "PEM"
            values[f"{prefix}ssl.keystore.location"] = str(store)
            values[f"{prefix}ssl.truststore.location"] = str(self.authority.file)
        values["listener.name.mutual.ssl.client.auth"] = "required"
        known = " ".join(f'user_{user}="{PASSWORD}"' for user in USERS)
        for name in LOGIN:
            module = "org.apache.kafka.common.security"
            prefix = f"listener.name.{name.lower()}"
            values[f"{prefix}.plain.sasl.jaas.config"] = f"{module}.plain.PlainLoginModule required {known};"
            values[f"{prefix}.scram-sha-512.sasl.jaas.config"] = f"{module}.scram.ScramLoginModule required;"
        return values


def _acl(user: str, kind: str, name: str, right: str) -> ACL:
    resource = ResourcePattern(ResourceType[kind.upper()], name)
    return ACL(f"User:{user}", "*", ACLOperation[right], ACLPermissionType.ALLOW, resource)
