"""The API as programs use it: state, models, pause, steady, recording, snapshot, metrics, events."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from serve_server import COLOUR, SIZE, Server

INVERTED = tuple(255 - value for value in COLOUR)
NEAR = 6  # levels that JPEG and H.264 may be off in a plain area


def halves(picture: bytes) -> tuple[list[int], list[int]]:
    """The median colours of both halves, BGR."""
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    middle = image.shape[1] // 2
    left, right = (np.median(half, axis=(0, 1)) for half in (image[:, :middle], image[:, middle:]))
    return list(left), list(right)


def test_state_names_source_model_and_figures(server: Server) -> None:
    state = server.until(lambda s: s["figures"]["compute_ms"] is not None and s["figures"]["decode_ms"])
    assert state["source"]["name"] == "clip.mp4"
    assert (state["source"]["width"], state["source"]["height"]) == SIZE
    assert (state["model"]["name"], state["model"]["source"], state["model"]["target"]) == (
        "invert",
        "plain",
        "inverted",
    )
    assert state["fault"] is None and not state["paused"] and not state["recording"]["on"]
    assert 0 < state["figures"]["fps"] <= 30
    later = server.until(lambda s: s["frames"] > state["frames"])
    assert later["captured"] > state["captured"]


def test_snapshot_is_lossless_and_has_both_halves(server: Server) -> None:
    status, headers, picture = server.ask("/api/snapshot.png")
    assert status == 200 and headers["content-type"] == "image/png"
    assert "attachment" in headers["content-disposition"]
    left, right = halves(picture)
    assert np.abs(np.subtract(left, COLOUR)).max() <= NEAR
    assert [255 - value for value in left] == right


def test_jpegs_carry_both_halves_and_a_clock(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/stream.mjpeg")
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
    numbers, stamps = [], []
    for _ in range(4):
        assert response.readline() == b"--frame\r\n"
        part = {}
        while (line := response.readline().strip()) != b"":
            name, _, value = line.decode().partition(": ")
            part[name] = value
        picture = response.read(int(part["Content-Length"]))
        assert response.readline() == b"\r\n"
        numbers.append(int(part["X-Frame"]))
        stamps.append(float(part["X-Captured"]))
    connection.close()
    left, right = halves(picture)
    assert np.abs(np.subtract(left, COLOUR)).max() <= NEAR
    assert np.abs(np.subtract(right, INVERTED)).max() <= NEAR
    assert numbers == sorted(set(numbers)) and stamps == sorted(set(stamps))
    now_s = json.loads(server.ask("/api/clock")[2])["now_s"]
    assert stamps[-1] < now_s < stamps[-1] + 60


def test_a_viewer_who_goes_is_forgotten_and_encoding_rests(server: Server) -> None:
    server.until(lambda s: s["viewers"]["mjpeg"] == 0)  # those of the tests before
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/stream.mjpeg?quality=low")
    connection.getresponse().read(100)
    assert server.state()["viewers"]["mjpeg"] == 1
    connection.close()
    server.until(lambda s: s["viewers"]["mjpeg"] == 0)
    server.until(lambda s: s["figures"]["encode_ms"] is None)


def test_pause_holds_the_frame_and_another_model_translates_it(server: Server) -> None:
    server.post("/api/pause", {"on": True})
    try:
        time.sleep(0.5)
        held = server.state()["frames"]
        before = server.ask("/api/snapshot.png")[2]
        time.sleep(0.6)
        assert server.state()["frames"] == held and server.ask("/api/snapshot.png")[2] == before
        assert server.post("/api/model", {"model": "identity"})["model"]["target"] == "plain"
        # a frame is counted when it comes from the model, a moment before it is shown
        server.until(lambda s: s["frames"] == held + 1 and server.ask("/api/snapshot.png")[2] != before)
        left, right = halves(server.ask("/api/snapshot.png")[2])
        assert left == right == halves(before)[0]
    finally:
        server.post("/api/model", {"model": "invert"})
        server.post("/api/pause", {"on": False})
    server.until(lambda s: s["frames"] > held + 2)


def test_steady_is_switched(server: Server) -> None:
    assert server.post("/api/steady", {"on": True})["steady"]
    frames = server.state()["frames"]
    server.until(lambda s: s["frames"] > frames + 2)
    assert not server.post("/api/steady", {"on": False})["steady"]


def test_a_recording_has_both_halves_and_the_time_it_took(server: Server) -> None:
    server.post("/api/record", {"on": True})
    state = server.until(lambda s: s["recording"]["seconds"] > 1 and s["recording"]["bytes"] > 0)
    began, name = state["recording"]["seconds"], state["recording"]["name"]
    server.post("/api/record", {"on": False})
    server.until(lambda s: any(f"recorded {name}" in one["text"] for one in s["notices"]))
    with av.open(str(server.folder / name)) as container:
        frames = [(frame.time, frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
    times, images = zip(*frames, strict=True)
    assert images[0].shape == (SIZE[1], 2 * SIZE[0], 3)
    assert times[-1] >= began - 0.2
    assert np.abs(np.median(images[-1][:, : SIZE[0]], axis=(0, 1)) - COLOUR).max() <= NEAR
    assert np.abs(np.median(images[-1][:, SIZE[0] :], axis=(0, 1)) - INVERTED).max() <= NEAR
    assert not list(server.folder.glob(".*.parts"))


def test_models_are_the_given_ones_and_the_bundled_ones(server: Server) -> None:
    models = json.loads(server.ask("/api/models")[2])["models"]
    assert [one["name"] for one in models[:2]] == ["invert", "identity"]
    assert {"name": "day2night-edge-s", "source": "day", "target": "night"} in models


def test_metrics_parse_and_agree_with_the_state(server: Server) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    before = server.state()
    status, headers, text = server.ask("/metrics")
    after = server.state()
    assert status == 200 and headers["content-type"].startswith("text/plain")
    samples = {
        sample.name: sample.value
        for family in parser.text_string_to_metric_families(text.decode())
        for sample in family.samples
    }
    assert before["frames"] <= samples["unit_edge_frames_total"] <= after["frames"]
    assert samples["unit_edge_source_up"] == 1 and samples["unit_edge_paused"] == 0
    assert samples["unit_edge_resident_bytes"] > 10e6


def test_events_come_each_second_and_at_once_when_something_changes(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/api/events")
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "text/event-stream"

    def event() -> dict[str, object]:
        line = response.readline()
        assert line.startswith(b"data: ") and response.readline() == b"\n"
        return dict(json.loads(line[6:]))

    first, second = event(), event()
    assert float(str(second["uptime_s"])) - float(str(first["uptime_s"])) > 0.2
    server.post("/api/steady", {"on": True})
    assert event()["steady"] or event()["steady"]
    server.post("/api/steady", {"on": False})
    connection.close()


def test_the_page_is_small_whole_and_cached_by_what_it_holds(server: Server) -> None:
    size, seen = 0, set()
    paths = ["/"]
    while paths:
        path = paths.pop()
        status, headers, content = server.ask(path)
        assert status == 200, path
        size, seen = size + len(content), seen | {path}
        assert server.ask(path, headers={"If-None-Match": headers["etag"]})[0] == 304
        for piece in content.decode().replace("'", '"').split('"'):
            file = piece.startswith("/") and Path(piece).suffix in (".js", ".css", ".svg") and piece
            if file and file not in seen | set(paths):
                paths.append(file)
        assert b"http://" not in content.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"https://" not in content
    assert {"/", "/main.js", "/style.css", "/stream.js", "/view.js"} <= seen
    assert size < 60_000
