"""Several outputs at once: the file is whole whatever happens to the others, and what they get is right."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from doubles import ListSink, files_in, within
from probe import frame_number, frame_times, grey, packets

from unit_edge.errors import ConfigError, PartialError, SinkError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sinks.multi import MultiSink
from unit_edge.runtime.sinks.outputs import parse_output
from unit_edge.runtime.sinks.raw import RawSink
from unit_edge.runtime.sinks.stream import StreamSink
from unit_edge.runtime.sinks.v4l2 import VirtualCameraSink
from unit_edge.runtime.sinks.video.sink import VideoSink
from unit_edge.runtime.translate import RunExtras, translate

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]
INFO = VideoInfo(64, 48, fps=Fraction(30000, 1001))
MAIN = [sys.executable, "-c", "from unit_edge.cli import main; main()"]


def frames(count: int) -> list[Frame]:
    return [Frame(grey(index), index, index / INFO.fps) for index in range(count)]


class StuckSink(ListSink):
    """Never comes back from its second frame, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def write(self, frame: Frame) -> None:
        super().write(frame)
        if len(self.frames) == 2:
            self.let_go.wait()


def test_a_stuck_output_neither_stalls_the_file_nor_loses_any_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unit_edge.runtime.sinks.multi._FINISH_S", 0.2)
    stuck, fine = StuckSink(), ListSink()
    multi = MultiSink([VideoSink(tmp_path / "out.mp4", INFO)], [("stuck", stuck), ("fine", fine)])

    def work() -> None:
        with multi as sink:
            for frame in frames(200):
                sink.write(frame)

    with pytest.raises(PartialError, match="stuck: took no frames"):
        within(30, work)
    assert frame_times(tmp_path / "out.mp4") == [frame.pts for frame in frames(200)]
    assert fine.state == "finished" and fine.frames[-1].index == 199
    assert multi.lost["stuck"] >= 200 - 2 - 4
    stuck.let_go.set()


def test_a_failing_output_is_left_out_and_named(tmp_path: Path) -> None:
    notices: list[str] = []
    bad = ListSink(SinkError("nobody listens"), error_at=3)
    multi = MultiSink([VideoSink(tmp_path / "out.mp4", INFO)], [("udp", bad)], notices.append)
    with pytest.raises(PartialError, match="not all outputs are whole: udp: nobody listens"), multi as sink:
        for frame in frames(100):
            sink.write(frame)
    assert len(frame_times(tmp_path / "out.mp4")) == 100
    assert notices == ["udp: failed and is left out: nobody listens"]
    assert bad.state == "discarded"


def test_an_error_discards_all(tmp_path: Path) -> None:
    side = ListSink()
    multi = MultiSink([VideoSink(tmp_path / "out.mp4", INFO), ListSink(ValueError("x"))], [("side", side)])
    with pytest.raises(ValueError, match="x"), multi as sink:
        sink.write(frames(1)[0])
    assert side.state == "discarded" and files_in(tmp_path) == set()


def test_what_can_not_be_opened_stops_all_before_it_begins(tmp_path: Path) -> None:
    stream = StreamSink(f"tcp://u:secret@127.0.0.1:{_free_port()}", INFO, Encoding(), pace=False)
    with pytest.raises(SinkError, match="can't be connected to") as caught:
        MultiSink([VideoSink(tmp_path / "out.mp4", INFO)], [("stream", stream)]).__enter__()
    assert "secret" not in str(caught.value)
    assert files_in(tmp_path) == set()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_udp_arrives_as_a_transport_stream(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, codec: str
) -> None:
    """Sent with a file beside it, and caught by a plain socket."""
    clip, received = write_clip(frames=24, size=(128, 96)), bytearray()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(1)
        url = f"udp://127.0.0.1:{listener.getsockname()[1]}"
        # Alone, so that every frame goes out, at its time.
        translate(clip, url, write_model("invert"), encoding=Encoding(codec=codec))
        try:
            while True:
                received += listener.recv(2000)
        except TimeoutError:
            pass
    (tmp_path / "received.ts").write_bytes(received)
    with av.open(str(tmp_path / "received.ts")) as container:
        assert container.format.name == "mpegts"
        stream = container.streams.video[0]
        assert stream.codec_context.codec.canonical_name == codec
        got = [
            (frame.pts * frame.time_base, frame.to_ndarray(format="bgr24"))
            for frame in container.decode(stream)
        ]
    assert [frame_number(255 - image) for _, image in got] == list(range(24))
    assert [float(time - got[0][0]) for time, _ in got] == pytest.approx(
        [i / 25 for i in range(24)], abs=1e-4
    )


def test_a_tcp_stream_whose_reader_leaves_does_not_hurt_the_file(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    clip, notices = write_clip(frames=300, size=(128, 96), audio="aac"), []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(PartialError, match="sending failed"):
            translate(
                clip,
                [tmp_path / "out.mp4", url],
                write_model(),
                encoding=Encoding(crf=1),
                extras=RunExtras(notice=notices.append),
            )
    assert len(notices) == 1
    assert frame_times(tmp_path / "out.mp4") == frame_times(clip)
    assert packets(tmp_path / "out.mp4", "audio") == packets(clip, "audio")


def test_two_files(write_clip: WriteClip, write_model: WriteModel, tmp_path: Path) -> None:
    clip = write_clip(frames=10)
    translate(clip, [tmp_path / "a.mp4", tmp_path / "b.webm"], write_model())
    assert len(frame_times(tmp_path / "a.mp4")) == len(frame_times(tmp_path / "b.webm")) == 10


def test_raw_frames_are_what_they_say(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 47, 63, 3), dtype=np.uint8)
    info = VideoInfo(63, 47, fps=INFO.fps)
    with (tmp_path / "out.bgr").open("wb") as file, RawSink(file.fileno(), info, "bgr24") as sink:
        for index, image in enumerate(noise):
            sink.write(Frame(image, index, Fraction(index)))
    assert (tmp_path / "out.bgr").read_bytes() == noise.tobytes()
    with (tmp_path / "out.y4m").open("wb") as file, RawSink(file.fileno(), INFO) as sink:
        for frame in frames(20):
            sink.write(frame)
    with av.open(str(tmp_path / "out.y4m")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == INFO.fps
        got = [frame_number(frame.to_ndarray(format="bgr24")) for frame in container.decode(stream)]
    assert got == list(range(20))


def test_stdout_has_nothing_but_frames(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    command = [*MAIN, "translate", str(write_clip(frames=12)), "--model", str(write_model("invert"))]
    command += ["-o", "-", "-o", str(tmp_path / "out.mp4"), "--raw-format", "bgr24"]
    alone = subprocess.run([*command[:-4], "--raw-format", "bgr24"], capture_output=True, check=True)
    images = np.frombuffer(alone.stdout, np.uint8).reshape(12, 48, 64, 3)
    assert [frame_number(255 - image) for image in images] == list(range(12))
    assert b"-: 12 frames" in alone.stderr and alone.stderr.count(b"\n") == 1
    both = subprocess.run(command, capture_output=True, check=True)
    assert len(both.stdout) % (48 * 64 * 3) == 0 and both.stdout
    assert len(frame_times(tmp_path / "out.mp4")) == 12


def test_a_reader_that_closes_early_is_one_line(write_clip: WriteClip, write_model: WriteModel) -> None:
    clip = write_clip(frames=300, size=(320, 240))
    command = [*MAIN, "translate", str(clip), "--model", str(write_model()), "-o", "-"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    patience = threading.Timer(120, process.kill)
    patience.start()
    process.stdout.read(1000)
    process.stdout.close()
    assert process.stderr.read() == b"error: -: the program that reads the frames has ended\n"
    assert process.wait(30) == 1
    patience.cancel()


def test_outputs_as_people_type_them() -> None:
    given = ["-", "udp://h:1", "rtsp://u:p@h/x", "/dev/video9", "out.mp4"]
    assert [parse_output(text).kind for text in given] == ["raw", "stream", "stream", "camera", "file"]
    assert "u:p" not in parse_output("rtsp://u:p@h/x").name and "p@" not in repr(
        parse_output("rtsp://u:p@h/x")
    )
    for text in ("ftp://h/x", "udp://"):
        with pytest.raises(ConfigError, match="no such output; expected one of udp://"):
            parse_output(text)


def test_an_output_given_twice(write_clip: WriteClip, write_model: WriteModel, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="given twice"):
        translate(write_clip(), [tmp_path / "a.mp4"] * 2, write_model())
    assert not (tmp_path / "a.mp4").exists()


def test_virtual_cameras_that_are_none(tmp_path: Path) -> None:
    for path, message in [(tmp_path / "video9", "no such device"), (Path(os.devnull), "is no video device")]:
        with pytest.raises(SinkError, match=message) as caught, VirtualCameraSink(path, INFO):
            pass
        assert "v4l2loopback" in str(caught.value)


def test_ctrl_c_finishes_the_file_while_another_output_waits(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    clip = write_clip(frames=300, size=(320, 240))
    command = [
        *MAIN,
        "translate",
        str(clip),
        "--model",
        str(write_model("slow")),
        "-o",
        str(tmp_path / "out.mp4"),
    ]
    process = subprocess.Popen(
        [*command, "-o", f"udp://127.0.0.1:{_free_port()}"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not list(tmp_path.glob(".out.*")) and process.poll() is None:
        threading.Event().wait(0.05)
    threading.Event().wait(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"stopped\n")
    assert 0 < len(frame_times(tmp_path / "out.mp4")) < 300
