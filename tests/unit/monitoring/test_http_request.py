"""What a request asks for, read as the application reads it."""

from __future__ import annotations

import pytest

from workers.monitoring.http_request import path_of


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /readyz HTTP/1.1",
        b"GET /readyz?x=1 HTTP/1.1",
        b"GET /%72eadyz HTTP/1.1",
        b"GET //readyz HTTP/1.1",
        b"GET\xa0/readyz HTTP/1.1",
    ],
)
def test_no_spelling_of_a_path_whose_answer_waits_is_taken_for_another(request_line):
    """Else its answer would be made on the thread that must not wait."""
    assert path_of(request_line + b"\r\n\r\n") == "/readyz"
