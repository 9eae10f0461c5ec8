# SPDX-License-Identifier: GPL-2.0-or-later
"""`lostirq explore`: the explorer as a page that only this machine and only the holder of the address can open.

Invariants: bound to 127.0.0.1; every request needs the random token in its path and a Host header that names this
address (so that a page from elsewhere cannot reach it by a name of its own); only GET; nothing of a request is executed
or used as a file name; answers are never stored by the browser.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from lostirq.errors import LostirqError, UsageError
from lostirq.ir.system import Memory
from lostirq.report.html import asset, html
from lostirq.workflow.counterexample import is_one
from lostirq.workflow.explore import Address, Explorer, parse_moves
from lostirq.workflow.workspace import suggestion

POLICY = ("default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
_FILES = {"": ("explore.html", "text/html"), "explore.js": ("explore.js", "text/javascript"),
          "page.css": ("page.css", "text/css"), "explore.css": ("explore.css", "text/css")}
MOST_TARGET = 1 << 15       # characters of a request's target


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    kind: str
    body: str
    name: str = ""          # of the file that a download makes


def address(query: dict[str, list[str]]) -> Address:
    """Where a request wants to be.  Raises `UsageError`."""
    one = {k: v[0] for k, v in query.items()}
    memory = one.get("memory", Memory.TSO.value)
    if memory not in [m.value for m in Memory]:
        raise UsageError(f"unknown memory model {memory[:20]!r}; known are {', '.join(m.value for m in Memory)}")
    return Address(one.get("scenario", ""), Memory(memory), parse_moves(one.get("path", "")), one.get("bug", ""))


def fragment(at: Address) -> str:
    """The address as the part of a page's address after #."""
    parts = {"bug": at.bug, "scenario": at.scenario, "memory": at.memory.value, "path": ".".join(map(str, at.moves))}
    return "&".join(f"{k}={quote(v)}" for k, v in parts.items() if v)


def answer(explorer: Explorer, place: str, query: dict[str, list[str]]) -> Answer:
    """What a request gets."""
    if place in _FILES:
        name, kind = _FILES[place]
        return Answer(200, kind, asset(name))
    try:
        if place == "api/models":
            return _json(explorer.models())
        if place == "api/view":
            return _json(explorer.view(address(query)))
        if place == "api/jump":
            return _json({"fragment": fragment(explorer.jump(_bug(explorer, query)))})
        if place == "save":
            at = address(query)
            return Answer(200, "text/html", html(explorer.account(at)), f"{at.bug or at.scenario}.html")
    except LostirqError as error:
        return Answer(400, "application/json", json.dumps({"error": str(error)}))
    return Answer(404, "application/json", json.dumps({"error": "there is nothing at this address"}))


def _bug(explorer: Explorer, query: dict[str, list[str]]) -> str:
    """Only known bugs: a request does not name files."""
    slug = query.get("bug", [""])[0]
    known = explorer.models()["bugs"]
    if not isinstance(known, list) or slug not in known:
        raise UsageError(f"no known bug is called {slug[:60]!r}")
    return slug


def _json(data: object) -> Answer:
    return Answer(200, "application/json", json.dumps(data))


class Server:
    """A running explorer; `url` opens it."""

    def __init__(self, explorer: Explorer, port: int = 0, token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(16)
        try:
            self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(explorer, self.token))
        except OSError as error:
            raise UsageError(f"--port {port}: {error.strerror}; choose another one, or 0 for any") from None
        self._http.daemon_threads = True
        self.port = int(self._http.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/{self.token}/"

    def serve(self) -> None:
        """Until `stop`, or Ctrl-C."""
        self._http.serve_forever(poll_interval=0.2)

    def start(self) -> None:
        threading.Thread(target=self.serve, name="lostirq-explore", daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def _handler(explorer: Explorer, token: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "lostirq", ""
        timeout = 30

        def do_GET(self) -> None:
            host, port = self.headers.get("Host", ""), self.connection.getsockname()[1]
            if host not in (f"127.0.0.1:{port}", f"localhost:{port}"):
                return self.give(Answer(403, "text/plain", "this address is not the explorer's\n"))
            split = urlsplit(self.path[:MOST_TARGET])
            _, given, *rest = [*split.path.split("/", 2), ""]
            if not hmac.compare_digest(given.encode(), token.encode()) or not rest:
                return self.give(Answer(403, "text/plain", "open the address that lostirq explore printed\n"))
            return self.give(answer(explorer, rest[0], parse_qs(split.query)))

        def give(self, a: Answer) -> None:
            body = a.body.encode()
            self.send_response(a.status)
            self.send_header("Content-Type", f"{a.kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            if a.name:
                self.send_header("Content-Disposition", f'attachment; filename="{quote(a.name)}"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # the name of the base class
            """Requests are not logged: their paths have the token."""

    return Handler


def opened(root: Path, cache: Path, subject: str, port: int) -> tuple[Server, str]:
    """A server, and the address to open: at the start, at a scenario, or at the end of a counterexample."""
    explorer = Explorer(root, cache)
    at = ""
    if subject:
        known = {str(s["name"]) for s in explorer.models()["scenarios"]}  # type: ignore[attr-defined]  # a list of dicts
        if subject not in known and not is_one(root, subject):
            raise UsageError(f"nothing is called {subject!r}{suggestion(subject, known)}; give a scenario, a trace "
                             "file, a known bug or 'last'")
        at = f"scenario={quote(subject)}" if subject in known else fragment(explorer.jump(subject))
    server = Server(explorer, port)
    return server, server.url + (f"#{at}" if at else "")
