"""Fetching jars with jgo, from Maven Central or from the repositories that the user's own
jgo configuration names. A jar counts only once its checksum is that of the lock.
"""

from __future__ import annotations

import errno
import os
import shutil
import ssl
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event

import requests
from jgo.config import GlobalSettings
from jgo.maven import MavenContext

from embedded_stack.failure import Failure
from embedded_stack.jars import LOCK, Jar, folder, locked_jars, sha256
from embedded_stack.progress import Observer
from embedded_stack.settings import Settings, make_folder

TRIES = 3


class Jars:
    """All jars of one lock, in one folder. Each appears whole or not at all, so that a build that
    was broken off goes on with the next one."""

    def __init__(self, name: str, lock: Path, target: Path) -> None:
        self.name = name
        self._lock = lock
        self._folder = target
        self._scratch = target.with_name(f"{target.name}.part")
        self._stop = Event()

    def is_built(self) -> bool:
        return not self._missing()

    def cancel(self) -> None:
        self._stop.set()

    def build(self, observer: Observer) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        make_folder(self._folder)
        _trust_whom_the_system_trusts()
        missing, total = self._missing(), len(locked_jars(self._lock))
        observer.say(self.name, f"downloading {len(missing)} of {total} jars")
        with ThreadPoolExecutor(4, thread_name_prefix="jar") as pool:
            downloads = [pool.submit(self._download, jar) for jar in missing]
            try:
                for count, download in enumerate(as_completed(downloads), total - len(missing) + 1):
                    download.result()
                    observer.reach(self.name, count, total)
            except BaseException:
                self._stop.set()
                raise
        shutil.rmtree(self._scratch, ignore_errors=True)
        if not self._stop.is_set():
            observer.say(self.name, "ready")

    def _missing(self) -> list[Jar]:
        return [jar for jar in locked_jars(self._lock) if sha256(self._folder / jar.file) != jar.sha256]

    def _download(self, jar: Jar) -> None:
        for attempt in range(1, TRIES + 1):
            if self._stop.is_set():
                return
            # A folder a try: jgo does not write over what a broken download left behind.
            context = MavenContext(
                repo_cache=self._scratch / f"{jar.artifact}-{attempt}",
                remote_repos=_repositories(),
                timeout=30,
            )
            try:
                fetched = _fetch(context, jar)
            except requests.RequestException as error:
                if attempt == TRIES:
                    raise Failure(
                        f"cannot download {jar.file}: {_cause(error)}; check the network and"
                        " HTTPS_PROXY, then run the same command again: it goes on here"
                    ) from error
            else:
                self._accept(jar, fetched)
                return

    def _accept(self, jar: Jar, fetched: Path) -> None:
        found = sha256(fetched)
        if found != jar.sha256:
            raise Failure(
                f"{jar.coordinate} has the SHA-256 {found}, but {self._lock.name} says {jar.sha256}:"
                " the repository serves another file than the one that was locked; do not use it"
            )
        fetched.replace(self._folder / jar.file)


class KafkaJars(Jars):
    """The part of the build that needs the network only."""

    megabytes = 120

    def __init__(self, settings: Settings) -> None:
        super().__init__("Kafka", LOCK, folder(settings))


def _trust_whom_the_system_trusts() -> None:
    """requests knows the authorities that it brings along, and not the one of a company's proxy, which pip and Go find
    in the system's store."""
    system = ssl.get_default_verify_paths()
    store = system.cafile or (system.capath if system.capath and any(Path(system.capath).iterdir()) else None)
    if store and not os.environ.get("CURL_CA_BUNDLE"):
        os.environ.setdefault("REQUESTS_CA_BUNDLE", store)


def _repositories() -> dict[str, str] | None:
    """None is jgo's default, Maven Central; a user's "central" takes its place."""
    configured = GlobalSettings.load().repositories
    return {**MavenContext().remote_repos, **configured} if configured else None


def _fetch(context: MavenContext, jar: Jar) -> Path:
    try:
        fetched = context.resolver.download(context.create_dependency(jar.coordinate).artifact)
    except OSError as error:
        if isinstance(error, requests.RequestException):
            raise
        raise Failure(f"cannot store {jar.file}: {describe(error)}") from error
    except RuntimeError as error:
        raise Failure(
            f"{jar.coordinate} is not in {', '.join(context.remote_repos)}: see the repositories in jgo's configuration"
        ) from error
    if fetched is None:
        raise Failure(f"jgo did not download {jar.coordinate}")
    return Path(fetched)


def describe(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "no space left on the device: free some, or move STACK_BUILD_DIR"
    return error.strerror or str(error)


def _cause(error: BaseException) -> str:
    """The innermost reason: the outer layers repeat it at length."""
    while True:
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        if inner is None and error.args and isinstance(error.args[0], BaseException):
            inner = error.args[0]
        if not isinstance(inner, BaseException):
            return str(error) or type(error).__name__
        error = inner
