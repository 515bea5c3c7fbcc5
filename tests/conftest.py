"""What every test starts from: none of the developer's own settings, and the servers only where they are asked for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "dev",
    deadline=None,
    max_examples=100,
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("ci", settings.get_profile("dev"), max_examples=150, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # In the background of a script. What the tests start would inherit that, and no Ctrl-C would end it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", metavar="FOLDER", help="keep the pictures of the page that test_page_drill.py takes")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What passed only in repetition, in this CI run so far. Each is a defect: of the test, or of what it tests."""
    if not (kept := os.environ.get("CI_REPEATED")):
        return
    with Path(kept).open("a+") as file:
        if config.getoption("lf"):
            passed = terminalreporter.stats.get("passed", [])
            file.writelines(f"{each.nodeid}\n" for each in passed if each.when == "call")
        file.seek(0)
        repeated = file.read().splitlines()
    terminalreporter.section("passed only in repetition")
    for line in repeated or ["none"]:
        terminalreporter.line(line)


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("WORKERS_", "STACK_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def stack() -> Iterator[Any]:
    """A real Kafka and a real FerretDB. Without a build, a laptop skips with the reason; where `CI=true`, it fails."""
    try:
        from tests.support.embedded import EmbeddedStack, StackUnavailableError
    except ImportError as error:
        _unavailable(f"no embedded stack: {error}")
    try:
        started = EmbeddedStack().__enter__()
    except StackUnavailableError as error:
        _unavailable(f"no embedded stack: {error}")
    try:
        yield started
    finally:
        started.__exit__()


@pytest.fixture(autouse=True)
def _whole_stack(request: pytest.FixtureRequest) -> None:
    """A test that fails while it has stopped a server does not fail the next one."""
    if "stack" in request.fixturenames:
        request.getfixturevalue("stack").make_whole()


def _unavailable(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
