"""What one argument means, and that a password in it is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit_edge.address import parse_address, redact
from unit_edge.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "kind", "name", "stem"),
    [
        ("0", "camera", "camera 0", "camera0"),
        ("/dev/video12", "camera", "/dev/video12", "camera12"),
        ("csi://1", "csi", "csi://1", "csi1"),
        ("-", "stdin", "stdin", "stdin"),
        ("rtsp://cam.local:554/a/b", "network", "rtsp://cam.local:554/a/b", "cam.local-554"),
        ("RTSP://u:p@10.0.0.1/s", "network", "RTSP://***@10.0.0.1/s", "10.0.0.1"),
        ("http://u:p@ss@host/x@y", "network", "http://***@y", "y"),
        ("udp://@239.0.0.1:5000", "network", "udp://***@239.0.0.1:5000", "239.0.0.1-5000"),
        ("videotestsrc ! appsink", "gstreamer", "videotestsrc ! appsink", "gstreamer"),
        ("clip.mp4", "path", "clip.mp4", "clip"),
        ("12:30 50%d.mp4", "path", "12:30 50%d.mp4", "12:30 50%d"),
        ("./0", "path", "0", "0"),
        ("frames/*.png", "images", "frames/*.png", "frames"),
        ("*/a?.png", "images", "*/a?.png", "images"),
    ],
)
def test_one_argument_says_what_it_is(text: str, kind: str, name: str, stem: str) -> None:
    address = parse_address(text)
    assert (address.kind, address.name, address.stem) == (kind, name, stem)


def test_a_path_is_a_file_whatever_its_name() -> None:
    assert parse_address(Path("0")).kind == parse_address(Path("-")).kind == "path"


def test_brackets_in_the_name_of_a_file_that_is_there_are_no_pattern(tmp_path: Path) -> None:
    clip = tmp_path / "drive [1].mp4"
    clip.touch()
    assert parse_address(str(clip)).kind == "path"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the input is empty"),
        ("ftp://host/clip.mp4", "unknown scheme ftp://; known: rtsp"),
        ("file:///clip.mp4", "by its path"),
        ("rtsp:///stream", "no host in it"),
        ("csi://front", "csi://0"),
        ("videotestsrc ! autovideosink", "must end in ` ! appsink"),
    ],
)
def test_what_can_be_nothing_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        parse_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://bob:hunter2@cam/stream",
        "rtsp://bob:hunter2@s@cam/stream",
        "rtsp://bob:hun/hunter2@cam/stream",
        "ftp://bob:hunter2@host/clip",
        "http://cam/video?user=bob&password=hunter2&fps=5",
        "https://cam/live?token=hunter2",
        "rtspsrc location=rtsp://cam/ user-id=bob user-pw=hunter2 ! appsink",
        'rtspsrc location=rtsp://cam/ user-id="bob" user-pw="x hunter2" ! appsink',
        'rtspsrc location="rtsp://bob:hunter2@cam/" ! fakesink',
    ],
)
def test_no_password_is_shown(text: str) -> None:
    assert "hunter2" not in redact(text) and "bob" not in redact(text)
    try:
        address = parse_address(text)
    except ConfigError as error:
        assert "hunter2" not in str(error)
        return
    assert "hunter2" not in repr(address) + address.name + address.stem
    assert address.target == text


def test_what_is_no_secret_stays() -> None:
    for text in ("rtsp://cam/a?fps=5", "monkey=3 keyframe=1", "clip@home.mp4", "mail me@host"):
        assert redact(text) == text
