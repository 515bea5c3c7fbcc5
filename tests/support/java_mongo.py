"""A second server that speaks MongoDB's protocol, written by others in Java: mongo-java-server, in memory.

Its jars are those of java_mongo_jars/jgo.lock.toml, fetched as Kafka's are. To move to another version, edit jgo.toml
beside it and run `jgo --resolver python --class-path-only lock` there.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Self

from embedded_stack.artifacts import _alone
from embedded_stack.downloads import Jars
from embedded_stack.failure import Failure
from embedded_stack.jars import locked_jars
from embedded_stack.processes import tied
from embedded_stack.readiness import mongodb_answers
from embedded_stack.settings import Settings, make_folder
from embedded_stack.toolchain import java
from tests.support.embedded import StackUnavailableError, wait_until
from tests.support.ports import free_ports

LOCK = Path(__file__).with_name("java_mongo_jars") / "jgo.lock.toml"
MAIN = "de.bwaldvogel.mongo.InMemoryMongoServer"
PORT, WIRE_VERSION = b"\x11" + (27017).to_bytes(2), b"\x10\x08"
"""Instructions that push two numbers. It takes no other port, and it calls itself a server that is just too old for
the driver. Our Java has no compiler with which to say it better.
"""


class JavaMongo:
    """Use it with `with`; listens on a free port, and keeps its data in memory: `stop` loses them."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self._settings = Settings.read({})
        self._folder = self._settings.build_dir / "java-mongo"
        self._patched = Path(tempfile.mkdtemp(prefix="java-mongo-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        try:
            self._require_jars()
            self._patch()
            self.start()
        except Failure as failure:
            self.__exit__()
            raise StackUnavailableError(str(failure)) from failure
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._patched, ignore_errors=True)

    def start(self) -> None:
        """It ends with this process, however that ends."""
        quiet = ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow", "-XX:-UsePerfData"]
        class_path = ":".join([str(self._patched), *(str(self._folder / jar.file) for jar in locked_jars(LOCK))])
        self._process = subprocess.Popen(
            tied(str(java(self._settings)), "-Xmx128m", *quiet, "-cp", class_path, MAIN),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(self._answers, 60, "mongo-java-server serves")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise StackUnavailableError(f"mongo-java-server ended with {self._process.returncode}")
        return mongodb_answers(f"127.0.0.1:{self.port}")

    def _patch(self) -> None:
        """Two of its classes with other numbers in them, for the front of the class path."""
        port = PORT[:1] + self.port.to_bytes(2)
        for artifact, name, old, new in (
            ("mongo-java-server-memory-backend", MAIN, PORT, port),
            ("mongo-java-server-core", "de.bwaldvogel.mongo.ServerVersion", WIRE_VERSION, b"\x10\x09"),
        ):
            (jar,) = [jar for jar in locked_jars(LOCK) if jar.artifact == artifact]
            path = f"{name.replace('.', '/')}.class"
            with zipfile.ZipFile(self._folder / jar.file) as packed:
                code = packed.read(path)
            assert code.count(old) == 1, name
            (self._patched / path).parent.mkdir(parents=True, exist_ok=True)
            (self._patched / path).write_bytes(code.replace(old, new))

    def _require_jars(self) -> None:
        make_folder(self._settings.build_dir)
        with _alone(self._settings):
            jars = Jars("mongo-java-server", LOCK, self._folder)
            if not jars.is_built():
                jars.build(Silent())


class Silent:
    """Nobody watches this download."""

    def say(self, part: str, doing: str) -> None: ...

    def reach(self, part: str, done: int, total: int) -> None: ...
