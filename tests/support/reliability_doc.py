"""The tables of docs/reliability.md as the code has them: a test compares, and `python -m` prints what belongs there."""

from __future__ import annotations

import json
import re

from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ExecutionTimeout,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WTimeoutError,
)

from tests.corpus.corpus import CORPUS, REFUSED_BY_FERRETDB, Case
from tests.corpus.policies import EXPECTED
from workers.settings.policies import POLICIES
from workers.sinks.mongodb import errors as verdict
from workers.sinks.mongodb.codes import RECORD, UNAVAILABLE
from workers.sinks.mongodb.errors import ErrorClass
from workers.types import RejectReason

SHOWN_BYTES = 44
MEANS = {
    ErrorClass.UNAVAILABLE: "retry",
    ErrorClass.RECORD: "reject",
    ErrorClass.COMMAND: "divide at once, then as any other",
    ErrorClass.UNKNOWN: "wait, then find out",
    ErrorClass.FATAL: "stop",
}
DISK_ERROR = OperationFailure("... database or disk is full (13)", 1)
OVERLOADED = OperationFailure("x", 424242, {"errorLabels": ["SystemOverloadedError"]})
EXCEPTIONS: list[PyMongoError] = [
    ServerSelectionTimeoutError("x"),
    WaitQueueTimeoutError("x"),
    NetworkTimeout("x"),
    ExecutionTimeout("x", 50),
    NotPrimaryError("x"),
    WTimeoutError("x"),
    WriteConcernError("x", 79),
    AutoReconnect("x"),
    DISK_ERROR,
    OperationFailure("x", 2),
    OperationFailure("x", 13),
    OperationFailure("x", 257),
    OVERLOADED,
    OperationFailure("x", 424242),
    ConfigurationError("x"),
    InvalidOperation("x"),
    PyMongoError("x"),
]
"""One of each kind that a whole write can fail with."""


def payload(value: bytes | None) -> str:
    """In one line of ASCII, cut where it is long."""
    if value is None:
        return "null"
    text = repr(value[:SHOWN_BYTES])[1:].replace("|", "\\|")
    return f"`{text}`" + (f" ... {len(value):,} bytes" if len(value) > SHOWN_BYTES else "")


def corpus_row(case: Case) -> str:
    """Without its last column, which says why."""
    if case.reason is not None:
        outcome = f"dead letter | `{case.reason}`"
    elif str(case) in REFUSED_BY_FERRETDB:
        outcome = "stored by MongoDB; dead letter with FerretDB 1 | `refused_by_server`"
    else:
        outcome = "stored |"
    return f"| {case.row or '-'} | {case.name} | {payload(case.value)} | {outcome} |"


def corpus_rows() -> list[str]:
    return [corpus_row(case) for case in sorted(CORPUS, key=lambda case: (case.row, case.name))]


def policy_columns() -> str:
    """The line with the names of the columns of the table of policies."""
    return "| # | what | " + " | ".join(f"`{name}`" for name in POLICIES) + " |"


def policy_rows() -> list[str]:
    """Of each payload that a policy changes: what becomes of it by each of them; empty: the same as without it."""
    changed = {case for values in EXPECTED.values() for cases in values.values() for case in cases}
    return [
        f"| {case.row} | {case.name} | " + " | ".join(_under(name, str(case)) for name in POLICIES) + " |"
        for case in sorted(CORPUS, key=lambda case: (case.row, case.name))
        if str(case) in changed
    ]


def _under(name: str, case: str) -> str:
    cells = []
    for value, cases in EXPECTED[name].items():
        if case in cases:
            lossy = " (lossy)" if POLICIES[name].choice(value).loss else ""
            cells.append(f"`{value}`{lossy}: {_becomes(cases[case])}")
    return "<br>".join(cells)


def _becomes(kept: object) -> str:
    if isinstance(kept, RejectReason):
        return f"dead letter `{kept}`"
    text = json.dumps(kept, default=lambda number: f"Decimal128({number})")
    text = re.sub(r'"Decimal128\(([^)]+)\)"', r'Decimal128("\1")', text)
    return f"`{text}`" if len(text) <= 2 * SHOWN_BYTES else f"`{text[:SHOWN_BYTES]}` ..."


def verdict_rows() -> list[str]:
    codes: list[int] = sorted({*verdict.UNAVAILABLE_CODES, *verdict.RECORD_CODES})
    names = {code: each.name for code, each in UNAVAILABLE.items()} | RECORD
    rows = [_verdict_row(f"code {code}, {names[code]}", verdict.classify_code(code)) for code in codes]
    rows.append(_verdict_row("any other code", verdict.classify_code(424242)))
    for error in EXCEPTIONS:
        code = f" {error.code}" if isinstance(error, OperationFailure) and type(error) is OperationFailure else ""
        code += " about SQLite's disk" if error is DISK_ERROR else ""
        code += f" with the label {OVERLOADED.details['errorLabels'][0]}" if error is OVERLOADED else ""
        rows.append(_verdict_row(f"`{type(error).__name__}`{code}", verdict.classify(error)))
    return rows


def _verdict_row(what: str, found: verdict.Classification) -> str:
    counted = "-" if found.error_class is ErrorClass.FATAL else f"`{found.reason}`"
    return f"| {what.replace('424242', 'with any other code')} | {MEANS[found.error_class]} | {counted} |"


if __name__ == "__main__":
    print("\n".join([*corpus_rows(), "", policy_columns(), *policy_rows(), "", *verdict_rows()]))  # noqa: T201
