"""Everything that is made once: Kafka's jars, the programs of FerretDB and Prometheus; all at the same time."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from typing import Protocol

from embedded_stack import progress, toolchain
from embedded_stack.downloads import KafkaJars
from embedded_stack.failure import Failure
from embedded_stack.ferretdb import FerretDBProgram
from embedded_stack.prometheus import PrometheusProgram
from embedded_stack.settings import Settings, make_folder

MEGABYTE = 1 << 20


class Part(Protocol):
    name: str
    megabytes: int

    def is_built(self) -> bool: ...

    def build(self, observer: progress.Observer) -> None: ...

    def cancel(self) -> None: ...


def parts(settings: Settings) -> dict[str, Part]:
    return {
        "kafka": KafkaJars(settings),
        "ferretdb": FerretDBProgram(settings),
        "prometheus": PrometheusProgram(settings),
    }


def has_prometheus(settings: Settings) -> bool:
    """The only part that the stack does without."""
    return PrometheusProgram(settings).is_built()


def require_built(settings: Settings) -> None:
    missing = [part.name for name, part in parts(settings).items() if name != "prometheus" and not part.is_built()]
    if missing:
        raise Failure(f"{' and '.join(missing)} must be built first: run `stack.py build`")


def build(settings: Settings, wanted: list[str]) -> None:
    """What is there already is skipped; the first failure stops the rest."""
    chosen = {name: part for name, part in parts(settings).items() if name in wanted}
    make_folder(settings.build_dir)
    with ExitStack() as locks:
        # Prometheus takes minutes: nobody who only wants the other two is to wait for it.
        for lock in sorted({"prometheus.lock" if name == "prometheus" else "lock" for name in chosen}):
            locks.enter_context(_alone(settings, lock))
        missing = [part for part in chosen.values() if not part.is_built()]
        if not missing:
            print(f"nothing to build: {', '.join(chosen)} ready in {settings.build_dir}")
            return
        _require_space(settings, missing)
        if "kafka" in chosen:
            toolchain.check_java(settings)
        begun = time.monotonic()
        with progress.observer() as observer:
            _build_together(missing, observer)
        print(f"built in {time.monotonic() - begun:.0f} s: {settings.build_dir}")


def _build_together(missing: list[Part], observer: progress.Observer) -> None:
    with ThreadPoolExecutor(len(missing), thread_name_prefix="part") as pool:
        builds = [pool.submit(part.build, observer) for part in missing]
        try:
            done, _ = wait(builds, return_when=FIRST_EXCEPTION)
            for each in done:
                each.result()
        except BaseException:
            for part in missing:
                part.cancel()
            raise


def _require_space(settings: Settings, missing: list[Part]) -> None:
    needed = sum(part.megabytes for part in missing)
    free = shutil.disk_usage(settings.build_dir).free // MEGABYTE
    if free < needed:
        raise Failure(
            f"{settings.build_dir} has {free} MB free and the build needs {needed} MB:"
            " free some, or move STACK_BUILD_DIR"
        )


@contextmanager
def _alone(settings: Settings, name: str = "lock") -> Iterator[None]:
    """Two builds in one folder: the second waits. A killed one lets go of the lock by dying."""
    with (settings.build_dir / name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another build of the stack to end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
