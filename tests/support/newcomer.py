"""Somebody who has a Python, pip and an empty folder, and is not root: no clone, nothing activated, a bare PATH."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

UID = 47_231
"""A user that no machine has; only where the tests are run by root."""
CARRIED = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT")
"""Where this machine gets its packages from."""


def find_python(version: str) -> Path | None:
    """An interpreter of this version; None: this machine has none. A name on PATH may be a shim that stands for nothing."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    names = [*sorted(map(str, kept.glob(f"{version}.*/bin/python"))), f"python{version}", sys.executable]
    for name in [f"/usr/bin/python{version}", *names]:
        # On Debian, venv and ensurepip are a package of their own.
        ask = "import ensurepip, sys; print('%d.%d' % sys.version_info[:2], sys._base_executable)"
        with contextlib.suppress(OSError):
            said = subprocess.run([name, "-c", ask], capture_output=True, text=True, check=False).stdout.split()
            if said[:1] == [version]:
                return Path(said[1])
    return None


class Newcomer:
    """`home` is theirs, and is removed with them."""

    def __init__(self, python: Path) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="own-")).resolve()
        self._is_root = os.geteuid() == 0
        if self._is_root:
            os.chown(self.home, UID, UID)
        self.environment = {"HOME": str(self.home), "PATH": os.defpath, "LANG": "C.UTF-8"}
        self._started: list[subprocess.Popen[bytes]] = []
        self.python = self._reachable(python)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for started in self._started:
            started.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def as_user(self, command: Sequence[str]) -> list[str]:
        """A command that runs as this user, whoever runs the tests."""
        if not self._is_root:
            return list(command)
        user = (f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs", "--inh-caps=-all")
        return ["setpriv", *user, "--", *command]

    def run(self, *command: str, folder: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.as_user(command),
            cwd=folder or self.home,
            env=self.environment | extra,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def install(self, package: Path, cache: Path) -> Path:
        """`python -m venv`, and pip into it. Returns the folder of its commands."""
        shutil.copy(package, self.home)
        packages = {name: value for name, value in os.environ.items() if name.startswith(CARRIED)}
        commands = self.home / "environment/bin"
        for command in (
            [str(self.python), "-m", "venv", str(commands.parent)],
            [str(commands / "python"), "-m", "pip", "install", "--quiet", str(self.home / package.name)],
        ):
            ran = self.run(*command, **{**packages, "PIP_CACHE_DIR": str(self._of_user(cache))})
            assert ran.returncode == 0, ran
        return commands

    def start(self, command: str, folder: Path) -> subprocess.Popen[bytes]:
        """In the background, its output in `supervisord.out`."""
        with (self.home / "supervisord.out").open("ab") as out:
            started = subprocess.Popen(
                self.as_user(["sh", "-c", f"exec {command}"]),
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._started.append(started)
        return started

    def processes(self) -> list[psutil.Process]:
        """Every process that works in this home."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if Path(process.cwd()).is_relative_to(self.home):
                    found.append(process)
        return found

    def _of_user(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        if self._is_root:
            os.chown(folder, UID, UID)
        return folder

    def _reachable(self, python: Path) -> Path:
        """This interpreter, or where only root can read it, a copy of it (of links, where that is possible)."""
        with contextlib.suppress(OSError):
            # Without its own library it may load another's, and be another version.
            ask = [str(python), "-c", "import sys; print(sys.version, sys.prefix)"]
            theirs = subprocess.run(self.as_user(ask), capture_output=True, check=False)
            if theirs.returncode == 0 and theirs.stdout == subprocess.run(ask, capture_output=True, check=True).stdout:
                return python
        prefix, copy = python.parents[1], self.home / "python"
        shutil.copytree(
            prefix,
            copy,
            symlinks=True,
            copy_function=_link,
            ignore=shutil.ignore_patterns("test", "tests", "site-packages", "__pycache__", "*.a"),
        )
        # The copy's own library: the one it was built for is as unreadable as it was itself.
        self.environment["LD_LIBRARY_PATH"] = str(copy / "lib")
        return copy / "bin" / python.name


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def write_script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def settings_script(settings: Mapping[str, str]) -> str:
    """An editor that sets what a person would, and leaves all other lines of the file as they are."""
    edits = "".join(f" -e 's|^#*{name}=.*|{name}={value}|'" for name, value in settings.items())
    return f'#!/bin/sh\nsed -i{edits} "$1"\n'
