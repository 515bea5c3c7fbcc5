"""What is kept of a server's message: code, name, labels and text in one line, and nothing of a document."""

from __future__ import annotations

import pytest
from pymongo.errors import AutoReconnect, BulkWriteError, NotPrimaryError, OperationFailure

from tests.support.batches import document
from workers.errors import SinkUnavailableError
from workers.sinks.mongodb.errors import translate_write_errors
from workers.sinks.mongodb.messages import describe_error, describe_failure, retry_after

SECRET = document(
    3, owner="hunter2", note="kept by alice@example.com", card=4111111111111111, pin=42, deep={"pet": ["Rex", 7.5]}
).document
COSMOS = (
    "Error=16500, RetryAfterMs=40, Details='Response status code does not indicate success: TooManyRequests (429); "
    'Reason: ({"Errors":["Request rate is large. hunter2"]});\''
)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("request rate is large, retry after 40 ms", "request rate is large, retry after 40 ms"),
        (
            'E11000 duplicate key error collection: a.b index: x_1 dup key: { owner: "hunter2" }',
            "index: x_1 dup key: ...",
        ),
        ("Can't extract geo keys: { _id: 1, at: { x: 'hunter2' } } from it", "Can't extract geo keys: ... from it"),
        ("invalid value: [ [ 42 ] ] (nested arrays are not supported)", "(nested arrays are not supported)"),
        ("invalid key: 'hunter2' (key must not)", "invalid key: ... (key must not)"),
        ('cut in the middle of "hunter2', "cut in the middle of ..."),
        ("the value hunter2 is not allowed for alice", "the value ... is not allowed for ..."),
        ("card 4111111111111111 and pin 42 and 7.5 of Rex", "and ... of ..."),
        ("larger than 16777216, SQLite (778)", "larger than ..., SQLite (778)"),
        ("not\nnow\x00\x1b[2J", "not now"),
        (COSMOS, "Error=..., RetryAfterMs=40, Details="),
    ],
)
def test_a_message_for_a_document_keeps_its_prose_and_no_value(said, kept):
    told = describe_failure(987_654, said, SECRET)

    assert told.startswith("code 987654: ")
    assert kept in told
    assert told.isprintable()
    assert len(told) < 250
    for value in ("hunter2", "alice", "4111", "42", "Rex", "7.5"):
        assert value not in told.removeprefix("code 987654: ")


def test_a_code_without_a_message_is_told_alone():
    assert describe_failure(5, None) == describe_failure(5, "") == "code 5"


def test_the_code_of_a_command_has_its_name_from_the_server_or_from_the_table_and_its_labels():
    labelled = {"errmsg": "slow down", "errorLabels": ["SystemOverloadedError", "RetryableError"]}

    assert describe_error(OperationFailure("x", 462, labelled)) == (
        "code 462 (IngressRequestRateLimitExceeded, labels SystemOverloadedError RetryableError): slow down"
    )
    assert describe_error(OperationFailure("x", 7_777, {"codeName": "Odd", "errmsg": "no"})) == "code 7777 (Odd): no"
    assert describe_error(NotPrimaryError("x", {"code": 189, "errmsg": "no"})) == "code 189 (PrimarySteppedDown): no"
    assert describe_error(AutoReconnect("connection closed")) == "connection closed"


def test_what_the_driver_puts_into_its_text_is_not_told():
    """Retryable writes on a server that has none: the driver's error holds every document of the bulk."""
    details = {
        "errmsg": None,
        "writeErrors": [{"op": {"owner": "hunter2"}, "errmsg": "hunter2", "index": 0, "code": 20}],
    }
    for error in (OperationFailure("Transaction numbers", 20, details), BulkWriteError(details)):
        with pytest.raises(SinkUnavailableError) as raised, translate_write_errors():
            raise error
        assert "hunter2" not in str(raised.value)
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        ({"errmsg": "request rate is large, retry after 40 ms"}, 0.04),
        ({"errmsg": COSMOS}, 0.04),
        ({"errmsg": "RetryAfterMs=1500.5"}, 1.5005),
        ({"errmsg": "busy; Retry-After: 2 seconds"}, 2.0),
        ({"errmsg": "busy; retry after 3s"}, 3.0),
        ({"errmsg": "busy", "retryAfterMS": 250}, 0.25),
        ({"errmsg": "busy", "errInfo": {"RetryAfterMs": 60}}, 0.06),
        ({"errmsg": "busy", "baseBackoffMS": 100}, 0.1),
        ({"errmsg": "RetryAfterMs=99999999"}, 30.0),
        ({"errmsg": "retry later", "retryAfterMS": "soon", "errInfo": "x"}, 0.0),
        ({"errmsg": "busy", "retryAfterMS": -5}, 0.0),
        ({}, 0.0),
        (None, 0.0),
    ],
)
def test_the_wait_that_a_server_asks_for_is_understood_and_bounded(answer, seconds):
    assert retry_after(answer) == pytest.approx(seconds)
