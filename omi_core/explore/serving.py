"""A server for one person's browser: it reads, on this machine alone, for who knows its token.

On a login node others can reach the port, so the address holds a random token; and a page from elsewhere that
a browser was talked into asking through (DNS rebinding) gives itself away by the name in `Host`.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from omi_core.options import ConfigError

# The page that a query asks for. Raises ConfigError: there is none; OSError: it cannot be made any more.
Answer = Callable[[Mapping[str, str]], str]
LOOPBACK = "127.0.0.1"
_NAMES = (LOOPBACK, "localhost")
_PATIENCE_S = 30.0
_HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",  # the page's own policy says the rest
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageServer(ThreadingHTTPServer):
    """Serves the page that `answer` makes of a query at `address`; port 0 is a free one.

    Raises:
        OSError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, port: int, answer: Answer) -> None:
        self.answer = answer
        self.path = f"/{secrets.token_hex(16)}/"
        super().__init__((LOOPBACK, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away before it has its page is no fault."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}{self.path}"


class _Handler(BaseHTTPRequestHandler):
    server: PageServer  # type: ignore[assignment]
    timeout = _PATIENCE_S
    server_version, sys_version = "omi", ""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if host not in _NAMES:
            self._send(HTTPStatus.FORBIDDEN, "This host is not served.")
        elif not secrets.compare_digest(asked.path.encode(), self.server.path.encode()):
            self._send(HTTPStatus.NOT_FOUND, "Not found.")
        else:
            try:
                page = self.server.answer(dict(parse_qsl(asked.query, errors="replace")))
            except ConfigError as error:
                self._send(HTTPStatus.BAD_REQUEST, str(error))
            except OSError as error:
                self._send(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
            else:
                self._send(HTTPStatus.OK, page, "html")

    def _send(self, status: HTTPStatus, body: str, kind: str = "plain") -> None:
        data = body.encode("utf-8", "replace")
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": f"text/{kind}; charset=utf-8"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed: the address holds the token."""
