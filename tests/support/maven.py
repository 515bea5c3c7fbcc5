"""A Maven repository on the loopback interface, with the jars that are built already."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path
from typing import Self

from tests.support.embedded import REPOSITORY

BUILT = REPOSITORY / "var/stack/build/jars"


class MavenRepository:
    """Serves the jars that are built already, in the layout of Maven Central."""

    def __init__(self, hold_after: int | None = None, corrupt: str = "") -> None:
        self.served: list[str] = []
        self.held = threading.Event()
        self._released = threading.Event()
        if hold_after is None:
            self._released.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rsplit("/", 1)[-1]
                if not name.endswith(".jar"):
                    self.send_error(404)
                    return
                outer.served.append(name)
                content = b"other" if name == corrupt else (BUILT / name).read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                half = len(content) // 2
                self.wfile.write(content[:half])
                if len(outer.served) > (hold_after or 0) and not outer._released.is_set():
                    outer.held.set()
                    outer._released.wait(60)
                self.wfile.write(content[half:])

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """The client was killed on purpose."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def go_on(self) -> None:
        self._released.set()

    def configuration(self, folder: Path) -> Path:
        file = folder / "jgo.conf"
        file.write_text(f"[repositories]\ncentral = http://127.0.0.1:{self._server.server_port}/maven2\n")
        return file
