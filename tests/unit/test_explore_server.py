# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may ask the explorer, and what it says to wrong questions."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lostirq.errors import UsageError
from lostirq.workflow.explore import Explorer, parse_moves
from lostirq.workflow.explore_server import Server
from tests.unit.cli_toys import toy


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = toy(tmp_path_factory.mktemp("workspace"))
    found = Server(Explorer(root, root / "cache"))
    found.start()
    yield found
    found.stop()


def ask(server: Server, target: str, host: str = "", method: str = "GET") -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest(method, target, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{server.port}")
    connection.endheaders()
    response = connection.getresponse()
    return response.status, response.read().decode(), dict(response.getheaders())


def test_only_the_holder_of_the_address_gets_in(server: Server) -> None:
    assert ask(server, f"/{server.token}/")[0] == 200
    for target in ("/", "/wrong/", f"/{server.token[:-1]}/", "/api/models"):
        status, body, _ = ask(server, target)
        assert status in (403, 404) and "scenarios" not in body
    assert len(server.token) >= 20


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "[::1]:80"])
def test_a_name_from_elsewhere_does_not_reach_it(server: Server, host: str) -> None:
    assert ask(server, f"/{server.token}/api/models", host)[0] == 403


def test_only_get(server: Server) -> None:
    assert ask(server, f"/{server.token}/api/models", method="POST")[0] == 501


def test_headers_keep_the_page_to_itself(server: Server) -> None:
    headers = ask(server, f"/{server.token}/")[2]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("place", "word"), [
    ("api/view?scenario=nothing", "nothing"), ("api/view?scenario=one&memory=arm", "memory model"),
    ("api/view?scenario=one&path=1.x", "numbers"), ("api/view?scenario=one&path=99", "cannot be taken"),
    ("api/jump?bug=../../etc/passwd", "no known bug"), ("save?scenario=one&path=99", "cannot be taken"),
])  # fmt: skip
def test_a_wrong_question_gets_one_clear_answer(server: Server, place: str, word: str) -> None:
    status, body, _ = ask(server, f"/{server.token}/{place}")
    assert status == 400 and word in json.loads(body)["error"]


def test_no_file_but_the_three_of_the_page(server: Server) -> None:
    for place in ("../explore.py", "page.js/../../html.py", "..%2f..%2fcli.py", "page.py"):
        assert ask(server, f"/{server.token}/{place}")[0] == 404


def test_moves_are_numbers() -> None:
    assert parse_moves("") == () and parse_moves("3.0.12") == (3, 0, 12)
    with pytest.raises(UsageError, match="numbers"):
        parse_moves("3.-1")


def test_a_port_that_is_taken(server: Server, tmp_path: Path) -> None:
    explorer = Explorer(toy(tmp_path), tmp_path)
    with pytest.raises(UsageError, match="--port"):
        Server(explorer, server.port)
