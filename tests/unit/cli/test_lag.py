"""`workers lag` by hand, while the fleet of this folder has its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from xmlrpc.client import dumps

from tests.support.fake_supervisord import FakeSupervisord

LAG = {"name": "lag", "group": "lag", "statename": "RUNNING", "pid": 4711, "start": 1, "now": 2, "exitstatus": 0}


def lag(folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers", "lag"],
        cwd=folder,
        env={"PATH": os.defpath, "WORKERS_LAG_PORT": str(port), "WORKERS_BOOTSTRAP_SERVERS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_says_so_and_names_the_command_that_shows_the_lag(tmp_path):
    (tmp_path / "var/run").mkdir(parents=True)
    body = dumps(([LAG | {"spawnerr": "", "stdout_logfile": ""}],), methodresponse=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with FakeSupervisord(tmp_path / "var/run/supervisord.sock", "200 OK", body):
            own = lag(tmp_path, port)
        other = lag(tmp_path, port)

    assert (own.returncode, other.returncode) == (69, 69)
    assert own.stderr == (
        f"workers: the fleet of {tmp_path} has its own `workers lag`, pid 4711, which serves http://127.0.0.1:{port}/; "
        "`workers status` shows the lag here\n"
    )
    assert "Address already in use" in other.stderr
    assert "has its own" not in other.stderr
