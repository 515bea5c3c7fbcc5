"""The machine, as far as the fleet needs it: ports, folders, limits, memory, clock, packages. Nothing is made there."""

from __future__ import annotations

import ctypes
import getpass
import os
import platform
import resource
import shutil
import socket
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from workers.errors import BadConfigurationError
from workers.naming import slot_of
from workers.settings import PREFIX
from workers.state.proc import is_listened_on, parent, port_holder, port_holder_pid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.doctor.fleet_answers import FleetAnswers
    from workers.settings.load import Loaded

TIME_ERROR = 5
"""What adjtimex(2) returns while nothing synchronizes the clock."""
SHOWN_PACKAGES = ("kafka-python", "pymongo", "supervisor")
PORT = "_port"
"""The end of the names of settings that are the port of one process: `lag_port`."""
MOST_FILES = 2_000
"""Of a folder that are looked at."""
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class Port(NamedTuple):
    """A port that a process of the fleet serves on."""

    number: int
    process: str
    setting: str
    in_use: bool
    is_ours: bool = False
    """Whether it is a process of this fleet that has it."""
    holder: str = ""
    """The process that has it, if this user may see it."""


class Folder(NamedTuple):
    """A folder that the fleet writes into."""

    path: Path
    what: str
    problem: str = ""
    """Why this user cannot write there."""
    foreign_files: tuple[str, ...] = ()
    """Files in it that this user may not write."""
    is_there: bool = True
    free: int = 0
    """Bytes."""
    free_files: int | None = None
    """None: the file system has no limit."""
    file_system: str = ""


class Host(NamedTuple):
    """The machine that the command runs on."""

    user: str
    python: str
    versions: dict[str, str]
    missing: tuple[str, ...]
    """Parts of the Kafka client that are not installed, with the command."""
    ports: tuple[Port, ...]
    folders: tuple[Folder, ...]
    descriptors: int
    """The most files that a process may have open; -1: no limit."""
    user_processes: int
    memory: int | None
    """Bytes that this machine, or this container, has."""
    is_synchronized: bool | None
    """Whether the kernel takes its clock for synchronized; None: it does not say."""
    serves_at: bool
    """Whether WORKERS_METRICS_HOST is an address of this machine."""


def ask_host(loaded: Loaded, fleet: FleetAnswers) -> Host:
    """Look at this machine."""
    paths = loaded.paths
    named = {paths.state_dir: "state"}
    if fleet.plan:
        # Where there is no supervisord, there is no watchdog that writes events, and logs go elsewhere.
        named |= {paths.events_file.parent: "events", paths.tree / "var/log": "logs"}
    return Host(
        user=_user(),
        python=f"Python {platform.python_version()}",
        versions={name: metadata.version(name) for name in SHOWN_PACKAGES},
        missing=_missing_packages(),
        ports=tuple(_ports(loaded, fleet)),
        folders=tuple(_folder(path, what) for path, what in named.items()),
        descriptors=_limit(resource.RLIMIT_NOFILE),
        user_processes=_limit(resource.RLIMIT_NPROC),
        memory=_memory(),
        is_synchronized=_is_synchronized(),
        serves_at=loaded.settings.metrics_host in ("", "::") or is_own_address(loaded.settings.metrics_host),
    )


def is_own_address(host: str) -> bool:
    """Whether this is an address of this machine: a socket can be bound there, to any port. Nothing listens for it."""
    with suppress(OSError, UnicodeError):
        for family, kind, protocol, _, address in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as probe:
                probe.bind(address)
                return True
    return False


def _ports(loaded: Loaded, fleet: FleetAnswers) -> Iterator[Port]:
    settings, own = loaded.settings, {each.pid for each in fleet.processes if each.pid} | {fleet.pid}
    asked = [
        (settings.metrics_port and settings.metrics_port + slot_of(name), name, "WORKERS_METRICS_PORT")
        for name in fleet.workers
    ]
    asked += [
        (getattr(settings, field), field.removesuffix(PORT), f"{PREFIX}{field.upper()}")
        for field in type(settings).model_fields
        if field.endswith(PORT) and field != "metrics_port"
    ]
    for number, process, setting in asked:
        if number == 0:
            continue
        if not is_listened_on(number):
            yield Port(number, process, setting, in_use=False)
            continue
        pid = port_holder_pid(number)
        ours = pid is not None and bool({pid, parent(pid)} & (own - {None}))
        yield Port(number, process, setting, True, ours, port_holder(number) or "")


def _folder(path: Path, what: str) -> Folder:
    existing = path if path.exists() else path.parent
    if path.exists() and not path.is_dir():
        return Folder(path, what, "it is not a folder")
    if not existing.is_dir():
        return Folder(path, what, f"{existing} does not exist")
    owner, mode = "?", 0
    with suppress(OSError, KeyError):
        owner, mode = existing.owner(), existing.stat().st_mode & 0o777
    problem = "" if _may(existing, os.W_OK | os.X_OK) else f"it belongs to {owner}, mode {mode:o}"
    system = os.statvfs(existing)
    foreign = [] if problem or existing != path else _foreign_files(path)
    # Some file systems make room for files as they need it, and tell 0 of both.
    free_files = system.f_favail if system.f_files else None
    free = shutil.disk_usage(existing).free
    return Folder(path, what, problem, tuple(foreign), existing == path, free, free_files, _file_system(existing))


def _may(path: Path, what: int) -> bool:
    """Whether this process may do that there. Nothing is tried."""
    return os.access(path, what, effective_ids=os.access in os.supports_effective_ids)


def _foreign_files(folder: Path) -> list[str]:
    found = []
    with suppress(OSError):
        for number, file in enumerate(folder.iterdir()):
            if number >= MOST_FILES:
                break
            if file.is_file() and not _may(file, os.W_OK):
                found.append(file.name)
    return sorted(found)


def _file_system(path: Path) -> str:
    """The type of the file system, as in mount(8); empty: not known."""
    best, kind = "", ""
    with suppress(OSError, IndexError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            point = before.split()[4].encode().decode("unicode_escape")
            if path.resolve().is_relative_to(point) and len(point) >= len(best):
                best, kind = point, after.split()[0]
    return kind


def _limit(which: int) -> int:
    _, hard = resource.getrlimit(which)
    return -1 if hard == resource.RLIM_INFINITY else hard


def _memory() -> int | None:
    found = []
    for file in CGROUP_LIMITS:
        with suppress(OSError, ValueError):
            found.append(int(Path(file).read_text(encoding="ascii")))
    with suppress(OSError, ValueError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(found, default=None)


def _is_synchronized() -> bool | None:
    if sys.platform != "linux":
        return None
    with suppress(OSError, AttributeError):
        # A `struct timex` of zeros only reads; it is smaller than this on every machine.
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(1024)))
        return None if state < 0 else state != TIME_ERROR
    return None


def _missing_packages() -> tuple[str, ...]:
    from workers.kafka.options import require_extras

    try:
        require_extras()
    except BadConfigurationError as error:
        return tuple(error.problems)
    return ()


def _user() -> str:
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return f"user {os.getuid()}"
