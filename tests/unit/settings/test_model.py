"""Settings: every rule, all problems in one go, and no secret in anything that can be printed."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from workers.errors import BadConfigurationError, ExitCode
from workers.settings import Settings, load, redact

CANARY = "hunter2-canary"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def problems(monkeypatch, **environment: str) -> list[str]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadConfigurationError) as error:
        load()
    assert error.value.exit_code is ExitCode.CONFIGURATION
    assert "\n".join(error.value.problems) == str(error.value)
    return error.value.problems


def test_the_defaults_are_those_of_the_tutorial_and_fit_together():
    settings = load()

    assert settings.bootstrap_servers == "localhost:9092"
    assert settings.mongodb_uri.get_secret_value() == "mongodb://localhost:27017"
    assert (settings.topic, settings.database, settings.collection) == ("numtest", "numtest", "numtest")
    assert settings.group == "counters"


def test_a_variable_goes_over_the_env_file_and_an_option_over_both(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("WORKERS_TOPIC=file\nWORKERS_GROUP=file\nWORKERS_DATABASE=file\nOTHER=1\n")
    monkeypatch.setenv("WORKERS_GROUP", "variable")
    monkeypatch.setenv("WORKERS_DATABASE", "variable")

    settings = load(database="option")

    assert (settings.topic, settings.group, settings.database) == ("file", "variable", "option")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WORKERS_BOOTSTRAP_SERVERS", "localhost", "host:port"),
        ("WORKERS_BOOTSTRAP_SERVERS", "localhost:9092,other:0", "other:0"),
        ("WORKERS_BOOTSTRAP_SERVERS", "localhost:70000", "host:port"),
        ("WORKERS_TOPIC", "two words", "refuses"),
        ("WORKERS_TOPIC", "..", "Kafka refuses"),
        ("WORKERS_TOPIC", "x" * 250, "refuses"),
        ("WORKERS_GROUP", "", "1 character"),
        ("WORKERS_DATABASE", "a.b", "pattern"),
        ("WORKERS_COLLECTION", "$x", "neither"),
        ("WORKERS_SLOT", "100", "less than or equal to 99"),
        ("WORKERS_SLOT", "-1", "greater than or equal to 0"),
        ("WORKERS_METRICS_PORT", "99999", "less than or equal"),
        ("WORKERS_MAX_POLL_RECORDS", "0", "greater than or equal to 1"),
        ("WORKERS_MAX_POLL_RECORDS", "many", "integer"),
        ("WORKERS_FETCH_BYTES", "16383", "greater than or equal to 16384"),
        ("WORKERS_MAX_VALUE_BYTES", "8388609", "less than or equal"),
        ("WORKERS_MAX_DEPTH", "91", "less than or equal to 90"),
        ("WORKERS_WRITE_TIMEOUT", "0", "greater than 0"),
        ("WORKERS_WRITE_TIMEOUT", "nan", ""),
        ("WORKERS_WRITE_TIMEOUT", "inf", ""),
        ("WORKERS_REFUSAL_PATIENCE", "0", "greater than 0"),
        ("WORKERS_LOG_LEVEL", "loud", "debug"),
        ("WORKERS_SECURITY_PROTOCOL", "TLS", "SASL_SSL"),
        ("WORKERS_SECURITY_PROTOCOL", "SASL_SSL", "WORKERS_SASL_USERNAME"),
        ("WORKERS_MONGODB_URI", "localhost:27017", "not a MongoDB URI"),
        ("WORKERS_MONGODB_URI", "mongodb://localhost/?w=1", "majority"),
        ("WORKERS_MONGODB_URI", "mongodb://localhost/?w=0", "majority"),
        ("WORKERS_MONGODB_URI", "mongodb://localhost/?journal=false", "memory"),
        ("WORKERS_DRAIN_TIMEOUT", "25", "longer than a write and a commit"),
        ("WORKERS_MAX_POLL_INTERVAL", "50", "more than twice"),
        ("WORKERS_SESSION_TIMEOUT", "2", "three times"),
        ("WORKERS_STALL_TIMEOUT", "40", "longer than an iteration may take (40 s)"),
        ("WORKERS_STALL_TIMEOUT", "120", "shorter than WORKERS_MAX_POLL_INTERVAL=120"),
        ("WORKERS_STALL_TIMEOUT", "-1", "greater than or equal to 0"),
        ("WORKERS_MAX_RECORDS", "-1", "greater than or equal to 0"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_name_and_the_rule(monkeypatch, name, value, said):
    (problem,) = problems(monkeypatch, **{name: value})

    assert problem.startswith(name)
    assert said in problem
    assert "\n" not in problem


def test_an_empty_value_is_none_where_there_may_be_none(monkeypatch):
    monkeypatch.setenv("WORKERS_STATE_DIR", "")
    monkeypatch.setenv("WORKERS_TOPIC", "")

    with pytest.raises(BadConfigurationError) as refused:
        load()

    (problem,) = refused.value.problems
    assert problem.startswith("WORKERS_TOPIC=: ")
    monkeypatch.delenv("WORKERS_TOPIC")
    assert load().state_dir is None


def test_every_problem_is_told_at_once(monkeypatch):
    found = problems(
        monkeypatch,
        WORKERS_TOPIC="two words",
        WORKERS_SLOT="x",
        WORKERS_MONGODB_URI="nonsense",
        WORKERS_DRAIN_TIMEOUT="1",
        WORKERS_SESSION_TIMEOUT="1",
        WORKERS_TOPIK="a",
        WORKERS_SASL_PASSWORD_FILE="/does/not/exist",
    )

    names = sorted(problem.replace("=", " ").replace(":", " ").split()[0] for problem in found)
    assert names == [
        "WORKERS_DRAIN_TIMEOUT",
        "WORKERS_MONGODB_URI",
        "WORKERS_SASL_PASSWORD_FILE",
        "WORKERS_SESSION_TIMEOUT",
        "WORKERS_SLOT",
        "WORKERS_TOPIC",
        "WORKERS_TOPIK",
    ]


def test_an_unknown_name_gets_the_nearest_one(monkeypatch):
    assert problems(monkeypatch, WORKERS_TOPIK="x") == ["WORKERS_TOPIK is not a setting; did you mean WORKERS_TOPIC?"]
    monkeypatch.delenv("WORKERS_TOPIK")
    assert problems(monkeypatch, WORKERS_QQQ="x") == ["WORKERS_QQQ is not a setting; `workers config` lists them all"]


def test_a_password_in_the_clear_only_goes_to_this_machine():
    sasl = {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "u", "sasl_password": CANARY}

    assert load(**sasl, bootstrap_servers="127.0.0.1:9092").security_protocol == "SASL_PLAINTEXT"
    with pytest.raises(BadConfigurationError, match="in the clear"):
        load(**sasl, bootstrap_servers="127.0.0.1:9092,kafka.example:9092")


def test_a_secret_comes_from_a_file_without_the_line_end(tmp_path, monkeypatch):
    secret = tmp_path / "password"
    secret.write_text(f"{CANARY}\n")
    monkeypatch.setenv("WORKERS_SASL_PASSWORD_FILE", str(secret))

    password = load().sasl_password

    assert password == SecretStr(CANARY)


def test_only_secrets_come_from_files(monkeypatch):
    (problem,) = problems(monkeypatch, WORKERS_TOPIC_FILE="/etc/hostname")

    assert "WORKERS_TOPIC_FILE is not a setting" in problem


def test_no_secret_is_in_anything_that_can_be_printed():
    uri = f"mongodb://u:{CANARY}@localhost/?appname={CANARY}"
    settings = load(mongodb_uri=uri, sasl_username="u", sasl_password=CANARY, security_protocol="SASL_SSL")

    printed = [
        repr(settings),
        str(settings),
        str(settings.model_dump()),
        settings.model_dump_json(),
        json.dumps(redact(settings)),
        str(vars(settings)),
    ]

    assert [text for text in printed if CANARY in text] == []
    assert redact(settings)["WORKERS_MONGODB_URI"] == "mongodb://***@localhost/?***"
    assert redact(settings)["WORKERS_SASL_PASSWORD"] == "***"


@pytest.mark.parametrize(
    "uri",
    [
        f"mongodb://u:{CANARY}@host:notaport",
        f"mongodb://u:p@{CANARY}@host",
        f"mongodb://u:{CANARY}@",
        f"postgres://u:{CANARY}@host",
        f"mongodb://u:{CANARY}%zz@host",
        f"mongodb://u:{CANARY}@host/?w=1",
        f"mongodb://u:p@host/?{CANARY}=1",
        f"{CANARY}",
    ],
)
def test_no_secret_is_in_a_complaint(monkeypatch, uri):
    told = problems(monkeypatch, WORKERS_MONGODB_URI=uri)

    assert [line for line in told if CANARY in line] == []


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load().topic = "other"


def test_every_setting_says_what_it_is():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    assert set(redact(load())) == {f"WORKERS_{name.upper()}" for name in Settings.model_fields}
