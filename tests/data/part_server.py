"""A file server on the loopback that fails on demand."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CORRUPT = "corrupt"
TRUNCATE = "truncate"
HANG = "hang"


class PartServer:
    """Serves `files` by name.

    `faults` maps a file name to what happens at its next requests, one entry each: an HTTP status to answer with, or
    one of the constants above. `requests` lists the names of the files that were requested.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.faults: dict[str, list[int | str]] = {}
        self.requests: list[str] = []
        self._released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/parts"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.rsplit("/", 1)[1]
        self.requests.append(name)
        fault = self.faults[name].pop(0) if self.faults.get(name) else None
        if isinstance(fault, int) or name not in self.files:
            handler.send_error(fault if isinstance(fault, int) else 404)
            return
        if fault == HANG:
            self._released.wait(30)
            return
        body = self.files[name]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if fault == CORRUPT:
            body = bytes([body[0] ^ 1]) + body[1:]
        handler.wfile.write(body[: len(body) // 2] if fault == TRUNCATE else body)
