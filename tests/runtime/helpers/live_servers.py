"""Live servers on loopback, paced in real time, that can be killed and started again."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from probe import grey

Paint = Callable[[int], NDArray[np.uint8]]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class LiveServer:
    """An HTTP server that sends H.264 in MPEG-TS, or JPEGs one after the other, to whoever connects.

    Frame n shows `paint(n)`; the count goes on whether somebody is connected or not.
    """

    def __init__(
        self,
        kind: str = "mpegts",
        *,
        port: int | None = None,
        fps: int = 30,
        size: tuple[int, int] = (64, 48),
        paint: Paint | None = None,
        frames: int | None = None,
    ) -> None:
        self.kind, self.fps, self.size, self.frames = kind, fps, size, frames
        self.paint = paint or (lambda index: grey(index % 20, size))
        self.port = port or free_port()
        self._stopping = threading.Event()
        self._sockets: list[socket.socket] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._sockets.append(self.connection)
                with contextlib.suppress(OSError, av.FFmpegError, ValueError):
                    outer._serve(self)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/live"

    def __enter__(self) -> LiveServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """Connections break off, and new ones are refused."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        kind = "video/mp2t" if self.kind == "mpegts" else "multipart/x-mixed-replace;boundary=frame"
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        send = self._mpegts if self.kind == "mpegts" else self._jpegs
        send(handler)

    def _paced(self) -> Any:
        began = time.monotonic()
        index = 0
        while not self._stopping.is_set() and (self.frames is None or index < self.frames):
            yield index, self.paint(index)
            index += 1
            time.sleep(max(0.0, began + index / self.fps - time.monotonic()))

    def _mpegts(self, handler: BaseHTTPRequestHandler) -> None:
        class Pipe:
            def write(self, data: bytes) -> int:
                handler.wfile.write(data)
                return len(data)

        with av.open(Pipe(), "w", format="mpegts", options={"flush_packets": "1"}) as container:
            stream: Any = container.add_stream("libx264", rate=self.fps)
            stream.width, stream.height, stream.pix_fmt = *self.size, "yuv420p"
            stream.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "10"}
            for index, image in self._paced():
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = index, Fraction(1, self.fps)
                container.mux(stream.encode(frame))

    def _jpegs(self, handler: BaseHTTPRequestHandler) -> None:
        for _, image in self._paced():
            data = cv2.imencode(".jpg", image)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            handler.wfile.write(head.encode() + data + b"\r\n")
