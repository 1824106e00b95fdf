"""Against a real RTSP server: read, killed and restarted, with a password.

Needs Debian's python3-gi, gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-base, -good and -ugly.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from doubles import AddRunner
from live_servers import free_port
from probe import frame_times

from unit_edge.errors import SourceError
from unit_edge.runtime.pipeline import Stats, run
from unit_edge.runtime.sinks.video.sink import VideoSink
from unit_edge.runtime.sources.open import SourceOptions, open_source
from unit_edge.text.address import parse_address

SERVER = Path(__file__).with_name("rtsp_server.py")
PARTS = ("x264enc", "rtph264pay", "videotestsrc")


def python_with_gstreamer() -> str | None:
    """The system's Python, if it can run the server."""
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else shutil.which("python3")
    code = (
        "import gi; gi.require_version('GstRtspServer', '1.0'); "
        "from gi.repository import Gst, GstRtspServer; "
        f"Gst.init(None); assert all(Gst.ElementFactory.find(name) for name in {PARTS})"
    )
    works = python and subprocess.run([python, "-c", code], capture_output=True).returncode == 0
    return python if works else None


class RtspServer:
    def __init__(self, python: str, *account: str, port: int | None = None) -> None:
        self.port = port or free_port()
        command = [python, str(SERVER), str(self.port), *account]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        patience = threading.Timer(60, self._process.kill)
        patience.start()
        line = self._process.stdout.readline()
        patience.cancel()
        assert line == "ready\n"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture(scope="module")
def python() -> str:
    found = python_with_gstreamer()
    if found is None:
        pytest.skip("needs GStreamer's RTSP server (gir1.2-gst-rtsp-server-1.0, x264enc)")
    return found


def test_a_server_that_is_killed_and_restarted(python: str, tmp_path: Path) -> None:
    servers = [RtspServer(python)]
    url, notices, marks = f"rtsp://127.0.0.1:{servers[0].port}/live", [], {}
    source = open_source(parse_address(url), SourceOptions(), notices.append)

    def watch(stats: Stats) -> None:
        if stats.shown > 30 and not marks:
            marks["killed"] = stats.shown
            servers[0].kill()
        elif stats.lost and len(servers) == 1:
            servers.append(RtspServer(python, port=servers[0].port))
        elif stats.reconnects and stats.shown > marks.setdefault("back", stats.shown) + 30:
            source.stop()

    output = tmp_path / "out.mp4"
    try:
        with source:
            assert (source.info.width, source.info.height) == (320, 240)
            stats = run(source, AddRunner(seconds=0.02), VideoSink(output, source.info), watch)
    finally:
        for server in servers:
            server.kill()
    assert notices == [f"{url}: lost; connecting again", f"{url}: connected again"]
    times = [float(time) for time in frame_times(output)]
    assert len(times) == stats.shown > 60 and times == sorted(set(times))
    assert max(b - a for a, b in pairwise(times)) > 0.4, "at least the pause before it is connected to again"
    assert stats.captured == stats.shown + stats.dropped


def test_a_password_is_used_and_not_shown(python: str) -> None:
    server = RtspServer(python, "bob", "hunter2")
    address = f"127.0.0.1:{server.port}/live"
    try:
        with open_source(
            parse_address(f"rtsp://bob:hunter2@{address}"), SourceOptions(duration=0.5)
        ) as source:
            assert len(list(source)) > 3
        for account in ("bob:wrong-hunter2@", ""):
            wrong = open_source(parse_address(f"rtsp://{account}{address}"))
            with pytest.raises(SourceError, match="wrong path, user name or password") as caught:
                wrong.__enter__()
            assert "hunter2" not in str(caught.value)
    finally:
        server.kill()
