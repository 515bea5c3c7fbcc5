"""One examination: every service is asked at the same time, then every check is made, whatever the others found.

A new check is a function from `DoctorAnswers` to findings, in the CHECKS of its subject. A new subject is a line in `SECTIONS`.
"""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workers.doctor import (
    fleet_checks,
    group_checks,
    host_checks,
    kafka_checks,
    retention_checks,
    routes_checks,
    settings_checks,
    topic_checks,
    topics_checks,
)
from workers.doctor.answers import DoctorAnswers, Unanswered, asked
from workers.doctor.fleet_answers import ask_fleet
from workers.doctor.host import ask_host
from workers.doctor.kafka_questions import ask_kafka
from workers.errors import ExitCode
from workers.findings import Finding, Severity, unknown
from workers.process import start_thread
from workers.sinks.registry import open_doctor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from workers.settings.load import Loaded

DEADLINE_SECONDS = 20.0
"""For all answers together. A service that is down takes some seconds; one that hangs is not waited for any longer."""
LOOK_SECONDS = 0.1
KAFKA, FLEET = "Kafka", "this machine"
"""Who is asked, besides the sink."""
_NOT_ASKED = "not asked: the settings cannot be used"


@dataclass(frozen=True)
class Section:
    """The findings about one subject."""

    name: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """What one examination found."""

    sections: tuple[Section, ...]
    seconds: float

    def count(self, mark: Severity) -> int:
        """How many findings have this mark."""
        return sum(each.mark is mark for section in self.sections for each in section.findings)

    @property
    def exit_code(self) -> ExitCode:
        """FAILED: something is wrong; UNCHECKED: nothing that was seen, and something could not be asked."""
        if self.count(Severity.WRONG):
            return ExitCode.FAILED
        return ExitCode.UNCHECKED if self.count(Severity.UNKNOWN) else ExitCode.OK

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "exit_code": int(self.exit_code),
            "seconds": round(self.seconds, 3),
            **{str(mark): self.count(mark) for mark in Severity},
            "sections": [asdict(section) for section in self.sections],
        }


def examine(loaded: Loaded, on_wait: Callable[[Sequence[str]], None] = lambda _names: None) -> Report:
    """Ask every service, and make every check.

    Args: on_wait: called again and again with the names of those whose answers are waited for.

    Raises:
        NoThreadError: the system gives no thread.
    """
    started = time.monotonic()
    answers = DoctorAnswers(loaded)
    sink = asked(lambda: open_doctor(loaded.settings))
    if not isinstance(sink, Unanswered):
        answers.sink_name = sink.name

    def ask_machine() -> None:
        answers.fleet = asked(lambda: ask_fleet(loaded))
        if not isinstance(fleet := answers.fleet, Unanswered):
            answers.host = asked(lambda: ask_host(loaded, fleet))

    def ask_sink() -> None:
        if isinstance(sink, Unanswered):
            answers.sink.append(unknown("sink", sink.why))
            answers.sink_ended = True
            return
        failed = asked(lambda: answers.sink.extend(sink.examine()))
        if isinstance(failed, Unanswered):
            answers.sink.append(unknown("sink", f"{sink.name} {failed.why}"))
        answers.sink_ended = True
        asked(sink.close)

    _side_by_side(
        {
            KAFKA: lambda: ask_kafka(loaded.settings, answers.kafka),
            answers.sink_name: ask_sink,
            FLEET: ask_machine,
        },
        started + DEADLINE_SECONDS,
        on_wait,
    )
    return Report(tuple(_sections(answers)), time.monotonic() - started)


def _sections(answers: DoctorAnswers) -> Iterable[Section]:
    sections: list[tuple[str, Sequence[Callable[[DoctorAnswers], Iterable[Finding]]]]] = [
        ("settings", settings_checks.CHECKS),
        ("Kafka", kafka_checks.CHECKS),
        *_topics(answers),
        ("group", group_checks.CHECKS),
        (answers.sink_name, (_sink,)),
        ("this machine", host_checks.CHECKS),
        ("fleet", fleet_checks.CHECKS),
    ]
    for name, checks in sections:
        yield Section(name, tuple(finding for check in checks for finding in _checked(check, answers)))


def _topics(answers: DoctorAnswers) -> Sequence[tuple[str, Sequence[Callable[[DoctorAnswers], Iterable[Finding]]]]]:
    if not answers.loaded.settings.route_table.has_several_topics:
        return [("topic", topic_checks.CHECKS + retention_checks.CHECKS)]
    if not answers.kafka.by_topic:
        # Kafka did not answer: the check of one topic says so.
        return [("routes", routes_checks.CHECKS), ("topics", (topic_checks.check_topic,))]
    return [("routes", routes_checks.CHECKS), ("topics", topics_checks.CHECKS)]


def _sink(answers: DoctorAnswers) -> Iterable[Finding]:
    found = list(answers.sink)
    if not answers.sink_ended:
        what = "does not answer the next question" if found else f"has not answered within {DEADLINE_SECONDS:.0f} s"
        found.append(unknown("sink", f"{answers.sink_name} {what}"))
    return found


def _checked(check: Callable[[DoctorAnswers], Iterable[Finding]], answers: DoctorAnswers) -> list[Finding]:
    """A mistake in one check must not hide what the others found."""
    found: list[Finding] = []
    try:
        found.extend(check(answers))
    except Exception as error:  # noqa: BLE001 whatever it is, the report is made
        name = getattr(check, "__name__", "a check")
        found.append(unknown("doctor", f"{name} failed: {type(error).__name__}", "this is a bug; please report it"))
    return found


def without_settings(problems: Sequence[str]) -> Report:
    """The report where the settings cannot be used: nothing can be asked with them."""
    from workers.findings import advised

    found = tuple(
        advised("settings.valid", Severity.WRONG, each, "mend it; `workers config` lists all settings")
        for each in problems
    )
    others = tuple(
        Section(name, (unknown(name, _NOT_ASKED),))
        for name in ("Kafka", "topic", "group", "database", "this machine", "fleet")
    )
    return Report((Section("settings", found), *others), 0.0)


def _side_by_side(
    questions: dict[str, Callable[[], None]], deadline: float, on_wait: Callable[[Sequence[str]], None]
) -> None:
    """Return when all have ended, or at the deadline."""
    threads: dict[str, threading.Thread] = {name: start_thread(ask, f"ask-{name}") for name, ask in questions.items()}
    while waiting := [name for name, thread in threads.items() if thread.is_alive()]:
        if time.monotonic() > deadline:
            return
        on_wait(waiting)
        threads[waiting[0]].join(LOOK_SECONDS)
