"""A small OpenAI-compatible server for tests: answers by seed, and fails, stalls and lies as it is told."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass
class Fault:
    """What is sent instead of a completion: a status with a body, or less than that.

    `after` bytes the connection breaks off; `stall` seconds pass before anything is sent, at most until the
    server ends; `drip` sends a byte now and then without an end.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    after: int | None = None
    stall: float = 0.0
    drip: bool = False


Ask = dict[str, Any]
Faults = Callable[[Ask, int], Fault | None]


def completion(ask: Ask, **changed: Any) -> dict[str, Any]:
    """A right answer, which seed and messages, or the text to go on with, decide."""
    plain = ask.get("prompt")
    drawn = hashlib.sha256(orjson.dumps([ask.get("seed"), plain or ask["messages"]])).hexdigest()
    text = f"Drawn {drawn[:6]}.\nThe answer is \\boxed{{{int(drawn[6:8], 16) % 3}}}."
    said = {"text": text} if plain else {"message": {"role": "assistant", "content": text}}
    choice = {"index": 0, **said, "finish_reason": "stop"}
    usage = {"prompt_tokens": 7, "completion_tokens": len(text), "total_tokens": 7 + len(text)}
    return {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage} | changed


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no error."""


class ChatServer:
    """Serves on loopback while it is entered. `faults` sees each request and how often it came before."""

    def __init__(self, faults: Faults = lambda ask, before: None, port: int = 0) -> None:
        self.faults = faults
        self.asked: list[Ask] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        self.connections: list[socket.socket] = []
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self._seen: Counter[bytes] = Counter()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                server.connections.append(self.connection)

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                with suppress(OSError), server.counted():
                    server.answer(self, raw)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = _Listener(("127.0.0.1", port), Handler)
        self.port = int(self._http.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> ChatServer:
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ending.set()
        self._http.shutdown()
        self._thread.join()
        for connection in self.connections:  # kept alive, they would go on to be served
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._http.server_close()

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            with self.lock:
                self.at_once -= 1

    def answer(self, handler: BaseHTTPRequestHandler, raw: bytes) -> None:
        ask = orjson.loads(raw)
        with self.lock:
            before = self._seen[raw]
            self._seen[raw] += 1
            self.asked.append(ask)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
        if handler.path != ("/v1/completions" if "prompt" in ask else "/v1/chat/completions"):
            fault: Fault | None = Fault(404, b'{"detail":"Not Found"}')
        else:
            fault = self.faults(ask, before)
        if fault is None:
            fault = Fault(body=orjson.dumps(completion(ask)))
        if fault.stall:
            self.ending.wait(fault.stall)
        self._send(handler, fault)

    def _send(self, handler: BaseHTTPRequestHandler, fault: Fault) -> None:
        if fault.after == 0:
            handler.close_connection = True
            return
        handler.send_response(fault.status)
        for name, value in ({"Content-Type": "application/json"} | fault.headers).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(10**9 if fault.drip else len(fault.body)))
        handler.end_headers()
        while fault.drip and not self.ending.wait(0.02):
            handler.wfile.write(b" ")
        handler.wfile.write(fault.body[: fault.after])
        if fault.after is not None:
            handler.close_connection = True
