"""Standard streams that are closed or full: the exit code is the right one, and what is said is one line."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.user import BIN


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        ("{workers} config >/dev/full", 1, "workers: cannot write to standard output: No space left on device\n"),
        (
            "{workers} config --json >/dev/full",
            1,
            "workers: cannot write to standard output: No space left on device\n",
        ),
        ("{workers} config >/dev/full 2>&1", 1, ""),
        ("{workers} config >&-", 0, ""),
        ("{workers} config >&- 2>&- <&-", 0, ""),
        ("{workers} nonsense 2>/dev/full", 64, ""),
        ("{workers} nonsense 2>&-", 64, ""),
        ("WORKERS_TOPIC=/ {workers} run >&- 2>/dev/full", 78, ""),
        ("WORKERS_STATE_DIR=/dev/null/state {workers} run >/dev/full 2>&-", 78, ""),
    ],
)
def test_a_stream_that_is_closed_or_full_changes_no_exit_code_but_that_of_a_report(tmp_path, command, code, told):
    shell = command.format(workers=BIN / "workers")
    ended = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=False, cwd=tmp_path)

    assert (ended.returncode, ended.stderr) == (code, told)
