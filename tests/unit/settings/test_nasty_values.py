"""Every setting with every kind of wrong value: used, or refused with one line, its name, 78, and no secret."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from workers.errors import BadConfigurationError, ExitCode
from workers.settings import PREFIX, SECRETS, Settings, load, redact
from workers.state.slot import Slot

CANARY = "hunter2-canary"
NUMBERS = [
    "nan",
    "inf",
    "-inf",
    "1e400",
    "-1e400",
    "-0",
    "1e-320",
    "1" + "0" * 40,
    "-1",
    "1.5",
    "0x10",
    "٣",
    "\uff11",
    "1_0",
    " 5 ",
]
TEXTS = [
    "",
    " ",
    "a\nb",
    "a\rb",
    "\x1b[2J",
    "a\u2028b",
    "\ud800",
    "ü" * 200,
    "x" * 249,
    "x" * 250,
    "x" * 100_000,
    "a/b",
    "..",
    "~",
]
SIGNS = [
    "$x",
    "system.users",
    ".x",
    "x.",
    "a..b",
    "maybe",
    "TRUE",
    "yes",
    "null",
    "None",
    "[]",
    "{}",
    "%",
    "[red]",
    "\\",
]
HOSTS = [
    "::1",
    "[::1]",
    "[::1",
    "::1:9092",
    "[::1]:9092",
    "[nope]:9092",
    "a..b:9092",
    f"{'x' * 64}:9092",
    "a:\u0669\u0660\u0669\u0662",
    "a:b:9092",
    "a:0",
]
MORE_HOSTS = [
    "a:65536",
    ",",
    "a:9092,",
    "a b:9092",
    "a/b:9092",
    "SSL://a:9092",
    "PLAINTEXT://a:9092",
    "http://a:9092",
    "u:p@a:9092",
]
PATHS = ["/dev/null", "/dev/zero", "/", "/no/such/folder/file", "/dev/null/x", "/" + "x" * 300, "x/" * 3000, "a\0b"]
NASTY = NUMBERS + TEXTS + SIGNS + HOSTS + MORE_HOSTS + PATHS


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def told(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The problems, each checked to be one short line; the settings that are not refused can be shown."""
    monkeypatch.setattr(os, "environ", variables)
    problems: list[str] = []
    try:
        "".join(redact(load()).values()).encode()
    except BadConfigurationError as error:
        refused, problems = error, error.problems
    if problems:
        assert refused.exit_code is ExitCode.CONFIGURATION
        assert str(refused).splitlines() == problems
        assert [line for line in problems if len(line) > 700 or not line.isprintable()] == []
        assert [line for line in problems if not line.startswith(PREFIX)] == []
    return problems


@pytest.mark.parametrize("field", Settings.model_fields)
def test_each_setting_takes_a_value_or_refuses_it_in_one_line(monkeypatch, field):
    started, name = time.monotonic(), PREFIX + field.upper()
    for value in NASTY:
        problems = told({name: value}, monkeypatch)
        assert [line for line in problems if name not in line and "WORKERS_BOOTSTRAP" not in line] == [] or len(
            problems
        ) == 1, value
        if field in SECRETS and value.strip():
            # What was given is never shown; a value of one letter may be in any line.
            assert [line for line in problems if len(value) > 4 and value in line] == []
    assert time.monotonic() - started < 10, "it is fast"


@pytest.mark.parametrize("field", SECRETS)
@pytest.mark.parametrize("path", [*PATHS, "empty", "pipe", "bytes"])
def test_the_file_of_a_secret_can_be_read_or_is_named(monkeypatch, tmp_path, field, path):
    (tmp_path / "empty").touch()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00" * 10)
    os.mkfifo(tmp_path / "pipe")
    name = f"{PREFIX}{field.upper()}_FILE"

    problems = told({name: path}, monkeypatch)

    assert any(line.startswith(name.removesuffix("_FILE")) for line in problems), problems


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("WORKERS_TOPIC orders", "line 2 is not NAME=value"),
        ("WORKERS_TOPIC='orders", "line 2 is not NAME=value"),
        ("=orders", "line 2 is not NAME=value"),
    ],
)
def test_a_line_of_the_env_file_that_is_none_is_refused(tmp_path, line, said):
    """It would be left out, and the fleet would run with a default."""
    (tmp_path / ".env").write_text(f"WORKERS_GROUP=shop\n{line}\n")

    with pytest.raises(BadConfigurationError, match=said):
        load()


URIS = {
    "mongodb://h/?j=false": "unknown option j; did you mean journal?",
    "mongodb://h/?unknownOption=1": "unknown option unknownOption",
    "mongodb://h/?wtimeout=1": "unknown option wtimeout; did you mean wTimeoutMS?",
    "mongodb://h/?retrywrite=true": "unknown option retrywrite; did you mean retryWrites?",
    "mongodb://h/?authMechanism=FOO": "option authMechanism: authmechanism must be in",
    f"mongodb://h/?tls={CANARY}": "option tls: The value of tls must be 'true' or 'false'",
    "mongodb://h/?tls=maybe": "option tls: ",
    f"mongodb://h/?readPreference={CANARY}": "option readPreference: MongoDB's driver does not take its value",
    f"mongodb://h/?authMechanismProperties={CANARY}:1": "option authMechanismProperties: MongoDB's driver does not",
    f"mongodb://h/?connectTimeoutMS={CANARY}": "option connectTimeoutMS: connecttimeoutms must be an integer",
    "mongodb://h/?maxPoolSize=-1": "option maxPoolSize: ",
    "mongodb://h/?tls=true&tls=false": "option tls is given twice",
    "mongodb://h/?tls": "option tls: write it as tls=value",
    f"mongodb://h/?{CANARY}=1": "not shown",
    f"mongodb://u:pa?{CANARY}=1@h/": "write ? as %3F",
    f"mongodb://u:pa/{CANARY}@h/": "not shown, it may hold a password",
    f"mongodb://u:{CANARY}:x@h": "not shown, it may hold a password",
    f"mongodb://u:{CANARY}@h:port": "not shown, it may hold a password",
    f"mongodb://u:{CANARY}@h h": "white space",
    f"postgres://u:{CANARY}@h": "begins with neither mongodb:// nor mongodb+srv://",
    "mongodb+srv://a.example:27017": "takes one name, without a port",
    "mongodb+srv://a.example,b.example": "takes one name, without a port",
    "mongodb+srv://10.0.0.1": "takes one name, without a port",
    "mongodb+srv://a.b.example/?w=1": "w=1: use majority",
    "mongodb://h/?w=1": "w=1: use majority",
    "mongodb://h/?journal=false": "journal=false: remove it",
    "mongodb://h/?srvMaxHosts=2": "not a MongoDB URI",
    "mongodb://a,b/?directConnection=true": "not a MongoDB URI",
    "mongodb://h/?tlsInsecure=true&tlsAllowInvalidCertificates=true": "not a MongoDB URI",
    "mongodb://h/?tlsCAFile=/no/such.pem": "option tlsCAFile: /no/such.pem cannot be read: No such file or directory",
    "mongodb://h/?tlsCAFile=/": "option tlsCAFile: / cannot be read: Is a directory",
    "mongodb://h/?tlsCertificateKeyFile=/no/such.pem": "option tlsCertificateKeyFile: /no/such.pem cannot be read: No such",
    "mongodb://h/?tls=true&tlsCAFile=garbage": "option tlsCAFile: garbage holds no certificate",
    "mongodb://h/?tls=true&tlsCRLFile=garbage": "option tlsCRLFile: garbage holds no list of revoked certificates",
    "mongodb://h/?tls=true&tlsCertificateKeyFile=garbage": "garbage does not hold a certificate and its private key",
    "mongodb://h/?tls=true&tlsCertificateKeyFile=keys/authority.crt": "does not hold a certificate and its private key",
    "mongodb://h/?tls=true&tlsCertificateKeyFile=keys/me.encrypted.pem": "is encrypted: is tlsCertificateKeyFilePassword right?",
    f"mongodb://h/?tls=true&tlsCertificateKeyFile=keys/me.encrypted.pem&tlsCertificateKeyFilePassword={CANARY}": "is encrypted",
    "mongodb://h/?tls=true&tlsCertificateKeyFile=mixed.pem": "does not belong to its certificate",
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    authority = Authority(folder / "keys")
    authority.encrypted(mine := authority.issue("me"), "right")
    (folder / "mixed.pem").write_text(
        (folder / "keys/authority.key").read_text() + mine.with_suffix(".crt").read_text()
    )
    (folder / "garbage").write_text("no certificate\n")
    return folder


@pytest.mark.parametrize("uri", URIS)
def test_a_mistake_in_the_uri_names_the_option_and_never_a_value(monkeypatch, keys, uri):
    monkeypatch.chdir(keys)

    (problem,) = told({"WORKERS_MONGODB_URI": uri}, monkeypatch)

    assert problem.startswith("WORKERS_MONGODB_URI: ")
    assert URIS[uri] in problem
    assert CANARY not in problem


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb+srv://user:pa%3Fss@cluster0.abcde.example/shop?retryWrites=true&w=majority&appName=x",
        "mongodb+srv://cluster0.abcde.example/?srvMaxHosts=2&srvServiceName=own",
        "mongodb://[::1]:27017,b.example/?replicaSet=rs0&tls=true&tlsCAFile=keys/authority.crt",
        "mongodb://h/?tls=true&tlsCertificateKeyFile=keys/me.encrypted.pem&tlsCertificateKeyFilePassword=right",
        "mongodb://h/?readPreference=secondary&readPreferenceTags=dc:a&readPreferenceTags=",
        "mongodb://%2Ftmp%2Fmongodb-27017.sock/?journal=true",
        "mongodb://h/?tls=true&tlsCertificateKeyFile=keys/me.encrypted.pem&tlsCertificateKeyFilePassword=right&appName=a@b",
    ],
)
def test_a_uri_is_taken_without_asking_anybody(monkeypatch, keys, uri):
    """mongodb+srv:// too: where DNS does not answer now, it may in a minute."""
    monkeypatch.chdir(keys)
    asked = []
    monkeypatch.setattr("dns.resolver.resolve", lambda *given, **_: asked.append(given))
    monkeypatch.setattr("socket.getaddrinfo", lambda *given, **_: asked.append(given))

    assert (told({"WORKERS_MONGODB_URI": uri}, monkeypatch), asked) == ([], [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "holds no certificate"),
        (b"garbage", "holds no certificate"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds no certificate"),
        (b"\xff\xfe", "holds no certificate"),
    ],
)
def test_a_certificate_authority_that_is_none_is_refused_with_its_file(monkeypatch, tmp_path, content, said):
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)

    (problem,) = told({"WORKERS_SSL_CAFILE": "ca.pem", "WORKERS_SECURITY_PROTOCOL": "SSL"}, monkeypatch)

    assert problem.startswith(f"WORKERS_SSL_CAFILE=ca.pem {said}")


def test_what_kubernetes_sets_for_a_service_of_this_name_is_no_mistake(monkeypatch):
    """And a Service `workers-lag` gives what has the name of a setting."""
    theirs = {
        "WORKERS_SERVICE_HOST": "10.0.0.1",
        "WORKERS_SERVICE_PORT": "80",
        "WORKERS_SERVICE_PORT_HTTP": "80",
        "WORKERS_PORT": "tcp://10.0.0.1:80",
        "WORKERS_PORT_80_TCP": "tcp://10.0.0.1:80",
        "WORKERS_PORT_80_TCP_PROTO": "tcp",
        "WORKERS_PORT_80_TCP_PORT": "80",
        "WORKERS_PORT_80_TCP_ADDR": "10.0.0.1",
        "WORKERS_LAG_SERVICE_HOST": "10.0.0.2",
        "WORKERS_LAG_PORT": "tcp://10.0.0.2:9790",
        "WORKERS_METRICS_PORT_9800_TCP_ADDR": "10.0.0.3",
    }
    monkeypatch.setattr(os, "environ", theirs)

    assert load() == load().model_copy()
    assert load().lag_port == 9790
    assert told({"WORKERS_LAG_PORT": "9999"}, monkeypatch) == []
    assert load().lag_port == 9999, "one of ours is a number"
    (slip,) = told({"WORKERS_METRIC_PORT": "9800"}, monkeypatch)
    assert "did you mean WORKERS_METRICS_PORT?" in slip


@pytest.mark.parametrize(
    ("database", "collection", "said"),
    [
        ("d" * 63, "c" * 200, "WORKERS_COLLECTION: is too long"),
        ("ü" * 40, "c", "WORKERS_DATABASE: is too long"),
        ("local", "c", "belongs to the server itself"),
        ("d", "ü" * 130, "WORKERS_COLLECTION: is too long"),
        ("d" * 63, "c" * 177, None),
    ],
)
def test_names_fit_into_mongodbs_limits_with_the_dead_letters(monkeypatch, database, collection, said):
    """63 + 1 + 177 + 14 bytes are the 255 that MongoDB allows."""
    problems = told({"WORKERS_DATABASE": database, "WORKERS_COLLECTION": collection}, monkeypatch)

    assert [said in problem for problem in problems] == ([True] if said else [])


GROUPS = ["g" * 249, "ü" * 249, "a/b", "a_b", "..", ".", " ", "~", "A", "a", "a~b", "g" * 248 + "/", "%2e", "*"]


def test_every_group_has_files_of_its_own(tmp_path):
    """Also one whose name no file can have, and two whose names would give the same one."""
    files: dict[Path, str] = {}
    for group in GROUPS:
        slot = Slot(tmp_path, load(group=group).group, "worker_00")
        assert slot.try_acquire()
        slot.member.remember(group)
        slot.unlock()
        for path in (slot.file("lock"), slot.group_file("crashes")):
            assert path.parent == tmp_path
            assert files.setdefault(path, group) == group
    assert [Slot(tmp_path, group, "worker_00").member.predecessor() for group in GROUPS] == [
        group.strip() or None for group in GROUPS
    ]


def test_the_files_of_an_ordinary_group_are_named_as_before(tmp_path):
    assert (
        Slot(tmp_path, "counters-2.test_x", "worker_07").file("member")
        == tmp_path / "counters-2.test_x-worker_07.member"
    )
