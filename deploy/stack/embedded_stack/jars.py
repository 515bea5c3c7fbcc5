"""Kafka's jars: those of jgo.lock.toml, and no others.

To move to other versions, edit jgo.toml and run `jgo --resolver python --class-path-only lock`
beside it. (The "!" in jgo.toml keeps the logging backend from choosing versions for Kafka.)
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from embedded_stack.settings import FOLDER, Settings

LOCK = FOLDER / "jgo.lock.toml"


@dataclass(frozen=True)
class Jar:
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @property
    def coordinate(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


def locked_jars(lock: Path = LOCK) -> list[Jar]:
    locked = tomllib.loads(lock.read_text())["dependencies"]
    return [Jar(each["groupId"], each["artifactId"], each["version"], each["sha256"]) for each in locked]


def class_path(settings: Settings) -> str:
    return ":".join(str(folder(settings) / jar.file) for jar in locked_jars())


def folder(settings: Settings) -> Path:
    return settings.build_dir / "jars"


def sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
