"""The Prometheus that users get, scraping a fleet of the tests: its own stack.py, the same configuration and rules.

with Prometheus(fleet) as prometheus:
    prometheus.query("up")
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from embedded_stack import artifacts
from embedded_stack import prometheus as stack_prometheus
from embedded_stack.processes import tied
from embedded_stack.settings import Settings
from tests.support.embedded import REPOSITORY, STACK, clean_environment, unavailable, wait_until
from tests.support.fleet import Fleet
from tests.support.ports import free_ports

BUILD = str(REPOSITORY / "var/stack/build")
SCRAPE_SECONDS = 2
"""As deploy/prometheus/prometheus.yml says; a test compares."""


def is_built() -> bool:
    return artifacts.has_prometheus(_settings())


def require_built() -> None:
    """Minutes, once: where CI promises everything it is done, elsewhere `make prometheus` is asked for."""
    if is_built():
        return
    if os.environ.get("CI"):
        command = [sys.executable, str(STACK / "stack.py"), "build", "prometheus"]
        environment = clean_environment({"STACK_BUILD_DIR": BUILD})
        built = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200, check=False)
        if built.returncode == 0:
            return
        unavailable(built.stderr.strip())
    unavailable("no Prometheus: `make prometheus` builds it")


def promtool(*arguments: str, folder: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    require_built()
    command = [str(stack_prometheus.program(_settings(), "promtool")), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def _settings() -> Settings:
    return Settings.read({"STACK_BUILD_DIR": BUILD})


class Prometheus:
    """In the tree of a fleet, whose processes it scrapes, and those of other fleets; and `targets` of anybody's."""

    def __init__(self, fleet: Fleet, others: Sequence[Fleet] = (), targets: Sequence[dict[str, Any]] = ()) -> None:
        require_built()
        self._tree, self._fleet, self._others, self._targets = fleet.tree, fleet, others, targets
        self.port = free_ports(1)[0]
        self.log = fleet.tree / "var/log/prometheus.log"
        self.targets_file = fleet.tree / "var/run/targets.json"
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        (self._tree / "var/stack/run").mkdir(parents=True, exist_ok=True)
        self.write_targets()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def write_targets(self) -> None:
        """All of them into the file that it looks at."""
        found = list(self._targets)
        for fleet in [*self._others, self._fleet]:
            command = [sys.executable, str(fleet.tree / "deploy/prometheus/targets.py")]
            environment = {**os.environ, **fleet.environment}
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
            assert ran.returncode == 0, ran.stderr
            found += json.loads((fleet.tree / "var/run/targets.json").read_text())
        self.targets_file.write_text(json.dumps(found))

    def start(self) -> None:
        command = [sys.executable, str(self._tree / "deploy/stack/stack.py"), "run", "prometheus"]
        environment = clean_environment({"STACK_BUILD_DIR": BUILD, "STACK_PROMETHEUS_PORT": str(self.port)})
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(tied(*command), cwd="/", env=environment, stdout=log, stderr=log)
        try:
            wait_until(self._ready, 30, "Prometheus is ready")
        except BaseException as error:
            self.stop()
            raise RuntimeError(f"{error}: {self.log.read_text()[-2000:]}") from error

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(30)
            finally:
                self._server.kill()
                self._server.wait()
            self._server = None

    def query(self, expression: str, time: float | None = None) -> list[dict[str, Any]]:
        """The series of an instant query: labels ("metric") and "value"."""
        when = {} if time is None else {"time": str(time)}
        return list(self.api("query", query=expression, **when)["result"])

    def query_range(self, expression: str, begin: float, end: float) -> list[dict[str, Any]]:
        """Labels ("metric") and "values" of each series."""
        span = {"start": str(begin), "end": str(end), "step": str(SCRAPE_SECONDS)}
        return list(self.api("query_range", query=expression, **span)["result"])

    def up(self) -> dict[str, int]:
        """Of the first fleet: by worker, or by job where it is none."""
        series = self.query(f'up{{app="kafka-mongo-workers", group="{self._fleet.group}"}}')
        return {each["metric"].get("worker") or each["metric"]["job"]: int(each["value"][1]) for each in series}

    def api(self, path: str, **parameters: str) -> Any:
        """The data that it answers with."""
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from None

    def _ready(self) -> bool:
        if self._server is not None and self._server.poll() is not None:
            raise RuntimeError("it ended")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
