"""`unit-edge serve` in a process of its own, as a user starts it, and the clip that tests have it show."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

SIZE = 320, 240
COLOUR = 40, 80, 200  # BGR of the clip; the model inverts it
_START_S = 120.0


def paint(index: int) -> NDArray[np.uint8]:
    """The colour, with a white square that moves."""
    image = np.full((SIZE[1], SIZE[0], 3), COLOUR, np.uint8)
    left = 8 * index % (SIZE[0] - 20)
    image[100:140, left : left + 20] = 255
    return image


class Server:
    """`unit-edge serve` as a child process; a context manager."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self._arguments, self.folder = arguments, cwd
        self.token: str | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def start(self, port: int = 0) -> None:
        command = [sys.executable, "-m", "unit_edge.cli", "serve", *self._arguments, "--threads", "1"]
        self.errors = (self.folder / "stderr.txt").open("w+")
        self.process = subprocess.Popen(
            [*command, "--backend", "onnxruntime", "--port", str(port)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout is not None
        patience = threading.Timer(_START_S, self.process.kill)
        patience.start()
        line = self.process.stdout.readline().strip()
        patience.cancel()
        assert line.startswith("http"), (line, self.said())
        address = urlsplit(line)
        self.url = f"{address.scheme}://{address.netloc}"
        self.port = address.port or 0
        self.token = address.query.removeprefix("token=") or None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()

    def said(self) -> str:
        """What it wrote to stderr so far."""
        return (self.folder / "stderr.txt").read_text()

    def ask(
        self,
        path: str,
        body: Any = None,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        *,
        raw: bytes | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer; a POST of JSON where there is a body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {"X-Unit-Edge": "1", **(headers or {})}
        if body is not None:
            raw, given["Content-Type"] = json.dumps(body).encode(), "application/json"
        given = {name: value for name, value in given.items() if value}
        connection.request(method or ("GET" if raw is None else "POST"), path, body=raw, headers=given)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, answer

    def state(self) -> dict[str, Any]:
        return dict(json.loads(self.ask("/api/state")[2]))

    def post(self, path: str, body: Any) -> dict[str, Any]:
        status, _, answer = self.ask(path, body)
        assert status in (200, 201), answer
        return dict(json.loads(answer))

    def until(self, holds: Callable[[dict[str, Any]], Any], seconds: float = 60) -> dict[str, Any]:
        """The first state in which something holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = self.state()
            if holds(state):
                return state
            time.sleep(0.1)
        raise AssertionError(f"never in {seconds} s: {state}")
