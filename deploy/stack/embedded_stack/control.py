"""up, down and status: the stack as a whole, in the background."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from embedded_stack import artifacts, broker, ports
from embedded_stack.failure import ExitCode, Failure
from embedded_stack.processes import Record
from embedded_stack.readiness import ANSWERS
from embedded_stack.settings import Settings
from embedded_stack.supervision import Supervisord

# The slowest of these is a first start on a busy machine: format, then start.
START_SECONDS = 60
STOP_SECONDS = 60
ORPHAN_SECONDS = 15


def up(settings: Settings) -> None:
    supervisord = Supervisord(settings)
    programs = _programs(settings)
    if supervisord.answers():
        _require_same_addresses(settings)
        started = supervisord.start_stopped_programs(programs)
        _wait_ready(settings, programs, supervisord.answers)
        now = f" ({' and '.join(started)} started)" if started else ""
        print(f"the stack is already running{now}")
    else:
        artifacts.require_built(settings)
        settings.make_folders()
        _end_orphans(settings)
        for program in programs:
            for setting, port in settings.ports(program).items():
                ports.require_free(port, setting)
        _start(settings, programs, supervisord)
        print("the stack is running")
    _print_addresses(settings, programs)


def down(settings: Settings) -> None:
    supervisord = Supervisord(settings)
    process = supervisord.process()
    if process is not None:
        supervisord.shut_down(process, STOP_SECONDS)
    orphans = _end_orphans(settings)
    print("the stack is stopped" if process or orphans else "the stack was not running")


def status(settings: Settings) -> ExitCode:
    """OK when all serve; else what is wrong, for people and for scripts."""
    supervisord = Supervisord(settings)
    programs = {each.name: each for each in supervisord.programs()}
    if not programs:
        print("the stack is not running: `stack.py up` starts it")
        return ExitCode.UNAVAILABLE
    healthy = True
    for name in _programs(settings):
        state = programs[name].state if name in programs else "UNKNOWN"
        record = Record.read(settings.record(name))
        serves = record is not None and record.process is not None and ANSWERS[name](record.address)
        healthy = healthy and serves
        where = record.address if record and record.process else "-"
        pid = record.pid if record and record.process else "-"
        answer = "answers" if serves else "does not answer"
        print(f"{name:<12}{state:<10}pid {pid:<9}{where:<18}{answer}")
    return ExitCode.OK if healthy else ExitCode.UNAVAILABLE


def _programs(settings: Settings) -> list[str]:
    return [*settings.programs, *(["prometheus"] if artifacts.has_prometheus(settings) else [])]


def _start(settings: Settings, programs: Sequence[str], supervisord: Supervisord) -> None:
    child = supervisord.start()
    try:
        while not supervisord.answers() and child.poll() is None:
            time.sleep(0.05)
        supervisord.start_stopped_programs(programs)
        _wait_ready(settings, programs, lambda: child.poll() is None)
    except BaseException:
        # Half a stack that nobody knows of is worse than none.
        if child.poll() is None:
            supervisord.shut_down(psutil.Process(child.pid), STOP_SECONDS)
        raise


def _wait_ready(settings: Settings, programs: Sequence[str], supervised: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    waiting = list(programs)
    while waiting:
        name = waiting[0]
        if _serves(settings, name):
            waiting.pop(0)
        elif not supervised():
            said = _last_line(Supervisord(settings).first_words)
            raise Failure(f"supervisord ended: {said or f'see {settings.log_dir}'}")
        elif time.monotonic() > deadline:
            log = settings.log_dir / f"{name}.log"
            raise Failure(
                f"{name} did not answer on {settings.address(name)} within {START_SECONDS} s;"
                f" the end of {log}: {_last_line(log) or 'empty'}"
            )
        else:
            time.sleep(0.05)


def _serves(settings: Settings, program: str) -> bool:
    """Our own process, and not a stranger who answers on that port."""
    record = Record.read(settings.record(program))
    if record is None or record.process is None or record.address != settings.address(program):
        return False
    return ANSWERS[program](record.address)


def _require_same_addresses(settings: Settings) -> None:
    running = broker.running_brokers(settings)
    if running not in (None, len(settings.brokers)):
        raise Failure(
            f"the stack is already running with {running} Kafka broker(s), not with {len(settings.brokers)}:"
            " stop it first (`stack.py down`)"
        )
    for program in ANSWERS:
        record = Record.read(settings.record(program))
        if record and record.process and record.address != settings.address(program):
            raise Failure(
                f"the stack is already running with {program} on {record.address}, not on"
                f" {settings.address(program)}: stop it first (`stack.py down`)"
            )


def _end_orphans(settings: Settings) -> list[psutil.Process]:
    """Servers whose supervisord was killed are on their way out: the kernel told them. Wait, and
    insist when one of them cannot hear."""
    records = [Record.read(settings.record(name)) for name in ANSWERS]
    orphans = [record.process for record in records if record and record.process]
    for process in orphans:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, deaf = psutil.wait_procs(orphans, timeout=ORPHAN_SECONDS)
    for process in deaf:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(deaf, timeout=ORPHAN_SECONDS)
    return orphans


def _print_addresses(settings: Settings, programs: Sequence[str]) -> None:
    print(f"  Kafka       {settings.bootstrap_servers}")
    print(f"  MongoDB     mongodb://{settings.address('ferretdb')}  (FerretDB)")
    if "prometheus" in programs:
        print(f"  Prometheus  http://{settings.address('prometheus')}  (its API; the pages in it are not built)")


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
