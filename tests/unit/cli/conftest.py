"""The commands in this process."""

from __future__ import annotations

import sys

import pytest

from workers.cli import main as cli


@pytest.fixture
def workers(monkeypatch, capsys):
    """Run a command line in this process; returns exit code, output, complaints."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["workers", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return int(ended.value.code or 0), captured.out, captured.err

    return run
