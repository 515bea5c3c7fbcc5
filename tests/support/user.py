"""Somebody who uses this package: the real commands, on a topic, a group and a database of their own."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pymongo import MongoClient

from tests.support.embedded import EmbeddedStack
from tests.support.kafka_view import KafkaView

BIN = Path(sys.executable).parent
"""Where this environment has its commands. Nothing is activated: tests call them by their path."""
NUMBERS = itertools.count()


class Verdict(NamedTuple):
    """What `workers verify --json` said."""

    code: int
    report: dict[str, Any]

    def total(self, word: str) -> int:
        return sum(partition[word] for partition in self.report["partitions"])


class Services(NamedTuple):
    """Where Kafka and the database are, if they are not the two of one stack."""

    bootstrap_servers: str
    mongodb_uri: str


def run_workers(
    folder: Path, environment: Mapping[str, str], *arguments: str, timeout: float = 120, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """The real `workers`, in this folder and with no other environment. Raises: TimeoutExpired."""
    return subprocess.run(
        [str(BIN / "workers"), *arguments],
        env={"PATH": os.defpath, **environment},
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=timeout,
        **({"text": True} | options),
    )


class User:
    """`settings` are WORKERS_* variables over those chosen here; `folder` is where the commands run."""

    def __init__(
        self, stack: EmbeddedStack | Services, folder: Path, settings: Mapping[str, str] | None = None
    ) -> None:
        name = f"t{os.getpid()}-{next(NUMBERS)}"
        self.folder, self.mongodb_uri = folder, stack.mongodb_uri
        self.topic, self.group, self.database = f"numbers-{name}", f"group-{name}", f"db-{name}"
        self.environment = {
            "PATH": os.defpath,
            "WORKERS_BOOTSTRAP_SERVERS": stack.bootstrap_servers,
            "WORKERS_MONGODB_URI": stack.mongodb_uri,
            "WORKERS_TOPIC": self.topic,
            "WORKERS_GROUP": self.group,
            "WORKERS_DATABASE": self.database,
            **(settings or {}),
        }
        self.kafka = KafkaView(stack.bootstrap_servers, self.topic, self.group)
        self._producing: list[subprocess.Popen[str]] = []

    def close(self) -> None:
        """End what still runs, after a failure too."""
        for producing in self._producing:
            producing.kill()
            producing.wait()
            if producing.stdout is not None:
                producing.stdout.close()
        self.kafka.close()

    def command(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[Any]:
        """The real `workers`, in the user's environment."""
        return run_workers(self.folder, self.environment | options.pop("env", {}), *arguments, **options)

    def producing(self, *arguments: str) -> subprocess.Popen[str]:
        """`workers produce --json`, in the background; `acknowledged` waits for it, and SIGINT ends it early."""
        # A test run in the background of a shell ignores it, and so would its child.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        producing = subprocess.Popen(
            [str(BIN / "workers"), "produce", "--json", *arguments],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        signal.signal(signal.SIGINT, before)
        self._producing.append(producing)
        return producing

    def produce(self, *arguments: str) -> dict[str, Any]:
        return acknowledged(self.producing(*arguments))

    def verify(self, *arguments: str) -> Verdict:
        ran = self.command("verify", "--json", *arguments)
        return Verdict(
            ran.returncode, json.loads(ran.stdout) if ran.stdout else {"error": ran.stderr, "partitions": []}
        )

    def documents(self) -> dict[str, int]:
        """The number in each document, by `_id`."""
        return {each["_id"]: each["number"] for each in self.collection()}

    def dead_letters(self) -> list[dict[str, Any]]:
        return self.collection("numtest_dead_letters")

    def collection(self, name: str = "numtest") -> list[dict[str, Any]]:
        with MongoClient(self.mongodb_uri) as client:
            return list(client[self.database][name].find())


def acknowledged(producing: subprocess.Popen[str], seconds: float = 120) -> dict[str, Any]:
    """The report of a producer that had no failure; it may have been interrupted."""
    out, _ = producing.communicate(timeout=seconds)
    report: dict[str, Any] = json.loads(out)
    assert (producing.returncode in (0, 130), report["failed"]) == (True, 0), report
    return report
