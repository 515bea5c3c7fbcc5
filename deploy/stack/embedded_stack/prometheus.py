"""Prometheus and promtool: those on PATH, or else built once; and how the server is started.

The service discoveries of clouds are left out, all but files: with them it compiles for far longer, and the module of
one of them cannot be had. That is also why `go mod tidy` fails in prometheus/. To move to another version, write it into
prometheus/go.mod and run `go list -mod=mod` there, with the flags and packages below, on an empty go.sum.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from embedded_stack import toolchain
from embedded_stack.go_program import GoProgram
from embedded_stack.progress import Observer
from embedded_stack.settings import FOLDER, Settings

PROGRAMS = ("prometheus", "promtool")
MODULE = "github.com/prometheus/prometheus"
TAGS = "-tags=remove_all_sd,enable_file_sd"
SOURCES = ("prometheus/go.mod", "prometheus/go.sum")
# Rules and their tests are written for it.
OLDEST_MAJOR = 3
CONFIGURATION = FOLDER.parent / "prometheus" / "prometheus.yml"


def command(settings: Settings) -> list[str]:
    return [
        str(program(settings)),
        f"--config.file={CONFIGURATION}",
        f"--web.listen-address={settings.address('prometheus')}",
        f"--storage.tsdb.path={settings.data_dir / 'prometheus'}",
        "--storage.tsdb.retention.time=15d",
        "--storage.tsdb.retention.size=1GB",
    ]


def program(settings: Settings, name: str = "prometheus") -> Path:
    return _installed().get(name) or settings.build_dir / "prometheus" / name


class PrometheusProgram(GoProgram):
    name = "Prometheus"
    megabytes = 2200

    def __init__(self, settings: Settings) -> None:
        folder = settings.build_dir / "prometheus"
        packages = [f"{MODULE}/cmd/{name}" for name in PROGRAMS]
        super().__init__(
            [folder / name for name in PROGRAMS], [FOLDER / name for name in SOURCES], packages, folder / "go"
        )
        self._settings = settings

    def is_built(self) -> bool:
        return bool(_installed()) or super().is_built()

    def build(self, observer: Observer) -> None:
        go = toolchain.go(self._settings, self.caches)
        self.compile(go, observer, self.fetch(go, observer, TAGS), TAGS)


def _installed() -> dict[str, Path]:
    """Both programs, where PATH has them and they are not too old: unlike with a Java or a Go, nothing is made with
    them. Empty otherwise."""
    found = {name: Path(path).absolute() for name in PROGRAMS if (path := shutil.which(name))}
    return found if len(found) == len(PROGRAMS) and all(map(_is_recent, found.values())) else {}


def _is_recent(command: Path) -> bool:
    try:
        said = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    version = re.search(r"version (\d+)\.", said.stdout + said.stderr)
    return version is not None and int(version[1]) >= OLDEST_MAJOR
