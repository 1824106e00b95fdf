"""Clips and pictures that viewers give, and what is refused."""

from __future__ import annotations

import http.client
import json
import os
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from makers import make_clip
from serve_server import COLOUR, Server, paint

from unit_edge.runtime.serve.uploads.kinds import suffix_of

INVERTED = [255 - value for value in COLOUR]


def finished(server: Server, job: dict[str, Any]) -> dict[str, Any]:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        now = json.loads(server.ask(f"/api/uploads/{job['id']}")[2])
        if now["state"] in ("done", "failed"):
            return dict(now)
        time.sleep(0.2)
    raise AssertionError(now)


def give(server: Server, content: bytes, query: str = "") -> dict[str, Any]:
    status, _, answer = server.ask(f"/api/uploads{query}", raw=content)
    assert status == 201, answer
    return dict(json.loads(answer))


def test_a_clip_is_translated_played_beside_itself_and_forgotten(server: Server, tmp_path: Path) -> None:
    clip = make_clip(tmp_path, frames=10, paint=paint, size=(320, 240), audio="aac").read_bytes()
    job = give(server, clip, "?model=invert")
    done = finished(server, job)
    assert (done["state"], done["error"], done["done"]) == ("done", None, 10)
    files = {file["name"]: file["url"] for file in done["files"]}
    for name, width in (("translated.mp4", 320), ("both.mp4", 640)):
        status, headers, content = server.ask(files[name])
        assert status == 200 and headers["content-type"] == "video/mp4"
        (tmp_path / name).write_bytes(content)
        with av.open(str(tmp_path / name)) as container:
            images = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
            assert len(images) == 10 and images[0].shape == (240, width, 3)
            assert bool(container.streams.audio) == (name == "translated.mp4")
    assert np.abs(np.median(images[3][:, :320], axis=(0, 1)) - COLOUR).max() <= 8
    assert np.abs(np.median(images[3][:, 320:], axis=(0, 1)) - INVERTED).max() <= 8
    status, headers, part = server.ask(files["both.mp4"], headers={"Range": "bytes=4-7"})
    assert (status, part) == (206, b"ftyp")
    assert "attachment" in server.ask(files["translated.mp4"] + "?download")[1]["content-disposition"]
    assert server.ask(f"/api/uploads/{job['id']}", method="DELETE")[0] == 204
    assert server.ask(files["both.mp4"])[0] == 404
    assert not any(one["id"] == job["id"] for one in server.state()["uploads"]["jobs"])


def test_a_gallery_shows_what_every_model_makes_of_a_picture(server: Server) -> None:
    picture = cv2.imencode(".png", np.full((48, 64, 3), COLOUR, np.uint8))[1].tobytes()
    job = finished(server, give(server, picture, "?kind=gallery"))
    names = {one["name"] for one in json.loads(server.ask("/api/models")[2])["models"]}
    assert job["error"] is None
    assert {file["name"] for file in job["files"]} == {"before.png"} | {f"{name}.png" for name in names}
    labels = {file["name"]: file["label"] for file in job["files"]}
    assert labels["invert.png"] == "plain to inverted" and labels["day2night-edge-s.png"] == "day to night"
    for name, colour in (("before.png", COLOUR), ("identity.png", COLOUR), ("invert.png", INVERTED)):
        content = server.ask(f"/api/uploads/{job['id']}/{name}")[2]
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None and image.shape == (48, 64, 3) and (image == colour).all()
    server.ask(f"/api/uploads/{job['id']}", method="DELETE")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"hello", 415),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", 415),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", 415),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415),
        (b"\x89PNG\r\n\x1a\n" + bytes(3 << 20), 413),
    ],
)
def test_other_uploads_are_refused_at_once(server: Server, content: bytes, status: int) -> None:
    got, _, answer = server.ask("/api/uploads", raw=content)
    assert got == status and json.loads(answer)["error"]
    assert not server.state()["uploads"]["jobs"]


def test_what_claims_to_be_small_and_isnt_is_cut_off(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        chunks = iter([b"\x89PNG\r\n\x1a\n", *[bytes(1 << 20)] * 4])
        connection.request(
            "POST", "/api/uploads", body=chunks, headers={"X-Unit-Edge": "1"}, encode_chunked=True
        )
        assert connection.getresponse().status == 413
    except ConnectionError:
        pass
    finally:
        connection.close()
    assert not server.state()["uploads"]["jobs"]


@pytest.mark.parametrize("start", ["png", "mp4"])
def test_damaged_files_fail_in_their_own_process(server: Server, start: str, tmp_path: Path) -> None:
    if start == "png":
        content = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].tobytes()[:60]
    else:
        content = make_clip(tmp_path).read_bytes()[:40] + os.urandom(4000)
    job = finished(server, give(server, content))
    assert (
        job["state"] == "failed"
        and "the upload" in job["error"]
        and str(tmp_path.root + "tmp") not in job["error"]
    )
    assert server.ask(f"/api/uploads/{job['id']}", method="DELETE")[0] == 204


def test_what_a_file_is_called_counts_for_nothing() -> None:
    assert suffix_of(b"\x1aE\xdf\xa3" + bytes(20)) == ".mkv"
    assert suffix_of(b"\x00\x00\x00\x20ftypisom") == ".mp4"
    assert suffix_of(b"RIFF\x00\x00\x00\x00AVI LIST") == ".avi"
    assert suffix_of(b"G" + bytes(187) + b"G") == ".ts"
    assert suffix_of(b"GIF89a" + bytes(200)) is None
