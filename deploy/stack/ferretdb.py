"""FerretDB: how its program is built from main.go, and how it is started."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen

import by_index
import processes
import toolchain
from failure import Failure
from progress import Observer
from stack_settings import HERE, Settings, make_folder

SOURCES = ("main.go", "go.mod", "go.sum", "by_index.py")
NETWORK_SIGNS = ("dial tcp", "proxyconnect", "i/o timeout", "no such host", "TLS handshake")
# Seen from outside the program: which packages were compiled before it, their number is unknown.
BUILD = ("build", "-v", "-trimpath", "-buildvcs=false", "-modcacherw", "-ldflags=-s -w")


def command(settings: Settings) -> list[str]:
    data = settings.data_dir / "ferretdb"
    return [str(program(settings)), "-port", str(settings.mongodb_port), "-data", str(data)]


def program(settings: Settings) -> Path:
    return settings.build_dir / "bin" / "ferretdb"


class FerretDBProgram:
    """The part of the build that needs the processor. Go keeps what it has compiled, so a build
    that was broken off goes on; once the program is there, its gigabyte of caches is removed."""

    name = "FerretDB"
    megabytes = 1300

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._program = program(settings)
        self._stamp = self._program.with_suffix(".stamp")
        self._child: Popen[str] | None = None
        self._lock = threading.Lock()
        self._cancelled = False

    def is_built(self) -> bool:
        try:
            return self._stamp.read_text() == self._identity()
        except OSError:
            return False

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if self._child is not None:
                self._child.terminate()

    def build(self, observer: Observer) -> None:
        go = toolchain.go(self._settings)
        make_folder(self._program.parent)
        fresh = self._program.with_suffix(".new")
        observer.say(self.name, "fetching its Go modules")
        packages = modules = 0
        for line in self._go(go, "list", "-modcacherw", "-deps", "."):
            if line.startswith("go: downloading "):
                modules += 1
                observer.reach(self.name, modules, 0)
            else:
                packages += 1
        observer.say(self.name, f"compiling {packages} packages")
        changed = f"-modfile={self._changed_module(go)}"
        for count, _ in enumerate(self._go(go, *BUILD, changed, "-o", str(fresh), "."), 1):
            observer.reach(self.name, min(count, packages), packages)
        fresh.replace(self._program)
        self._stamp.write_text(self._identity())
        shutil.rmtree(self._settings.build_dir / "go", ignore_errors=True)
        observer.say(self.name, "ready")

    def _changed_module(self, go: toolchain.Go) -> Path:
        """A go.mod like ours that takes FerretDB from a changed copy of its source."""
        folder = self._settings.build_dir / "go" / "changed"
        shutil.rmtree(folder, ignore_errors=True)
        *_, module = self._go(go, "list", "-m", "-f", "{{.Dir}}", by_index.MODULE)
        shutil.copytree(module, folder / "FerretDB")
        for path in folder.rglob("*"):
            path.chmod(path.stat().st_mode | 0o200)
        by_index.change(folder / "FerretDB")
        replace = f"\nreplace {by_index.MODULE} => {folder / 'FerretDB'}\n"
        (folder / "go.mod").write_text((HERE / "go.mod").read_text() + replace)
        shutil.copy(HERE / "go.sum", folder / "go.sum")
        return folder / "go.mod"

    def _go(self, go: toolchain.Go, *arguments: str) -> Iterator[str]:
        """Its lines of output, as they come."""
        seen: list[str] = []
        with self._started(go, arguments) as child:
            assert child.stdout is not None
            for line in child.stdout:
                seen.append(line.strip())
                yield line.strip()
        if child.returncode != 0 and not self._cancelled:
            raise Failure(f"cannot build FerretDB: {_explain(seen)}")
        if self._cancelled:
            raise Failure("the build of FerretDB was stopped")

    @contextmanager
    def _started(self, go: toolchain.Go, arguments: tuple[str, ...]) -> Iterator[Popen[str]]:
        # Tied to this process: a build that is killed leaves no compiler behind.
        tie = [sys.executable, processes.__file__, str(os.getpid())]
        with self._lock:
            if self._cancelled:
                raise Failure("the build of FerretDB was stopped")
            self._child = Popen(
                [*tie, str(go.command), *arguments],
                cwd=HERE,
                env=go.environment,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                text=True,
                errors="replace",
            )
        try:
            with self._child as child:
                yield child
        finally:
            self._child.terminate()

    def _identity(self) -> str:
        """Of the sources and of the program made from them."""
        digest = hashlib.sha256(platform.machine().encode())
        for path in [HERE / name for name in SOURCES] + [self._program]:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


def _explain(output: list[str]) -> str:
    """Go's own words: the last line that is neither progress nor a heading."""
    if any("no space left on device" in line for line in output):
        return "no space left on the device: free some, or move STACK_BUILD_DIR"
    words = [line for line in output if " " in line and not line.startswith(("go: down", "# "))]
    reason = words[-1] if words else "go ended without a word"
    advice = "then run the same command again: it goes on here"
    if any(sign in reason for sign in NETWORK_SIGNS):
        return f"{reason}; check the network, HTTPS_PROXY and GOPROXY, {advice}"
    return f"{reason}; see to that, {advice}"
