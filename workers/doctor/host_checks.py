"""Whether this machine has what the fleet needs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.doctor.answers import Unanswered
from workers.findings import Finding, brief, count, ok, size, unknown, warning, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.doctor.answers import DoctorAnswers
    from workers.doctor.host import Folder, Host, Port

WORKER_DESCRIPTORS = 256
"""Files that one worker may have open: brokers, the database, 64 connections over HTTP, and its own files."""
LEAST_FREE, LITTLE_FREE = 50 << 20, 1 << 30
"""Bytes on a disk: without the first, logs and state files cannot be written any more. The logs of a worker take 40 MiB."""
LEAST_FREE_FILES = 100
USUAL_MEMORY = 150 << 20
"""Bytes of a worker with records of a few KB (docs/decisions/0009-fetch-sizes.md)."""
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs")
"""File systems on which a lock may be lost, or may not be there at all."""
LISTED = 3


def check_packages(host: Host) -> Iterator[Finding]:
    """Python, and the parts of the clients."""
    versions = ", ".join(f"{name} {version}" for name, version in host.versions.items())
    for problem in host.missing:
        what, _, command = problem.rpartition(": ")
        yield wrong("machine.packages", what, f"`{command}`")
    if not host.missing:
        yield ok("machine.packages", f"{host.python}, {versions}; gzip, snappy, lz4, zstd and crc32c are there")


def check_ports(host: Host, metrics_host: str) -> Iterator[Finding]:
    """The ports of all processes are free, or are had by these processes."""
    check = "machine.ports"
    if not host.serves_at:
        yield wrong(
            check,
            f"WORKERS_METRICS_HOST={metrics_host} is no address of this machine",
            "set WORKERS_METRICS_HOST=127.0.0.1, or to an address that `ip address` shows",
        )
    taken = [each for each in host.ports if each.in_use and not each.is_ours]
    for each in taken:
        holder = f" by {each.holder}" if each.holder else " by a process of another user"
        yield wrong(
            check,
            f"port {each.number}, of {each.process}, is in use{holder}",
            f"set {each.setting} to another port; or stop that process, if it is an earlier fleet",
        )
    free = [each for each in host.ports if not each.in_use]
    ours = [each for each in host.ports if each.is_ours]
    parts = [f"{_numbers(each)} {what}" for each, what in ((free, "free"), (ours, "served by this fleet")) if each]
    if parts and not taken:
        yield ok(check, f"ports {', '.join(parts)}")


def _numbers(ports: list[Port]) -> str:
    numbers = sorted(each.number for each in ports)
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def check_folders(host: Host) -> Iterator[Finding]:
    """State, events and logs can be written by this user, and there is room for them."""
    check, good = "machine.folders", []
    for folder in host.folders:
        found = list(_folder(check, folder, host.user))
        yield from found
        if not found:
            good.append(folder)
    if good:
        least = min(good, key=lambda each: each.free)
        listed = ", ".join(dict.fromkeys(brief(each.path) for each in good))
        yield ok(check, f"{host.user} can write {listed}; {size(least.free)} are free")


def _folder(check: str, folder: Folder, user: str) -> Iterator[Finding]:
    setting = {"state": "WORKERS_STATE_DIR", "events": "WORKERS_EVENTS_FILE"}.get(folder.what, "")
    another = f", or set {setting} to another place" if setting else ""
    if folder.problem:
        missing = folder.problem.endswith("does not exist") or folder.problem == "it is not a folder"
        owned = (
            f"`sudo chown -R {user} {folder.path}`" if folder.is_there else f"`sudo install -d -o {user} {folder.path}`"
        )
        fix = f"`mkdir -p {folder.path}`{another}" if missing else f"{owned}{another}"
        yield wrong(check, f"{user} cannot write {folder.what} to {folder.path}: {folder.problem}", fix)
        return
    if folder.foreign_files:
        more = f" and {len(folder.foreign_files) - LISTED} more" if len(folder.foreign_files) > LISTED else ""
        yield wrong(
            check,
            f"files in {folder.path} belong to another user: {', '.join(folder.foreign_files[:LISTED])}{more}",
            f"`sudo chown -R {user} {folder.path}`, and run the fleet as one user",
        )
    room = (
        "delete or move what is not needed; the fleet works on without its logs and state files, and takes over slower"
    )
    if folder.free < LEAST_FREE or (folder.free_files is not None and folder.free_files < LEAST_FREE_FILES):
        left = size(folder.free) if folder.free < LEAST_FREE else f"room for {folder.free_files} files"
        yield wrong("machine.disk", f"{left} left on the disk of {folder.path}", room)
    elif folder.free < LITTLE_FREE:
        yield warning("machine.disk", f"{size(folder.free)} left on the disk of {folder.path}", room)
    if folder.what == "state" and folder.file_system in NETWORK:
        yield wrong(
            check,
            f"{folder.path} is on a network file system ({folder.file_system}): locks are not reliable there",
            "set WORKERS_STATE_DIR to a folder on a local disk",
        )


def check_limits(host: Host, workers: int, memory_limit: int, plan: tuple[int, int]) -> Iterator[Finding]:
    """Open files, processes and memory. Args: memory_limit: MiB of a worker; plan: supervisord's minfds and minprocs."""
    check = "machine.limits"
    for limit, least, what, flag, setting in (
        (host.descriptors, plan[0], "open files", "-n", "minfds"),
        (host.user_processes, plan[1], "processes", "-u", "minprocs"),
    ):
        if 0 <= limit < least:
            yield wrong(
                check,
                f"{limit:,} {what} are allowed, and supervisord does not start with fewer than {least:,} ({setting})",
                f"raise the limit: `ulimit -H {flag} {least}`, or LimitNOFILE and LimitNPROC of the systemd unit",
            )
    if 0 <= host.descriptors < WORKER_DESCRIPTORS:
        yield warning(
            check,
            f"{host.descriptors} open files are few for a worker",
            f"raise the limit to {WORKER_DESCRIPTORS} or more",
        )
    files = "without a limit of open files" if host.descriptors < 0 else f"{host.descriptors:,} open files"
    if host.memory is None:
        yield ok(check, files)
        return
    text = f"{size(host.memory)} of memory for {count(workers, 'worker')} of at most {size(memory_limit << 20)}"
    if workers * USUAL_MEMORY > host.memory:
        yield warning(
            check,
            f"{text}: each usually takes about {size(USUAL_MEMORY)}",
            "lower numprocs in local.d/, or give this machine more memory",
        )
    else:
        yield ok(check, f"{text}; {files}")


def check_clock(host: Host) -> Iterator[Finding]:
    """The kernel takes its clock for synchronized."""
    if host.is_synchronized:
        yield ok("machine.clock", "the clock is synchronized")
    elif host.is_synchronized is False:
        yield warning(
            "machine.clock",
            "nothing synchronizes the clock of this machine, as far as its kernel knows",
            "run chrony or systemd-timesyncd; nothing of the promise depends on it, but ages, logs and `verify --since` do",
        )


def check_host(answers: DoctorAnswers) -> Iterator[Finding]:
    """All of the above."""
    host, fleet, settings = answers.host, answers.fleet, answers.loaded.settings
    if isinstance(host, Unanswered):
        yield unknown("machine", host.why)
        return
    plan = None if isinstance(fleet, Unanswered) else fleet.plan
    workers = 0 if isinstance(fleet, Unanswered) else len(fleet.workers)
    yield from check_packages(host)
    yield from check_folders(host)
    yield from check_ports(host, settings.metrics_host)
    least = (plan.descriptors, plan.user_processes) if plan else (0, 0)
    yield from check_limits(host, max(1, workers), settings.memory_limit, least)
    yield from check_clock(host)


CHECKS = (check_host,)
