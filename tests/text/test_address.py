"""What one argument means, and that a password in it is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit_edge.errors import ConfigError
from unit_edge.runtime.sinks.outputs import parse_output
from unit_edge.text.address import parse_address
from unit_edge.text.redaction import redact


@pytest.mark.parametrize(
    ("text", "kind", "name", "stem"),
    [
        ("0", "camera", "camera 0", "camera0"),
        ("/dev/video12", "camera", "/dev/video12", "camera12"),
        ("csi://1", "csi", "csi://1", "csi1"),
        ("-", "stdin", "stdin", "stdin"),
        ("rtsp://cam.local:554/a/b", "network", "rtsp://cam.local:554/a/b", "cam.local-554"),
        ("RTSP://u:p@10.0.0.1/s", "network", "RTSP://***@10.0.0.1/s", "10.0.0.1"),
        ("http://u:p@ss@host/x@y", "network", "http://***@y", "http"),
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
        "rtsp://bob:my hunter2@cam/live",
        "rtsp://bob:a?token=hunter2@cam/live",
        "rtsp://cam/live?password=a@hunter2",
        "rtsp:/bob:hunter2@cam/live",
        "bob:hunter2@cam/live",
        "rtsp://bob:hunter2@127.0.0.1:8581:1/live",
        "rtmp://host/app/hunter2",
        "rtmps://host:443/app/hunter2?x=1",
        "srt://cam:9000?passphrase=hunter2&mode=caller",
        "srt://cam:9000?streamid=#!::u=bob,s=hunter2",
        *(
            f"https://cam/live?{name}=hunter2"
            for name in (
                *(
                    "sig",
                    "jwt",
                    "session",
                    "credential",
                    "accesskey",
                    "authorization",
                    "signature",
                    "Api-Key",
                ),
                *(
                    "access_key",
                    "X-Amz-Signature",
                    "accessToken",
                    "sessionid",
                    "jsessionid",
                    "PHPSESSID",
                    "p%61ssword",
                    "hdnea",
                ),
            )
        ),
        "rtspsrc location=rtsp://cam/ user-pw='a hunter2' ! appsink",
        r"rtspsrc location=rtsp://cam/ user-pw=a\ hunter2 ! appsink",
        'rtspsrc location=rtsp://cam/ user-pw = (string)"a \\" hunter2" ! appsink',
        'souphttpsrc location=http://cam/ cookies="s=hunter2" ! appsink',
        'souphttpsrc location=http://cam/ cookies=<"s=1","t=hunter2"> ! appsink',
        'souphttpsrc location=http://cam/ extra-headers="h,Authorization=\\"Bearer hunter2\\"" ! appsink',
        "souphttpsrc location=http://cam/ proxy=http://bob:hunter2@proxy/ ! appsink",
        "https://cam/live?client_secret%3Dhunter2",
        "https://cam/live?pwd%3Da%3Dhunter2",
        f"bob:hunter2@{'a' * 300}",
        "Authorization: Bearer hunter2",
        "Cookie: a=1; s=hunter2",
    ],
)
def test_no_password_is_shown(text: str) -> None:
    assert "hunter2" not in redact(text) and "bob" not in redact(text)
    try:
        address = parse_address(text)
    except ConfigError as error:
        assert "hunter2" not in str(error)
        return
    if address.kind != "path":
        assert "hunter2" not in repr(address) + address.name + address.stem
        assert address.target == text


@pytest.mark.parametrize(
    "text",
    [
        "srt://cam:9000?passphrase=hunter2",
        "rtmp://live.example/app/hunter2",
        "rtsp://bob:hun hunter2@cam/stream",
        "ftp://bob:hunter2@cam/stream",
        "rtmp:/live.example/app/hunter2",
        "bob:hunter2@cam/live",
        'rtmpsink location=rtmp://h/app passphrase="hunter2" ! appsink',
        "file://h/live&pwd = hunter2",
    ],
)
def test_no_password_of_an_output_is_shown(text: str) -> None:
    try:
        output = parse_output(text)
    except ConfigError as error:
        assert "hunter2" not in str(error)
        return
    assert "hunter2" not in repr(output) + output.name
    assert output.target == text


def test_what_is_no_secret_stays() -> None:
    for text in (
        "rtsp://cam/a?fps=5",
        "monkey=3 keyframe=1",
        "clip@home.mp4",
        "mail me@host",
        "x264enc key-int-max=30 bitrate=500",
        "rtmp://host/app: can't be connected to (Connection refused)",
        "12:30 50%d.mp4: no such file",
        "optim.steps = -1, expected a number above 0",
    ):
        assert redact(text) == text


def test_a_blank_in_an_address_ends_no_secret() -> None:
    address = parse_address("https://cam/live?password=my hunter2&fps=5")
    assert address.name == "https://cam/live?password=***&fps=5"


def test_a_text_goes_on_behind_what_is_hidden() -> None:
    text = "rtmp://h/app/KEY: sending failed; http://h/?token=KEY: no, rtsp://u:KEY@h/x: neither"
    assert redact(text) == (
        "rtmp://h/app/***: sending failed; http://h/?token=***: no, rtsp://***@h/x: neither"
    )


@pytest.mark.parametrize("host", ["127.0.0.1:8581:1", "cam:99999", "cam:port", "[::1", "a b"])
def test_what_is_no_host_and_port_is_refused_before_anything_is_asked(host: str) -> None:
    with pytest.raises(ConfigError, match="no such host and port"):
        parse_address(f"rtsp://{host}/live")


@pytest.mark.parametrize("host", ["127.0.0.1:8581", "cam", "[::1]:554", "[fe80::1%eth0]", ":5000"])
def test_hosts_and_ports_as_they_should_be(host: str) -> None:
    assert parse_address(f"udp://{host}").kind == "network"
