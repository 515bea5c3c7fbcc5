"""The fleet of a tree: what supervisord's configuration plans, what supervisord runs, and which members are its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from workers.errors import UnavailableError
from workers.fleet.start_command import conf_of, how_to_start
from workers.fleet.supervisor import SupervisorClient
from workers.naming import all_worker_names, is_worker
from workers.pauses import NO_PAUSES, Pauses
from workers.state.heartbeat import read_beat
from workers.state.pause_file import pause_file, read_pauses
from workers.state.slot import Slot

if TYPE_CHECKING:
    from pathlib import Path

    from workers.fleet.supervisor import Process
    from workers.settings.load import Loaded

ANSWER_SECONDS = 2.0


class Planned(NamedTuple):
    """One process of supervisord's configuration."""

    name: str
    command: str
    """The last word of its command line, such as `run`."""
    environment: dict[str, str]
    stop_seconds: float = 0.0
    """`stopwaitsecs`: from the stop signal to SIGKILL."""


class FleetPlan(NamedTuple):
    """What supervisord's configuration says."""

    file: Path
    processes: tuple[Planned, ...] = ()
    problem: str = ""
    """Why supervisord would not start with it."""
    descriptors: int = 1024
    """`minfds`: supervisord does not start with fewer."""
    user_processes: int = 64
    """`minprocs`: the same for processes of its user."""


@dataclass(frozen=True)
class FleetAnswers:
    """What is known of the fleet of a tree."""

    plan: FleetPlan | None
    """None: the tree has no supervisord.conf."""
    pid: int | None
    """Of supervisord; None: it does not run here, or does not answer."""
    why: str
    """Why it did not answer."""
    processes: tuple[Process, ...]
    """As supervisord reports them."""
    members: frozenset[str]
    """Member ids in the files of this tree's slots."""
    start: str = ""
    """What starts it: see `workers.fleet.start_command.how_to_start`."""
    has_demo: bool = False
    """Whether it is a clone, in which `make demo` starts servers to try."""
    pauses: Pauses = NO_PAUSES
    """What people have paused in its folder."""

    @property
    def workers(self) -> list[str]:
        """The workers that there are to be: those that supervisord has, else those of its configuration."""
        if running := [each.name for each in self.processes if is_worker(each.name)]:
            return running
        return [each.name for each in self.plan.processes if each.command == "run"] if self.plan else []


def ask_fleet(loaded: Loaded) -> FleetAnswers:
    """Look at the fleet of a tree. It takes some seconds at most."""
    client = SupervisorClient(loaded.paths.supervisord_socket, timeout=ANSWER_SECONDS)
    pid: int | None = None
    processes: tuple[Process, ...] = ()
    why = ""
    try:
        pid, processes = client.pid(), tuple(client.processes())
    except UnavailableError as error:
        why = str(error)
    slots = [Slot(loaded.paths.state_dir, loaded.settings.group, name) for name in all_worker_names()]
    members = {found.id for slot in slots if (found := slot.member.read())}
    members |= {beat.member_id for slot in slots if (beat := read_beat(slot.heartbeat_file)) and beat.member_id}
    tree = loaded.paths.tree
    has_demo = (tree / "deploy/stack/demo.py").is_file()
    start, pauses = how_to_start(tree), read_pauses(pause_file(loaded.paths.state_dir, loaded.settings.group))
    return FleetAnswers(_plan(tree), pid, why, processes, frozenset(members), start, has_demo, pauses)


def _plan(tree: Path) -> FleetPlan | None:
    from supervisor.options import ServerOptions

    file = conf_of(tree)
    if file is None:
        return None
    options = ServerOptions()
    # What supervisord says of a mistake would be the text of a SystemExit.
    options.usage = _raise
    try:
        options.realize(["-c", str(file)])
        processes = tuple(
            Planned(each.name, each.command.split()[-1], dict(each.environment or {}), float(each.stopwaitsecs))
            for group in options.process_group_configs
            for each in group.process_configs
        )
    except (ValueError, OSError) as error:
        return FleetPlan(file, problem=" ".join(str(error).split()))
    return FleetPlan(file, processes, "", int(options.minfds), int(options.minprocs))


def _raise(problem: str) -> NoReturn:
    raise ValueError(problem)
