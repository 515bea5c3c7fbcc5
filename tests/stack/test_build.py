"""The build of the embedded stack: it goes on where it was broken off, it accepts no other jar than
the locked one, and what goes wrong is one clear line."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from embedded_stack import by_index
from tests.support.embedded import (
    STACK,
    EmbeddedStack,
    StackUnavailableError,
    clean_environment,
    unavailable,
    wait_until,
)
from tests.support.maven import BUILT, MavenRepository

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PROMETHEUS = ["prometheus/prometheus", "prometheus/promtool"]
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def _built() -> None:
    stack = EmbeddedStack()
    try:
        stack.require_built()
    except StackUnavailableError as reason:
        unavailable(reason)
    finally:
        stack.remove()


@pytest.mark.parametrize("part", ["kafka", "ferretdb", "prometheus"])
def test_a_build_without_a_network_is_one_clear_line(tmp_path: Path, part: str) -> None:
    proxies = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "GOPROXY"), NOWHERE)
    built = build(tmp_path, part, {**proxies, "NO_PROXY": "", "no_proxy": "", "PATH": os.defpath})
    assert built.returncode == 69
    assert one_line(built.stderr)
    assert "network" in built.stderr
    assert "connection refused" in built.stderr.lower()


@pytest.mark.usefixtures("_built")
def test_downloads_go_on_where_they_were_broken_off(tmp_path: Path) -> None:
    with MavenRepository(hold_after=10) as repository:
        settings = {"JGO_CONFIG_FILE": str(repository.configuration(tmp_path))}
        killed = start_build(tmp_path, "kafka", settings)
        wait_until(lambda: repository.held.is_set() and len(jars(tmp_path)) >= 6, 30, "the download is half-way")
        kill(killed)
        whole = jars(tmp_path)
        assert all(jar.read_bytes() == (BUILT / jar.name).read_bytes() for jar in whole)
        repository.go_on()

        first = len(repository.served)
        assert build(tmp_path, "kafka", settings).returncode == 0
        assert not {jar.name for jar in whole} & set(repository.served[first:])
        assert {jar.name for jar in jars(tmp_path)} == {jar.name for jar in BUILT.iterdir()}

        first = len(repository.served)
        again = build(tmp_path, "kafka", settings)
        assert (again.returncode, "nothing to build" in again.stdout) == (0, True)
        assert len(repository.served) == first


@pytest.mark.usefixtures("_built")
def test_a_jar_that_is_not_the_locked_one_is_refused(tmp_path: Path) -> None:
    with MavenRepository(corrupt="kafka_2.13-4.3.1.jar") as repository:
        built = build(tmp_path, "kafka", {"JGO_CONFIG_FILE": str(repository.configuration(tmp_path))})
    assert built.returncode == 69
    assert one_line(built.stderr)
    assert "org.apache.kafka:kafka_2.13:4.3.1" in built.stderr
    assert "SHA-256" in built.stderr
    assert "kafka_2.13-4.3.1.jar" not in {jar.name for jar in jars(tmp_path)}


@pytest.mark.parametrize(("part", "made"), [("ferretdb", ["bin/ferretdb"]), ("prometheus", PROMETHEUS)])
def test_a_killed_compilation_leaves_neither_a_program_nor_a_compiler(
    tmp_path: Path, part: str, made: list[str]
) -> None:
    module, go = tmp_path / "module", tmp_path / "some-go"
    for path, old, _ in by_index.CHANGES:
        (module / path).parent.mkdir(parents=True, exist_ok=True)
        with (module / path).open("a") as source:
            source.write(old)
    go.write_text(
        "#!/bin/sh\n"
        "case $1 in\n"
        "version) echo 'go version go1.99.0 test/test' ;;\n"
        f"list) if [ $2 = -m ]; then echo {module}; else echo one/package; fi ;;\n"
        "build)\n"
        '  while [ "$1" != -o ]; do shift; done\n'
        '  printf half >"$2"\n'
        f"  echo $$ >{tmp_path}/compiler\n"
        f"  if [ -e {tmp_path}/hang ]; then exec {sys.executable} -c 'import signal; signal.pause()'; fi\n"
        '  printf whole >"$2" ;;\n'
        "esac\n"
    )
    go.chmod(0o755)
    (tmp_path / "hang").touch()
    programs, compiler = [tmp_path / "build" / name for name in made], tmp_path / "compiler"
    settings = {"STACK_GO": str(go), "PATH": os.defpath}

    killed = start_build(tmp_path, part, settings)
    try:
        wait_until(lambda: compiler.exists() and compiler.read_text(), 30, "it compiles")
        left = psutil.Process(int(compiler.read_text()))
    finally:
        kill(killed)
    wait_until(lambda: not left.is_running(), 10, "the compiler ends with the build")
    assert not any(program.exists() for program in programs)

    (tmp_path / "hang").unlink()
    assert build(tmp_path, part, settings).returncode == 0
    assert {program.read_text() for program in programs} == {"whole"}
    assert "nothing to build" in build(tmp_path, part, settings).stdout
    programs[-1].write_text("half")
    assert "nothing to build" not in build(tmp_path, part, settings).stdout


@pytest.mark.parametrize(("version", "taken"), [("3.5.0", True), ("2.42.0", False)])
def test_prometheus_is_taken_from_path_if_it_is_not_too_old(tmp_path: Path, version: str, *, taken: bool) -> None:
    for name in ("prometheus", "promtool"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{name}, version {version}'\n")
        (tmp_path / name).chmod(0o755)
    settings = {"PATH": f"{tmp_path}:{os.defpath}", "STACK_GO": "no-such-go"}
    built = build(tmp_path, "prometheus", settings)
    assert ("nothing to build" in built.stdout) is taken
    assert (built.returncode == 0) is taken


def test_nobody_waits_for_the_build_of_prometheus_who_wants_the_rest(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    with (tmp_path / "build/prometheus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = build(tmp_path, "ferretdb", {"STACK_GO": "no-such-go"})
    assert "STACK_GO=no-such-go" in built.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"STACK_JAVA": "no-such-java"}, ["STACK_JAVA=no-such-java"]),
        ({"STACK_JAVA": "true"}, ["Java 17", "STACK_JAVA"]),
        ({"STACK_GO": "true"}, ["Go 1.24", "STACK_GO"]),
        (
            {"STACK_KAFKA_PORT": "x", "STACK_MONGODB_PORT": "0", "STACK_KAFKA_HEAP": "much", "STACK_JVM": "1"},
            ["STACK_KAFKA_PORT=x", "STACK_MONGODB_PORT=0", "STACK_KAFKA_HEAP=much", "STACK_JVM is not a setting"],
        ),
        ({"STACK_KAFKA_PORT": "9093"}, ["STACK_KAFKA_PORT and STACK_CONTROLLER_PORT are both 9093"]),
        ({"STACK_BROKERS": "2"}, ["STACK_BROKERS=2 is neither 1 nor 3"]),
        (
            {"STACK_BROKERS": "3", "STACK_KAFKA_3_PORT": "9095"},
            ["STACK_KAFKA_2_PORT and STACK_KAFKA_3_PORT are both 9095"],
        ),
        (
            {"STACK_BROKERS": "3", "STACK_KAFKA_ADVERTISED_PORT": "9000"},
            ["STACK_KAFKA_ADVERTISED_PORT is for one broker"],
        ),
    ],
)
def test_a_wrong_setting_is_one_clear_line(tmp_path: Path, settings: dict[str, str], said: list[str]) -> None:
    built = build(tmp_path, "", settings)
    assert built.returncode == 78
    assert one_line(built.stderr)
    assert all(word in built.stderr for word in said)


def start_build(folder: Path, part: str, settings: dict[str, str]) -> subprocess.Popen[str]:
    environment = clean_environment({"STACK_BUILD_DIR": str(folder / "build"), **settings})
    return subprocess.Popen(
        [sys.executable, str(STACK / "stack.py"), "build", *part.split()],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def build(folder: Path, part: str, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    child = start_build(folder, part, settings)
    try:
        out, err = child.communicate(timeout=60)
    except BaseException:
        child.kill()
        raise
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def kill(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


def jars(folder: Path) -> list[Path]:
    return list((folder / "build/jars").glob("*"))


def one_line(text: str) -> bool:
    return text.count("\n") == 1 and text.startswith("stack: ")
