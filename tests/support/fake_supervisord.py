"""What answers where a supervisord should: for answers that the real one gives only when it is unwell."""

from __future__ import annotations

import re
import socketserver
import threading
from pathlib import Path
from typing import Self


class FakeSupervisord(socketserver.ThreadingUnixStreamServer):
    """Gives one answer to everybody, and keeps the head of the last request."""

    def __init__(self, path: Path, status: str, body: str) -> None:
        server = self
        self.head = b""

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                server.head = b"".join(iter(self.rfile.readline, b"\r\n"))
                # To its end: a client whose request is cut off sees a broken pipe, and no answer.
                self.rfile.read(int(re.search(rb"content-length: (\d+)", server.head, re.IGNORECASE)[1]))
                answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nContent-Type: text/xml\r\n\r\n{body}"
                self.wfile.write(answer.encode())

        super().__init__(str(path), Handler)

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.serve_forever, args=[0.02])
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.thread.join()
        super().__exit__(*error)
