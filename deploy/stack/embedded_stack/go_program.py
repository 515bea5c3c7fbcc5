"""Programs that are compiled here from Go modules: once, with the stack's own Go, in caches of their own."""

from __future__ import annotations

import hashlib
import platform
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen

from embedded_stack import toolchain
from embedded_stack.failure import Failure
from embedded_stack.processes import tied
from embedded_stack.progress import Observer
from embedded_stack.settings import make_folder

NETWORK_SIGNS = ("dial tcp", "proxyconnect", "i/o timeout", "no such host", "TLS handshake")
# Seen from outside the program: which packages were compiled before it, their number is unknown.
BUILD = ("build", "-v", "-trimpath", "-buildvcs=false", "-modcacherw", "-ldflags=-s -w")


class GoProgram:
    """A part of the build that needs the processor. Go keeps what it has compiled, so a build that was broken off goes
    on; once the programs are there, the caches, gigabytes of them, are removed."""

    name: str
    megabytes: int

    def __init__(self, made: Sequence[Path], sources: Sequence[Path], packages: Sequence[str], caches: Path) -> None:
        """Args: made: the programs, in one folder, one for each of `packages`; sources: what they depend on, among
        them a go.mod, in whose folder Go works."""
        self.made, self._sources, self._packages, self.caches = made, sources, packages, caches
        self.module = next(path.parent for path in sources if path.name == "go.mod")
        self._stamp = made[0].with_suffix(".stamp")
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

    def compile(self, go: toolchain.Go, observer: Observer, packages: int, *flags: str) -> None:
        """Args: packages: how many there are, as `fetch` said."""
        observer.say(self.name, f"compiling {packages} packages")
        make_folder(self.made[0].parent)
        fresh = [path.with_suffix(".new") for path in self.made]
        done = 0
        for path, package in zip(fresh, self._packages, strict=True):
            for _ in self.go(go, *BUILD, *flags, "-o", str(path), package):
                done += 1
                observer.reach(self.name, min(done, packages), packages)
        for path, program in zip(fresh, self.made, strict=True):
            path.replace(program)
        self._stamp.write_text(self._identity())
        shutil.rmtree(self.caches, ignore_errors=True)
        observer.say(self.name, "ready")

    def fetch(self, go: toolchain.Go, observer: Observer, *flags: str) -> int:
        """Returns the number of packages that there are to compile."""
        observer.say(self.name, "fetching its Go modules")
        packages = modules = 0
        for line in self.go(go, "list", "-modcacherw", *flags, "-deps", *self._packages):
            if line.startswith("go: downloading "):
                modules += 1
                observer.reach(self.name, modules, 0)
            else:
                packages += 1
        return packages

    def go(self, go: toolchain.Go, *arguments: str) -> Iterator[str]:
        """Its lines of output, as they come."""
        seen: list[str] = []
        with self._started(go, arguments) as child:
            assert child.stdout is not None
            for line in child.stdout:
                seen.append(line.strip())
                yield line.strip()
        if child.returncode != 0 and not self._cancelled:
            raise Failure(f"cannot build {self.name}: {_explain(seen)}")
        if self._cancelled:
            raise Failure(f"the build of {self.name} was stopped")

    @contextmanager
    def _started(self, go: toolchain.Go, arguments: tuple[str, ...]) -> Iterator[Popen[str]]:
        with self._lock:
            if self._cancelled:
                raise Failure(f"the build of {self.name} was stopped")
            # A build that is killed leaves no compiler behind.
            self._child = Popen(
                tied(go.command, *arguments),
                cwd=self.module,
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
        """Of the sources and of the programs made from them."""
        digest = hashlib.sha256(platform.machine().encode())
        for path in [*self._sources, *self.made]:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
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
