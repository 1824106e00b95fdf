"""Live sources against real servers on loopback and a scripted camera: newest first, lost and found again."""

from __future__ import annotations

import ctypes
import threading
import time
import types
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from doubles import AddRunner, ListSink, within
from live_servers import LiveServer, free_port
from numpy.typing import NDArray
from probe import frame_number, frame_times

from unit_edge.errors import ModelError, SinkError, SourceError, TruncatedError
from unit_edge.runtime.pipeline import Stats, run
from unit_edge.runtime.sinks.video.sink import VideoSink
from unit_edge.runtime.sources.capture import CameraMode, csi_pipeline, open_capture
from unit_edge.runtime.sources.gst_elements import element_names, missing_elements
from unit_edge.runtime.sources.live import LiveSource
from unit_edge.runtime.sources.open import SourceOptions, open_source
from unit_edge.text.address import parse_address


@pytest.fixture(autouse=True)
def no_leak() -> Iterator[None]:
    """No thread of ours and no open file is left."""
    files = open_files()
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("unit-edge")]
    deadline = time.monotonic() + 20  # the server's side of a connection may take its time
    while open_files() > files and time.monotonic() < deadline:
        time.sleep(0.05)
    assert open_files() <= files


def open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


class Camera:
    """A capture without a camera: a frame every period, up to a count, then a loss."""

    fps = 30.0

    def __init__(self, period_s: float, count: int = 10**9) -> None:
        self._period_s, self._left, self._next = period_s, count, time.monotonic()
        self.grabbed, self.retrieved, self.released = 0, 0, False

    def grab(self) -> bool:
        self._next += self._period_s
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._left -= 1
        self.grabbed += self._left >= 0
        return self._left >= 0

    def retrieve(self) -> NDArray[np.uint8]:
        self.retrieved += 1
        return np.full((24, 32, 3), self.grabbed % 100, np.uint8)

    def release(self) -> None:
        self.released = True


def network(url: str, notice: Callable[[str], None] | None = None, **options: float) -> LiveSource:
    source = open_source(parse_address(url), SourceOptions(**options), notice)  # type: ignore[arg-type]
    assert isinstance(source, LiveSource)
    return source


@pytest.mark.parametrize("kind", ["mpegts", "mjpeg"])
def test_a_stream_arrives_in_order_and_ends_when_told(kind: str) -> None:
    with LiveServer(kind) as server, network(server.url, duration=1.0) as source:
        assert (source.info.width, source.info.height, source.info.frame_count) == (64, 48, None)
        frames = within(30, lambda: list(source))
    assert len(frames) > 5
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert frames[0].pts == 0 and all(a.pts < b.pts for a, b in pairwise(frames))
    assert all((frame.pts / source.info.time_base).denominator == 1 for frame in frames)
    assert frames[-1].pts < 1.0
    assert source.captured >= source.taken == len(frames)


def test_a_slow_model_gets_the_newest_frame_and_its_age_stays_the_same() -> None:
    camera, sink = Camera(1 / 30), ListSink()
    with LiveSource("camera", lambda: camera, duration_s=4.0) as source:
        stats = within(60, lambda: run(source, AddRunner(seconds=0.08), sink))
    assert all(frame.captured_s is not None for frame in sink.frames)
    assert stats.captured == stats.shown + stats.dropped == source.captured
    assert len(sink.frames) == stats.shown == stats.ages.count
    # Three periods of the model would be 0.24 s; a queue that grows would have reached 2.5 s by now.
    assert stats.ages.percentile(50) < 0.6
    assert stats.ages.percentile(90) < 1.2
    assert stats.dropped > stats.shown / 2, "of 30 frames a second at most 12.5 can be shown"
    assert camera.retrieved < camera.grabbed, "frames that nobody takes are not converted"
    assert camera.released


def test_a_fast_model_loses_no_frame_of_a_slow_camera() -> None:
    camera, sink = Camera(0.05, count=20), ListSink()
    with (
        LiveSource("camera", lambda: camera, reconnect_for_s=0) as source,
        pytest.raises(TruncatedError, match="the source ended; what came before is kept"),
    ):
        run(source, AddRunner(), sink)
    assert len(sink.frames) >= 10 and (sink.state, sink.was_cut_short) == ("finished", True)


def test_a_batch_model_does_not_wait_for_a_batch() -> None:
    runner, sink = AddRunner(), ListSink()
    spec = runner.manifest.input.__class__("frame", "uint8", (4, None, None, 3))
    object.__setattr__(runner.manifest, "input", spec)
    assert runner.manifest.batch == 4
    with LiveSource("camera", lambda: Camera(0.02), duration_s=0.5) as source:
        stats = within(30, lambda: run(source, runner, sink))
    assert len(runner.shapes) == stats.frames and {shape[0] for shape in runner.shapes} == {4}


def test_a_slow_sink_gets_the_newest_too() -> None:
    sink = ListSink(seconds=0.1)
    with LiveSource("camera", lambda: Camera(0.01), duration_s=2.0) as source:
        stats = within(60, lambda: run(source, AddRunner(), sink))
    assert stats.captured == stats.shown + stats.dropped and stats.dropped > stats.shown
    assert stats.ages.percentile(50) < 0.6


def test_a_stream_that_is_killed_and_restarted_goes_on_in_one_recording(tmp_path: Path) -> None:
    notices: list[str] = []
    servers = [LiveServer("mpegts")]
    servers[0].__enter__()
    lost_after_s: list[float] = []
    began = time.monotonic()

    def restart(stats: Stats) -> None:
        if stats.shown > 15 and len(servers) == 1 and not lost_after_s:
            servers[0].kill()
            lost_after_s.append(time.monotonic() - began)
        elif stats.lost and len(servers) == 1 and time.monotonic() - began > lost_after_s[0] + 1:
            servers.append(LiveServer("mpegts", port=servers[0].port).__enter__())
        elif stats.reconnects and stats.shown - shown_before.setdefault("n", stats.shown) > 15:
            source.stop()

    shown_before: dict[str, int] = {}
    output = tmp_path / "out.mp4"
    try:
        with network(servers[0].url, notices.append) as source:
            stats = run(source, AddRunner(), VideoSink(output, source.info, preset="ultrafast"), restart)
    finally:
        for server in servers:
            server.kill()
    name = servers[0].url
    assert notices == [f"{name}: lost; connecting again", f"{name}: connected again"]
    assert stats.reconnects == 1
    times = [float(time) for time in frame_times(output)]
    assert len(times) == stats.shown and times[0] < 1  # the very first may give way to a newer one
    gaps = [b - a for a, b in pairwise(times)]
    assert min(gaps) > 0 and max(gaps) > 1, "the gap is in the recording as long as it was"
    assert times[-1] <= stats.seconds + 0.5


def test_the_first_connection_fails_at_once() -> None:
    port = free_port()
    with pytest.raises(SourceError, match=f"127.0.0.1 port {port} can't be reached: Connection refused"):
        within(30, lambda: network(f"http://127.0.0.1:{port}/live").__enter__())


def test_a_source_that_does_not_come_back_in_time() -> None:
    sink = ListSink()
    with LiveServer("mjpeg", frames=10) as server, network(server.url, reconnect_for=1.0) as source:
        server._server.shutdown()
        server._server.server_close()
        with pytest.raises(TruncatedError, match="didn't come back within 1 s"):
            within(60, lambda: run(source, AddRunner(), sink))
    assert sink.frames and sink.state == "finished"


def test_pauses_between_connections_grow() -> None:
    tried_s: list[float] = []

    def connect() -> Camera:
        tried_s.append(time.monotonic())
        if len(tried_s) == 4:
            source.stop()
        if len(tried_s) > 1:
            raise SourceError("gone")
        return Camera(0.001, count=1)

    source = LiveSource("camera", connect)
    with source:
        assert len(within(60, lambda: list(source))) == 1
        while len(tried_s) < 4:
            time.sleep(0.02)
    pauses = [b - a for a, b in pairwise(tried_s)]
    assert pauses[0] >= 0.5 and pauses[1] >= 1 and pauses[2] >= 2


def test_pauses_are_short_again_after_a_connection_that_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only the camera moves on, without waiting for the pauses."""
    now_s, pauses = 0.0, list[float]()

    class Minutes(Camera):
        def grab(self) -> bool:
            nonlocal now_s
            now_s += 60
            self._left -= 1
            return self._left >= 0

    def connect() -> Camera:
        tries.append(len(tries))
        if len(tries) in (2, 3):
            raise SourceError("gone")
        return Minutes(0, count=2)

    def pause(_: object, seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 5:
            source.stop()
        return False

    tries: list[int] = []
    clock = types.SimpleNamespace(monotonic=lambda: now_s)
    monkeypatch.setattr("unit_edge.runtime.sources.live.time", clock)
    source = LiveSource("camera", connect)
    monkeypatch.setattr(source._changed, "wait_for", pause)
    with source:
        within(60, lambda: list(source))
    assert pauses == [0.5, 0.5 * 2, 0.5 * 4, 0.5, 0.5], "the first, two more in vain, and two after it held"


def test_a_lost_source_can_be_left() -> None:
    sink = ListSink()
    opened: list[Camera] = []

    def connect() -> Camera:
        if opened:
            raise SourceError("gone")
        opened.append(Camera(0.01, count=5))
        return opened[0]

    with LiveSource("camera", connect) as source:

        def leave(stats: Stats) -> None:
            if stats.lost:
                source.stop()

        stats = within(30, lambda: run(source, AddRunner(), sink, leave))
    assert stats.captured == 5 and opened[0].released and sink.state == "finished"


def halves(width: int, height: int) -> NDArray[np.uint8]:
    """Dark on the left and bright on the right, so that a cut or shift would show."""
    image = np.full((height, width, 3), 40, np.uint8)
    image[:, width // 2 :] = 200
    return image


def test_a_stream_that_changes_its_size_is_recorded_in_the_first_one(tmp_path: Path) -> None:
    def paint(index: int) -> NDArray[np.uint8]:
        return halves(64, 48) if index < 20 else halves(128, 80)

    output = tmp_path / "out.mp4"
    with LiveServer("mjpeg", paint=paint) as server, network(server.url, duration=2.5) as source:
        run(source, AddRunner(), VideoSink(output, source.info, preset="ultrafast"))
    assert_halves(output)


def test_a_camera_that_changes_its_size_is_recorded_in_the_first_one(tmp_path: Path) -> None:
    class Changing(Camera):
        def retrieve(self) -> NDArray[np.uint8]:
            return halves(64, 48) if self.grabbed < 10 else halves(128, 80)

    output, runner = tmp_path / "out.mp4", AddRunner()
    with LiveSource("camera", lambda: Changing(0.02), duration_s=1.5) as source:
        run(source, runner, VideoSink(output, source.info, preset="ultrafast"))
    assert {shape[1:3] for shape in runner.shapes} == {(48, 64), (80, 128)}
    assert_halves(output)


def assert_halves(path: Path) -> None:
    with av.open(str(path)) as container:
        images = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(images) > 5
    for image in images:
        assert image.shape == (48, 64, 3)
        assert image[:, 4:24].mean() == pytest.approx(140, abs=8)
        assert image[:, 40:60].mean() == pytest.approx(44, abs=8), "200 + 100 in a byte"


@pytest.mark.parametrize("stage", ["runner", "sink"])
def test_an_exception_ends_a_live_run(stage: str) -> None:
    camera = Camera(0.005)
    runner = AddRunner(error=ModelError("broken") if stage == "runner" else None, error_at=5)
    sink = ListSink(error=SinkError("full") if stage == "sink" else None, error_at=5)
    with pytest.raises((ModelError, SinkError)), LiveSource("camera", lambda: camera) as source:
        within(30, lambda: run(source, runner, sink))
    assert sink.state == "discarded" and camera.released


def test_a_camera_that_connects_and_gives_nothing() -> None:
    camera = Camera(0.001, count=0)
    with pytest.raises(SourceError, match="connected, but no frame came"):
        LiveSource("camera", lambda: camera).__enter__()
    assert camera.released


def test_numbers_of_frames_survive_the_way(tmp_path: Path) -> None:
    with LiveServer("mjpeg", fps=10) as server, network(server.url, duration=1.5) as source:
        numbers = [frame_number(frame.image) for frame in source]
    assert len(numbers) > 3 and all((b - a) % 20 >= 1 for a, b in pairwise(numbers))


def test_the_pipeline_of_a_jetson_is_what_nvidia_documents() -> None:
    mode = CameraMode((1280, 720), 30)
    parts = csi_pipeline(1, mode).split(" ! ")
    assert parts[0] == "nvarguscamerasrc sensor-id=1"
    assert parts[1] == "video/x-raw(memory:NVMM),format=NV12,width=1280,height=720,framerate=30/1"
    assert parts[-2:] == ["video/x-raw,format=BGR", "appsink drop=true max-buffers=1 sync=false"]


def test_elements_of_a_pipeline_are_found_by_name() -> None:
    pipeline = "rtspsrc location=rtsp://h/ latency=50 ! video/x-raw(memory:NVMM),width=4 ! tee name=t t. ! "
    assert list(element_names(pipeline + "t.src_1 ! queue ! appsink drop=true")) == [
        "rtspsrc",
        "tee",
        "queue",
        "appsink",
    ]
    try:
        ctypes.CDLL("libgstreamer-1.0.so.0")
    except OSError:
        pytest.skip("GStreamer is not installed")
    assert missing_elements("no-such-element ! fakesink") == ["no-such-element"]


def test_opencv_without_gstreamer_says_so() -> None:
    if cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        pytest.skip("this OpenCV has GStreamer")
    with pytest.raises(SourceError, match=r"needs OpenCV with GStreamer, which OpenCV .* lacks; take"):
        open_capture(parse_address("videotestsrc ! appsink"))


def test_a_file_on_a_server_is_refused(write_clip: Callable[..., Path]) -> None:
    clip = write_clip(frames=10, options={"movflags": "+faststart"}).read_bytes()

    class FileServer(LiveServer):
        def _serve(self, handler):  # type: ignore[no-untyped-def]
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(clip)))
            handler.end_headers()
            handler.wfile.write(clip)

    with FileServer() as server, pytest.raises(SourceError, match="a file on a server, not a live stream"):
        network(server.url).__enter__()
