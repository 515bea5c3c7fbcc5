"""The two supervisord configurations as supervisord reads them. It ignores a key that it does not know, without a word,
so the text of a file proves nothing: what is tested is what comes out of its own parser."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from supervisor.datatypes import RestartUnconditionally
from supervisor.options import ClientOptions, EventListenerPoolConfig, ServerOptions, UnhosedConfigParser

from tests.support.checkout import fresh_copy
from workers.settings import Settings

pytestmark = pytest.mark.acceptance

FLEET, STACK = "deploy/supervisord.conf", "deploy/stack/supervisord.conf"
LONGEST_SOCKET_PATH = 99
"""supervisord binds "<socket>.<pid>" first, and the kernel takes 107 bytes."""


class Parsed(NamedTuple):
    options: ServerOptions
    control: ClientOptions
    unknown: set[tuple[str, str]]
    """Section and key of everything that stands there and that supervisord never asked for."""

    @property
    def processes(self) -> list[Any]:
        return [process for group in self.options.process_group_configs for process in group.process_configs]

    @property
    def listeners(self) -> list[Any]:
        return [group for group in self.options.process_group_configs if isinstance(group, EventListenerPoolConfig)]

    @property
    def programs(self) -> list[Any]:
        """All processes but event listeners."""
        listening = [process.name for group in self.listeners for process in group.process_configs]
        return [process for process in self.processes if process.name not in listening]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return fresh_copy(tmp_path / "clone")


@pytest.fixture(params=[FLEET, STACK])
def conf(request: pytest.FixtureRequest, clone: Path) -> Path:
    return clone / request.param


def parse(conf: Path, monkeypatch: pytest.MonkeyPatch) -> Parsed:
    """As supervisord and supervisorctl do, from another folder, taking note of what they ask for."""
    asked, present = {("include", "files")}, set()
    saneget, sections = UnhosedConfigParser.saneget, UnhosedConfigParser.sections

    def note(parser: UnhosedConfigParser, section: str, option: str, *args: Any, **kwargs: Any) -> Any:
        asked.add((section, option))
        return saneget(parser, section, option, *args, **kwargs)

    def see(parser: UnhosedConfigParser) -> list[str]:
        found = sections(parser)
        present.update((section, option) for section in found for option in parser.options(section))
        return list(found)

    monkeypatch.chdir("/")
    with monkeypatch.context() as patched:
        patched.setattr(UnhosedConfigParser, "saneget", note)
        patched.setattr(UnhosedConfigParser, "sections", see)
        options, control = ServerOptions(), ClientOptions()
        options.realize(["-c", os.path.relpath(conf, "/")])
        control.realize(["-c", os.path.relpath(conf, "/")])
    return Parsed(options, control, present - asked)


def test_has_no_key_that_supervisord_ignores(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = parse(conf, monkeypatch)
    assert parsed.unknown == set()
    assert [line for line in parsed.options.parse_warnings if "No file matches via include" not in line] == []

    conf.write_text(conf.read_text().replace("stopwaitsecs=", "stopwaitsec="))
    assert {key for _, key in parse(conf, monkeypatch).unknown} == {"stopwaitsec"}


def test_is_reached_only_by_its_own_user_through_a_socket(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = parse(conf, monkeypatch)
    (server,) = parsed.options.server_configs
    assert (server["name"], "file" in server, server["chmod"]) == (None, True, 0o700)
    assert parsed.control.serverurl == f"unix://{server['file']}"


def test_runs_in_the_foreground_with_everything_under_var(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = parse(conf, monkeypatch)
    assert parsed.options.nodaemon
    var = next(folder for folder in conf.parents if folder.name == "clone") / "var"
    places = [
        parsed.options.logfile,
        parsed.options.pidfile,
        parsed.options.server_configs[0]["file"],
        *(process.stdout_logfile or process.stderr_logfile for process in parsed.processes),
    ]
    for place in places:
        folder = Path(os.path.realpath(place)).parent
        assert folder.is_relative_to(var), place
        assert folder.is_dir(), f"{folder} is not there in a fresh clone"
    assert len(set(places)) == len(places)


def test_restarts_stops_and_logs_each_process_in_a_bounded_way(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = parse(conf, monkeypatch)
    for process in parsed.processes:
        assert process.autorestart is RestartUnconditionally
        # Not everybody has built Prometheus, or wants a cluster.
        on_demand = {"prometheus", "kafka_2", "kafka_3"}
        assert (process.autostart, process.startretries >= 999) == (process.name not in on_demand, True)
        assert (process.stopsignal, process.stopasgroup, process.killasgroup) == (signal.SIGTERM, False, True)
        assert process.uid is None
    for process in parsed.programs:
        assert (process.redirect_stderr, process.stderr_logfile) == (True, None)
        assert 0 < process.stdout_logfile_maxbytes * (1 + process.stdout_logfile_backups) <= 50 * 1024 * 1024


def test_runs_four_workers_each_with_its_own_slot(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = parse(clone / FLEET, monkeypatch)
    workers = [process for process in parsed.processes if "workers run" in process.command]
    assert [worker.name for worker in workers] == ["worker_00", "worker_01", "worker_02", "worker_03"]
    assert [worker.environment["WORKERS_SLOT"] for worker in workers] == ["0", "1", "2", "3"]
    for worker in workers:
        assert worker.command == f'"{clone}/deploy/python" -m workers run'
        assert os.path.realpath(worker.directory) == str(clone)
        assert os.path.realpath(worker.environment["WORKERS_STATE_DIR"]) == f"{clone}/var/run"
        assert worker.name in worker.stdout_logfile
    (group,) = {group.name for group in parsed.options.process_group_configs if "worker" in group.name}
    assert group == "worker"


def test_runs_one_watchdog_that_hears_everything_and_whose_output_is_the_protocol_alone(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = parse(clone / FLEET, monkeypatch)
    (pool,) = parsed.listeners
    (watchdog,) = pool.process_configs
    assert {event.__name__ for event in pool.pool_events} == {
        "ProcessStateEvent",
        "SupervisorStateChangeEvent",
        "Tick5Event",
    }
    # Its own 10 would overflow with the start of one fleet; and it is to see the workers start and stop.
    assert pool.buffer_size >= 1000
    assert pool.priority < min(process.priority for process in parsed.programs)
    assert watchdog.command == f'"{clone}/deploy/python" -m workers watchdog'
    assert os.path.realpath(watchdog.directory) == str(clone)
    assert (watchdog.redirect_stderr, watchdog.stdout_logfile) == (False, None)
    assert 0 < watchdog.stderr_logfile_maxbytes * (1 + watchdog.stderr_logfile_backups) <= 50 * 1024 * 1024
    worker = parsed.programs[0]
    assert watchdog.environment["WORKERS_STATE_DIR"] == worker.environment["WORKERS_STATE_DIR"]
    assert os.path.realpath(watchdog.environment["WORKERS_EVENTS_FILE"]) == f"{clone}/var/log/events.jsonl"
    assert parse(clone / STACK, monkeypatch).listeners == []


def test_no_two_of_a_fleet_have_the_same_port(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default; a setting for one fleet, in its environment, holds for all its processes."""
    parsed = parse(clone / FLEET, monkeypatch)
    slots = [process.environment["WORKERS_SLOT"] for process in parsed.programs if "workers run" in process.command]
    settings = [Settings(slot=int(slot)) for slot in slots]
    ports = [each.metrics_port + each.slot for each in settings]
    others = {settings[0].watchdog_port, settings[0].lag_port, settings[0].auditor_port}
    assert len({*ports, *others}) == len(parsed.processes)
    assert not others & {*range(settings[0].metrics_port, settings[0].metrics_port + 100)}
    assert not {"WORKERS_METRICS_PORT", "WORKERS_WATCHDOG_PORT", "WORKERS_LAG_PORT", "WORKERS_AUDITOR_PORT"} & {
        name for process in parsed.processes for name in process.environment
    }


def test_gives_a_worker_longer_to_stop_than_it_takes(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for process in parse(clone / FLEET, monkeypatch).processes:
        if "workers run" in process.command:
            assert process.stopwaitsecs >= Settings().drain_timeout + 5


def test_a_local_file_changes_only_what_it_names(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = parse(clone / FLEET, monkeypatch).processes
    (clone / "deploy/local.d/two.conf").write_text("[program:worker]\nnumprocs=2\n")
    parsed = parse(clone / FLEET, monkeypatch)
    assert parsed.unknown == set()
    kept = [process for process in before if process.name not in ("worker_02", "worker_03")]
    assert [everything(process) for process in parsed.processes] == [everything(process) for process in kept]

    (clone / "deploy/local.d/two.conf").write_text("[program:worker]\nnumproc=2\n")
    assert parse(clone / FLEET, monkeypatch).unknown == {("program:worker", "numproc")}


def test_the_socket_fits_in_a_usual_folder(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = os.path.realpath(parse(conf, monkeypatch).options.server_configs[0]["file"])
    inside = os.path.relpath(socket, next(folder for folder in conf.parents if folder.name == "clone"))
    usual = "/home/somebody-with-a-long-name/src/github.com/kafka-mongo-workers"
    assert len(f"{usual}/{inside}") <= LONGEST_SOCKET_PATH


def everything(process: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(process).items() if name != "options"}
