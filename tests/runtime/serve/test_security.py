"""Who is let in, and what comes of others: tokens, names, other sites, slow and huge requests."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serve_server import Server

from unit_edge.runtime.serve.connections import Connections


@pytest.fixture(scope="module")
def guarded(serve: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that others can reach, so that it asks for a token."""
    token = tmp_path_factory.mktemp("token") / "token"
    with serve("--host", "0.0.0.0", "--token-file", str(token), "--no-uploads") as running:
        assert token.read_text().strip() == running.token
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        yield running


def test_without_the_token_there_is_nothing_but_the_health(guarded: Server) -> None:
    assert "plain HTTP" in guarded.said()
    for path in ("/api/state", "/stream.mjpeg", "/metrics", "/main.js", "/api/snapshot.png", "/nothing"):
        status, _, answer = guarded.ask(path)
        assert status == 401 and b"clip" not in answer, path
    assert guarded.ask("/api/pause", {"on": True})[0] == 401
    status, headers, answer = guarded.ask("/")
    assert (
        status == 401 and b"link with the token" in answer and headers["content-type"].startswith("text/html")
    )
    assert guarded.ask("/healthz")[0] == 200


@pytest.mark.parametrize("given", ["", "x", "é" * 8, "\x00"])
def test_wrong_tokens_are_refused(guarded: Server, given: str) -> None:
    assert guarded.token is not None
    almost = guarded.token[:-1] + ("a" if guarded.token[-1] != "a" else "b")
    for wrong in (given, almost, guarded.token + "x"):
        quoted = "".join(f"%{byte:02x}" for byte in wrong.encode())
        assert guarded.ask(f"/?token={quoted}")[0] == 401
        if wrong.isascii() and wrong.isprintable():
            assert guarded.ask("/api/state", headers={"Authorization": f"Bearer {wrong}"})[0] == 401
            assert (
                guarded.ask("/api/state", headers={"Cookie": f"unit_edge_{guarded.port}={wrong}"})[0] == 401
            )


def test_the_first_link_leaves_a_cookie_that_suffices(guarded: Server) -> None:
    status, headers, answer = guarded.ask(f"/?token={guarded.token}")
    cookie, *about = headers["set-cookie"].split("; ")
    assert status == 200 and headers["refresh"] == "0; url=/"
    assert {"HttpOnly", "SameSite=Strict"} <= set(about)
    assert guarded.token is not None and guarded.token not in f"{headers}{answer.decode()}"
    assert guarded.ask("/api/state", headers={"Cookie": cookie})[0] == 200
    assert guarded.ask("/api/state", headers={"Authorization": f"Bearer {guarded.token}"})[0] == 200
    # the token opens the page alone, so that it doesn't end up in the address of anything else
    assert guarded.ask(f"/api/state?token={guarded.token}")[0] == 401


def test_a_server_that_takes_no_uploads_refuses_them(guarded: Server) -> None:
    headers = {"Authorization": f"Bearer {guarded.token}"}
    assert guarded.ask("/api/uploads", raw=b"x", headers=headers)[0] == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "192.0.2.7", "[::ffff]", "", "a@127.0.0.1.x"]
)
def test_a_foreign_name_for_the_server_is_refused(server: Server, host: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(f"GET /api/state HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400")) and b"frames" not in answer


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"X-Unit-Edge": ""},
    ],
)
def test_requests_of_other_sites_change_nothing(server: Server, headers: dict[str, str]) -> None:
    assert server.ask("/api/pause", {"on": True}, headers=headers)[0] == 403
    assert not server.state()["paused"]


def test_other_sites_may_neither_read_nor_frame_the_page(server: Server) -> None:
    for path in ("/", "/main.js", "/api/state", "/nothing", "/healthz"):
        headers = server.ask(path)[1]
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert server.ask("/api/pause", method="OPTIONS", headers=preflight)[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/%2e%2e/server.py",
        "/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/__init__.py",
        "/api/uploads/../../etc/passwd",
        "/api/uploads/%2e%2e/upload",
        "/api/uploads/x%00/y",
        "/api/uploads/x/..%2f..%2fupload",
    ],
)
def test_paths_of_requests_open_nothing(server: Server, path: str) -> None:
    status, _, answer = server.ask(path)
    assert status in (400, 404) and b"root:" not in answer and b"import" not in answer


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'{"on": 1}', "application/json"),
        (b'{"on": true, "more": 1}', "application/json"),
        (b'{"on": true}', "text/plain"),
        (b'{"on": true}', "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/json"),
        (b"[" * 60_000, "application/json"),
    ],
)
def test_other_bodies_are_refused_with_what_is_expected(server: Server, body: bytes, content: str) -> None:
    status, _, answer = server.ask("/api/pause", raw=body, headers={"Content-Type": content})
    assert status == 400 and '{"on": bool}' in json.loads(answer)["error"]


def test_a_huge_body_and_huge_headers_are_refused(server: Server) -> None:
    headers = {"Content-Type": "application/json"}
    assert server.ask("/api/pause", raw=b" " * 70_000, headers=headers)[0] == 413
    for many in ({"X-A": "a" * 100_000}, {f"X-{n}": "a" * 100 for n in range(500)}):
        try:
            status = server.ask("/api/state", headers=many)[0]
        except (ConnectionError, http.client.HTTPException):
            continue
        assert status == 400
    assert server.state()["fault"] is None


def test_those_who_send_no_request_are_hung_up_on(server: Server) -> None:
    slow = []
    for _ in range(20):
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        sock.sendall(b"GET /api/state HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        slow.append(sock)
    assert server.ask("/api/state")[0] == 200
    began = time.monotonic()
    for sock in slow:
        with pytest.raises(ConnectionError):  # a byte now and then keeps nothing open
            while sock.recv(1) or True:
                sock.sendall(b"a")
    assert time.monotonic() - began < 40


def test_one_connection_too_many_is_refused_and_the_next_one_isnt() -> None:
    class Inner:
        def __getattr__(self, _: str) -> Callable[..., None]:
            return lambda *_: None

    class Transport:
        aborted = False

        def abort(self) -> None:
            self.aborted = True

    async def connect() -> list[bool]:
        connections = Connections(Inner, 2)  # type: ignore[arg-type]
        protocols, transports = [connections() for _ in range(4)], [Transport() for _ in range(4)]
        for protocol, transport in zip(protocols[:3], transports[:3], strict=True):
            protocol.connection_made(transport)  # type: ignore[arg-type]
        protocols[0].connection_lost(None)
        protocols[3].connection_made(transports[3])  # type: ignore[arg-type]
        return [transport.aborted for transport in transports]

    assert asyncio.run(connect()) == [False, False, True, False]


def test_https_with_a_certificate_and_a_secure_cookie(serve: Callable[..., Server], tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    token = tmp_path / "token"
    token.write_text("a-token-of-my-own-1234\n")
    token.chmod(0o600)
    given = ("--tls-cert", str(cert), "--tls-key", str(key), "--token-file", str(token))
    with serve(*given) as running:
        assert running.url.startswith("https://") and running.token == "a-token-of-my-own-1234"
        context = ssl.create_default_context(cafile=str(cert))
        connection = http.client.HTTPSConnection("localhost", running.port, context=context, timeout=30)
        connection.request("GET", f"/?token={running.token}")
        response = connection.getresponse()
        response.read()
        assert response.status == 200 and "Secure" in response.headers["Set-Cookie"]
        connection.close()
        assert "plain HTTP" not in running.said()
