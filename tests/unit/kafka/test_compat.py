"""What is private of kafka-python stands in four files, with its reasons and its tests, for one version of it."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest

from tests.support.ports import free_ports
from workers.errors import ExitCode, UnavailableError
from workers.kafka import compat, compat_batches, compat_brokers, compat_logs, compat_turns
from workers.kafka.admin import Admin
from workers.settings import Settings

REPOSITORY = Path(__file__).parents[3]
COMPAT = Path(compat.__file__)
ALL_COMPAT = (COMPAT, *(Path(each.__file__) for each in (compat_batches, compat_brokers, compat_logs, compat_turns)))
OTHERS = sorted(path for path in COMPAT.parents[1].rglob("*.py") if path not in ALL_COMPAT)
ENTRIES = [
    function
    for module in (compat, compat_batches, compat_brokers, compat_logs, compat_turns)
    for function in vars(module).values()
    if inspect.isfunction(function)
    and function.__module__ == module.__name__
    and function is not compat.require_pinned_client
]
OURS = ("self", "cls")
HIDDEN_BEHIND_PRIVATE = {
    "need_rejoin",
    "request_rejoin",
    "join_group_async",
    "ensure_coordinator_ready_async",
    "fetch_committed_offsets",
    "leader_for_partition",
    "least_loaded_node",
    "PartitionRecords",
    "next_fetch_offset",
    "record_iterator",
    "last_receive",
}
"""Names without an underscore, of an object that only a private name reaches."""


def privates(tree: ast.AST) -> set[str]:
    """Attributes with an underscore, of anything but the object itself."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and re.match(r"_[^_]", node.attr)
        and not (isinstance(node.value, ast.Name) and node.value.id in OURS)
    }


def inherited(tree: ast.AST) -> set[str]:
    """Attributes with an underscore of `self` in classes with a base, less those that the class itself assigns."""
    return {
        node.attr
        for each in ast.walk(tree)
        if isinstance(each, ast.ClassDef) and each.bases and ast.unparse(each.bases[0]) == "base"
        for node in ast.walk(each)
        if isinstance(node, ast.Attribute)
        and re.match(r"_[^_]", node.attr)
        and ast.unparse(node.value) == "self"
        and node.attr not in defined_in(each)
    }


def defined_in(tree: ast.ClassDef) -> set[str]:
    """Its methods, and what its constructor annotates or sets before the base class does."""
    (constructor,) = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)} | {
        node.attr
        for node in ast.walk(constructor)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def words(tree: ast.AST) -> set[str]:
    """Every attribute that is named, also by a string, as `getattr` takes it."""
    attributes = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) not in ("compat", "compat_batches", "compat_brokers", "compat_turns")
    }
    return attributes | {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def private_uses(source: str) -> set[str]:
    """The private names of the client that this source uses."""
    used_by_compat = {name for path in ALL_COMPAT for name in privates(ast.parse(path.read_text()))}
    tree = ast.parse(source)
    return words(tree) & (used_by_compat | HIDDEN_BEHIND_PRIVATE) | {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in privates(node)
        and re.search(r"consumer|coordinator|admin|client|producer|batch", ast.unparse(node.value), re.IGNORECASE)
    }


def test_compat_uses_these_private_attributes_and_no_others():
    assert privates(ast.parse(COMPAT.read_text())) == {
        "_cluster", "_coordinator", "_closed", "_heartbeat_enabled", "_join_task", "_manager", "_find_coordinator_ids",
    }  # fmt: skip
    assert privates(ast.parse(Path(compat_batches.__file__).read_text())) == {
        "_fetcher", "_maybe_uncompress", "_buffer", "_pos", "_unpack_records",
    }  # fmt: skip
    assert inherited(ast.parse(Path(compat_batches.__file__).read_text())) == {
        "_maybe_raise_next_inline_exception", "_next_inline_exception",
    }  # fmt: skip
    assert privates(ast.parse(Path(compat_logs.__file__).read_text())) == {
        "_cluster", "_coordinator", "_subscription", "_manager",
    }  # fmt: skip
    assert privates(ast.parse(Path(compat_turns.__file__).read_text())) == {
        "_completed_fetches", "_fetcher", "_next_partition_records", "_paused_partition_records", "_subscriptions",
    }  # fmt: skip
    assert privates(ast.parse(Path(compat_brokers.__file__).read_text())) == {
        "_conns", "_coordinator", "_coordinators", "_manager", "_metadata", "_net", "_send_group_coordinator_request",
    }  # fmt: skip


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(COMPAT.parents[1])))
def test_nobody_else_uses_anything_private_of_the_client(path):
    assert private_uses(path.read_text()) == set()


@pytest.mark.parametrize(
    "line",
    [
        "self._consumer._coordinator.poll()",
        "consumer._fetcher",
        "self._closed = False",
        "coordinator.need_rejoin()",
        "getattr(consumer, '_cluster')",
        "batch._pos",
        "self._client._manager",
    ],
)
def test_a_use_elsewhere_would_be_seen(line):
    assert private_uses(line) != set()


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(COMPAT.parents[1])))
def test_nobody_else_patches_a_class_of_the_client(path):
    """An assignment to an attribute of a name that was imported from kafka."""
    tree = ast.parse(path.read_text())
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "kafka"
        for alias in node.names
    }
    targets = [target for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets]
    assert [
        ast.unparse(target)
        for target in targets
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id in imported
    ] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
def test_every_entry_says_why_and_until_when_and_names_a_test_that_exists(entry):
    said = dict(re.findall(r"^(Why|Until|Test): (.+)", inspect.getdoc(entry) or "", re.MULTILINE))
    assert said.keys() == {"Why", "Until", "Test"}

    path, *names = said["Test"].split("::")
    found = {
        node.name for node in ast.walk(ast.parse((REPOSITORY / path).read_text())) if isinstance(node, ast.FunctionDef)
    }
    assert len(names) == 1
    assert set(names) <= found


def test_the_pinned_version_is_that_of_the_package():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    (pinned,) = [each.rpartition("==")[2] for each in project["dependencies"] if each.startswith("kafka-python")]

    assert pinned == compat.PINNED


def command(before: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`workers`, in a process in which something else came first."""
    code = f"{before}; import sys; sys.argv = ['workers', *{arguments!r}]; from workers.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "COLUMNS": "200", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("arguments", [["run"], ["lag"], ["status"], ["produce"], ["restart"]], ids=" ".join)
@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("import kafka; kafka.__version__ = '3.0.13'", "kafka-python 3.0.13 is installed"),
        # Without the names that the pinned one has.
        (
            "import sys, types; sys.modules['kafka'] = kafka = types.ModuleType('kafka'); kafka.__version__ = '2.0.2'",
            "2.0.2 is installed",
        ),
        ("import sys; sys.modules['kafka'] = None", "kafka-python cannot be imported"),
    ],
    ids=["newer", "older", "none"],
)
def test_another_client_is_refused_at_the_start_naming_both_versions(arguments, before, said):
    ran = command(before, *arguments)

    assert (ran.returncode, ran.stdout) == (ExitCode.CONFIGURATION, "")
    assert said in ran.stderr
    assert "pip install kafka-python==3.0.12" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_an_admin_client_that_finds_no_broker_leaves_no_thread_behind():
    (port,) = free_ports(1)
    before = set(threading.enumerate())
    with pytest.raises(UnavailableError, match="no Kafka broker answered"):
        Admin(Settings(bootstrap_servers=f"127.0.0.1:{port}"), 0.2).connect()

    assert set(threading.enumerate()) - before == set()
