"""The embedded stack's settings: environment variables STACK_*, each with a default."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedded_stack.failure import ExitCode, Failure

FOLDER = Path(__file__).absolute().parents[1]
"""Where the stack's other files are: locks, modules, supervisord.conf."""
# supervisord binds "<socket>.<pid>" first, and the kernel takes 107 bytes.
LONGEST_SOCKET_PATH = 99
KNOWN = {
    "STACK_BUILD_DIR",
    "STACK_DATA_DIR",
    "STACK_KAFKA_PORT",
    "STACK_CONTROLLER_PORT",
    "STACK_MONGODB_PORT",
    "STACK_PROMETHEUS_PORT",
    "STACK_KAFKA_PROXIED_PORT",
    "STACK_KAFKA_ADVERTISED_PORT",
    "STACK_KAFKA_HEAP",
    "STACK_BROKERS",
    "STACK_KAFKA_2_PORT",
    "STACK_CONTROLLER_2_PORT",
    "STACK_KAFKA_3_PORT",
    "STACK_CONTROLLER_3_PORT",
    "STACK_JAVA",
    "STACK_GO",
}

BROKERS = ("kafka", "kafka_2", "kafka_3")
"""The programs of a cluster of three brokers; the first one alone is the stack of one broker."""


@dataclass(frozen=True)
class Settings:
    """Everything lies in one tree, the one that holds this deploy/ folder: a copy of deploy/
    elsewhere is another stack, with a socket, logs and data of its own."""

    tree: Path
    build_dir: Path
    data_dir: Path
    kafka_port: int
    controller_port: int
    mongodb_port: int
    prometheus_port: int
    kafka_proxied_port: int
    kafka_advertised_port: int | None
    kafka_heap: str
    brokers: tuple[str, ...]
    """The programs that are brokers, one or three."""
    kafka_ports: tuple[int, ...]
    """Of the three brokers, in their order."""
    controller_ports: tuple[int, ...]
    java: str | None
    go: str | None

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Every mistake is reported at once."""
        tree = FOLDER.parents[1]
        mistakes = [
            f"{name} is not a setting of the stack (known: {', '.join(sorted(KNOWN))})"
            for name in sorted(environ)
            if name.startswith("STACK_") and name not in KNOWN
        ]
        advertised = environ.get("STACK_KAFKA_ADVERTISED_PORT")
        count = environ.get("STACK_BROKERS") or "1"
        if count not in ("1", "3"):
            mistakes.append(f"STACK_BROKERS={count} is neither 1 nor 3")
        elif count == "3" and advertised:
            mistakes.append("STACK_KAFKA_ADVERTISED_PORT is for one broker: unset it, or STACK_BROKERS")
        kafka_port = _port(environ, "STACK_KAFKA_PORT", 9092, mistakes)
        controller_port = _port(environ, "STACK_CONTROLLER_PORT", 9093, mistakes)
        settings = cls(
            tree=tree,
            build_dir=_folder(environ, "STACK_BUILD_DIR", tree / "var/stack/build"),
            data_dir=_folder(environ, "STACK_DATA_DIR", tree / "var/stack/data"),
            kafka_port=kafka_port,
            controller_port=controller_port,
            mongodb_port=_port(environ, "STACK_MONGODB_PORT", 27017, mistakes),
            prometheus_port=_port(environ, "STACK_PROMETHEUS_PORT", 9090, mistakes),
            kafka_proxied_port=_port(environ, "STACK_KAFKA_PROXIED_PORT", 9094, mistakes),
            kafka_advertised_port=_port(environ, "STACK_KAFKA_ADVERTISED_PORT", 0, mistakes) if advertised else None,
            kafka_heap=environ.get("STACK_KAFKA_HEAP") or ("192m" if count == "3" else "512m"),
            brokers=BROKERS if count == "3" else BROKERS[:1],
            kafka_ports=(
                kafka_port,
                _port(environ, "STACK_KAFKA_2_PORT", 9095, mistakes),
                _port(environ, "STACK_KAFKA_3_PORT", 9097, mistakes),
            ),
            controller_ports=(
                controller_port,
                _port(environ, "STACK_CONTROLLER_2_PORT", 9096, mistakes),
                _port(environ, "STACK_CONTROLLER_3_PORT", 9098, mistakes),
            ),
            java=environ.get("STACK_JAVA") or None,
            go=environ.get("STACK_GO") or None,
        )
        if not re.fullmatch(r"[1-9][0-9]*[kmgKMG]", settings.kafka_heap):
            mistakes.append(f"STACK_KAFKA_HEAP={settings.kafka_heap} is not a size such as 512m")
        mistakes += settings._clashes()
        if mistakes:
            raise Failure("; ".join(mistakes), ExitCode.CONFIG)
        return settings

    @property
    def listening(self) -> dict[str, int]:
        """The ports that the stack listens on, by the setting that moves each."""
        ports = {
            "STACK_KAFKA_PORT": self.kafka_port,
            "STACK_CONTROLLER_PORT": self.controller_port,
            "STACK_MONGODB_PORT": self.mongodb_port,
            "STACK_PROMETHEUS_PORT": self.prometheus_port,
        }
        if self.kafka_advertised_port is not None:
            ports["STACK_KAFKA_PROXIED_PORT"] = self.kafka_proxied_port
        for number in range(2, len(self.brokers) + 1):
            ports[f"STACK_KAFKA_{number}_PORT"] = self.kafka_ports[number - 1]
            ports[f"STACK_CONTROLLER_{number}_PORT"] = self.controller_ports[number - 1]
        return ports

    @property
    def programs(self) -> list[str]:
        """Those that the stack needs, in the order in which they are waited for."""
        return [*self.brokers, "ferretdb"]

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(self.address(broker) for broker in self.brokers)

    @property
    def run_dir(self) -> Path:
        return self.tree / "var/stack/run"

    @property
    def log_dir(self) -> Path:
        return self.tree / "var/stack/log"

    @property
    def conf(self) -> Path:
        return FOLDER / "supervisord.conf"

    @property
    def socket(self) -> Path:
        # Imported here, because it takes a while, and `run` does not need it.
        from workers.settings.paths import StatePaths

        return StatePaths(self.tree).stack_socket

    @property
    def pidfile(self) -> Path:
        return self.run_dir / "supervisord.pid"

    def ports(self, program: str) -> dict[str, int]:
        """Those of `listening` that are this program's."""
        own = {"ferretdb": {"STACK_MONGODB_PORT"}, "prometheus": {"STACK_PROMETHEUS_PORT"}}
        for number, broker in enumerate(BROKERS[1:], 2):
            own[broker] = {f"STACK_KAFKA_{number}_PORT", f"STACK_CONTROLLER_{number}_PORT"}
        mine = own[program] if program in own else self.listening.keys() - set().union(*own.values())
        return {name: port for name, port in self.listening.items() if name in mine}

    def address(self, program: str) -> str:
        others = {"ferretdb": self.mongodb_port, "prometheus": self.prometheus_port}
        port = others[program] if program in others else self.kafka_ports[BROKERS.index(program)]
        return f"127.0.0.1:{port}"

    def record(self, program: str) -> Path:
        """Where a server that was started says which process it is."""
        return self.run_dir / f"{program}.json"

    def make_folders(self) -> None:
        if len(os.fsencode(self.socket)) > LONGEST_SOCKET_PATH:
            raise Failure(
                f"{self.socket} is too long for a unix socket (over {LONGEST_SOCKET_PATH} bytes):"
                " move the checkout to a shorter path",
                ExitCode.CONFIG,
            )
        for folder in (self.run_dir, self.log_dir, self.data_dir):
            make_folder(folder)

    def _clashes(self) -> list[str]:
        names: dict[int, str] = {}
        return [
            f"{names[port]} and {name} are both {port}"
            for name, port in self.listening.items()
            if names.setdefault(port, name) != name
        ]


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"cannot make the folder {folder}: {error.strerror}") from error


def _folder(environ: Mapping[str, str], name: str, default: Path) -> Path:
    return Path(environ.get(name) or default).expanduser().absolute()


def _port(environ: Mapping[str, str], name: str, default: int, mistakes: list[str]) -> int:
    text = environ.get(name) or str(default)
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    mistakes.append(f"{name}={text} is not a port between 1 and 65535")
    return -1 - len(mistakes)
