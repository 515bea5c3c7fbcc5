"""What the auditor found can be read by others, and nothing else passes for it."""

from __future__ import annotations

import pytest

from workers.state.audit_file import SIZE, VERSION, Audit, read_audit, write_audit
from workers.state.checked_file import checked
from workers.state.state_file import StateFile
from workers.state.write_failures import WriteFailures


def test_what_was_written_last_is_read(tmp_path):
    file = StateFile(tmp_path / "audit", SIZE, WriteFailures())
    write_audit(file, Audit(100.0, problem="Kafka is unavailable"))
    write_audit(file, found := Audit(200.0, until=198.5, records=7, missing=1))

    assert read_audit(tmp_path / "audit") == found
    assert not found.is_clean


@pytest.mark.parametrize(
    "content",
    [b"", checked(None), checked({"version": VERSION + 1, "time": 1.0}), checked({"version": VERSION, "a": 1})],
)
def test_what_is_no_audit_is_none(tmp_path, content):
    (tmp_path / "audit").write_bytes(content)

    assert read_audit(tmp_path / "audit") is None
