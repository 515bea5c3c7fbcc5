"""A MongoDB that refuses a client: a worker that waits, and every command, say why, and what to change in the URI."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.certificates import Authority, serving
from tests.support.proxy import Proxy
from tests.support.user import run_workers
from tests.support.wire_mongo import WireMongo
from workers.errors import BadConfigurationError, RetryReason, SinkRefusesError, UnavailableError
from workers.settings import load
from workers.sinks.mongodb.reader import MongoReader
from workers.sinks.mongodb.sink import MongoSink

PORTS = ("PORT", "TLS", "EXPIRED", "ELSEWHERE", "MUTUAL")
CANARY = "hunter2-canary"


class Guarded(WireMongo):
    """It knows no user, and whoever does not log in may do nothing."""

    def _answer(self, command: dict[str, Any], documents: list[dict[str, Any]]) -> Any:
        name = next(iter(command), "")
        if name == "saslStart":
            return {"ok": 0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}
        if name == "listCollections":
            text = 'not authorized on numtest to execute command { listCollections: 1, filter: { name: "secret" } }'
            return {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": text}
        if name == "ping":
            return {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "command ping requires authentication"}
        return super()._answer(command, documents)


class Told(NamedTuple):
    """What the two ways to the server said, and after how long."""

    waiting: BaseException
    command: BaseException
    seconds: float


TLS = "tls=true&tlsCAFile={right}"
CASES = {
    "no authority": (
        "{TLS}/?tls=true",
        "is not signed by an authority that is known here: set tlsCAFile in WORKERS_MONGODB_URI",
    ),
    "another authority": ("{TLS}/?tls=true&tlsCAFile={other}", "set tlsCAFile in WORKERS_MONGODB_URI"),
    "expired": (f"{{EXPIRED}}/?{TLS}", "has expired: renew it"),
    "another host": (f"{{ELSEWHERE}}/?{TLS}", "is not valid for this name"),
    "client certificate": (
        f"{{MUTUAL}}/?{TLS}",
        "demands a client certificate: set tls=true and tlsCertificateKeyFile",
    ),
    "plaintext to TLS": ("{TLS}", "the port speaks TLS: write tls=true into WORKERS_MONGODB_URI"),
    "TLS to plaintext": (
        f"{{PORT}}/?{TLS}",
        "without TLS: remove tls=true from WORKERS_MONGODB_URI",
    ),
    "replica set": ("{PORT}/?replicaSet=nope", 'replica set name "nope": is replicaSet in WORKERS_MONGODB_URI right?'),
    "wrong password": (f"u:{CANARY}@{{PORT}}", "MongoDB refused the user or the password in WORKERS_MONGODB_URI"),
    "unknown host": ("nobody.invalid:1", "MongoDB does not answer at nobody.invalid:1 ("),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Told]]:
    """Many at once: each waits for the driver's timeouts."""
    folder = tmp_path_factory.mktemp("keys")
    authority, stranger = Authority(folder / "own"), Authority(folder / "other", "stranger")
    good = authority.issue("good")
    with WireMongo() as plain, Guarded() as guarded:
        port = int(plain.uri.rpartition(":")[2])
        contexts = {
            "TLS": serving(good),
            "EXPIRED": serving(authority.issue("expired", expired=True)),
            "ELSEWHERE": serving(authority.issue("elsewhere", names=("db.example",))),
            "MUTUAL": serving(good, authority.file),
        }
        proxies = {name: Proxy(port, context) for name, context in contexts.items()}
        for proxy in proxies.values():
            proxy.__enter__()
        places = {name: proxy.address for name, proxy in proxies.items()} | {"PORT": f"127.0.0.1:{port}"}
        places |= {"right": str(authority.file), "other": str(stranger.file)}
        guard = {"PORT": guarded.uri.removeprefix("mongodb://")}
        try:
            uris = {
                name: "mongodb://" + uri.format(**(places | guard if "@" in uri else places))
                for name, (uri, _) in CASES.items()
            }
            found: dict[str, Told] = {}
            # A process has one URI, so those with TLS and those without are not mixed.
            for with_tls in (True, False):
                these = {name: uri for name, uri in uris.items() if ("tls=true" in uri) == with_tls}
                with ThreadPoolExecutor(len(these)) as pool:
                    found |= zip(these, pool.map(refused, these.values()), strict=True)
            yield found
        finally:
            for proxy in proxies.values():
                proxy.__exit__()


def refused(uri: str) -> Told:
    started = time.monotonic()
    settings = load(mongodb_uri=uri)
    sink, reader = MongoSink(settings), MongoReader(settings)
    try:
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(ask) for ask in (sink.check, reader.connect)]
            said = [each.exception() for each in asked]
    finally:
        sink.close()
        reader.close()
    assert said[0] is not None
    assert said[1] is not None
    return Told(said[0], said[1], time.monotonic() - started)


@pytest.mark.parametrize("name", CASES)
def test_what_is_refused_is_told_with_what_to_change(told: dict[str, Told], name: str) -> None:
    waiting, command, seconds = told[name]

    assert CASES[name][1] in str(command)
    assert isinstance(command, UnavailableError)
    if name != "unknown host":
        assert CASES[name][1] in str(waiting)
        assert isinstance(waiting, SinkRefusesError)
    for said in (str(waiting), str(command)):
        assert CANARY not in said
        assert "\n" not in said
    assert seconds < 10


def test_a_login_that_is_refused_is_tried_seldom(told: dict[str, Told]) -> None:
    refusals = {
        name: each.waiting.is_login for name, each in told.items() if isinstance(each.waiting, SinkRefusesError)
    }

    assert [name for name, is_login in refusals.items() if is_login] == ["wrong password"]
    assert told["wrong password"].waiting.reason is RetryReason.NOT_AUTHORIZED


def test_a_missing_right_is_named_without_what_was_asked() -> None:
    with Guarded() as server:
        (waiting, command, _) = refused(server.uri)

    assert (
        "does not authorize the user in WORKERS_MONGODB_URI for the command listCollections on the database numtest"
        in str(waiting)
    )
    assert "secret" not in str(waiting)
    assert "MongoDB demands a login: write a user and a password into WORKERS_MONGODB_URI" in str(command)


def test_a_name_that_dns_does_not_know_is_waited_for() -> None:
    """`mongodb+srv://` is resolved by the first command, which is refused like a server that is down."""
    waiting, command, _ = refused("mongodb+srv://cluster0.nobody.invalid/?retryWrites=true")

    assert isinstance(waiting, SinkRefusesError)
    assert waiting.reason is RetryReason.UNREACHABLE
    assert "the name in WORKERS_MONGODB_URI cannot be resolved: " in str(waiting)
    assert isinstance(command, UnavailableError)


def test_a_login_that_this_installation_cannot_make_is_a_setting() -> None:
    with WireMongo() as server:
        waiting, command, _ = refused(f"{server.uri.replace('//', '//u%40x:p@')}/?authMechanism=GSSAPI")

    assert isinstance(waiting, BadConfigurationError)
    assert isinstance(command, BadConfigurationError)
    assert str(waiting) == 'WORKERS_MONGODB_URI: The "kerberos" module must be installed to use GSSAPI authentication.'


@pytest.mark.parametrize(("command", "code"), [("config", 0), ("dead-letters list", 69)])
def test_commands_work_or_tell_the_reason_while_dns_does_not(tmp_path: Path, command: str, code: int) -> None:
    uri = "mongodb+srv://u:canary@cluster0.nobody.invalid/?w=majority"
    ran = run_workers(tmp_path, {"WORKERS_MONGODB_URI": uri}, *command.split(), timeout=30)

    assert ran.returncode == code
    assert ("cannot be resolved" in ran.stderr) == (code != 0)
    assert "canary" not in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
