"""Every consumer keeps the promise's options, and each has the rest in one place."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from workers.errors import BadConfigurationError
from workers.kafka.options import (
    METADATA_MAX_AGE,
    PROMISE,
    connection_options,
    first_records_options,
    group_member_options,
    log_reader_options,
)
from workers.settings import Settings, load, redact

CONSUMERS = [group_member_options, log_reader_options, first_records_options]


@pytest.mark.parametrize("options", CONSUMERS)
def test_every_consumer_has_what_the_promise_needs(options):
    assert PROMISE == {
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
        "check_crcs": True,
    }
    assert PROMISE.items() <= options(Settings()).items()


@pytest.mark.parametrize("options", [connection_options, *CONSUMERS])
def test_every_client_connects_as_the_settings_say(options):
    settings = Settings(
        bootstrap_servers="a:1, b:2",
        security_protocol="SASL_SSL",
        sasl_username="me",
        sasl_password=SecretStr("secret"),
        ssl_cafile="ca.pem",
    )

    assert (
        options(settings).items()
        >= {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": "me",
            "sasl_plain_password": "secret",
            "ssl_cafile": "ca.pem",
        }.items()
    )
    assert options(settings)["bootstrap_servers"] == ["a:1", "b:2"]


def test_without_sasl_no_password_is_given_away():
    options = connection_options(Settings(sasl_username="me", sasl_password=SecretStr("secret")))

    assert [name for name in options if name.startswith("sasl")] == []


def test_only_the_workers_join_a_group():
    assert [options(Settings())["group_id"] for options in CONSUMERS] == ["counters", None, None]


@pytest.mark.parametrize(("given", "milliseconds"), [(None, 30_000), ("0.5", 500), ("7", 7_000)])
def test_tests_can_make_metadata_age_faster_and_it_is_no_setting(monkeypatch, given, milliseconds):
    if given is not None:
        monkeypatch.setenv(METADATA_MAX_AGE, given)
    settings = load()

    assert group_member_options(settings)["metadata_max_age_ms"] == milliseconds
    assert METADATA_MAX_AGE not in redact(settings)


def test_a_metadata_age_that_is_no_number_is_a_mistake_of_the_configuration(monkeypatch):
    monkeypatch.setenv(METADATA_MAX_AGE, "soon")
    with pytest.raises(BadConfigurationError, match="WORKERS_INTERNAL_METADATA_MAX_AGE=soon"):
        group_member_options(load())
