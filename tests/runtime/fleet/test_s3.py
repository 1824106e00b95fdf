"""A store that speaks S3 on loopback, which now and then answers 503 or hangs up."""

from __future__ import annotations

import http.client
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from probe import frame_times

from unit_edge.errors import ConfigError, SinkError, SourceError
from unit_edge.runtime.fleet.items import Item, Work
from unit_edge.runtime.fleet.storage.destination import Destination
from unit_edge.runtime.fleet.storage.scratch import Scratch
from unit_edge.runtime.fleet.storage.sources import find_items
from unit_edge.runtime.fleet.worker import Worker

pytest.importorskip("s3fs")
boto3 = pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]
SECRET = "tHeSeCrEt0123456789"


class Moody(http.server.BaseHTTPRequestHandler):
    """Passes requests on; of those that have a body to get or give, it spoils some."""

    protocol_version = "HTTP/1.1"
    behind: tuple[str, int]
    spoil: list[str]
    """What befalls the next requests for objects: "503", "reset" in the middle of the answer."""
    spoilt: list[str]

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        object_itself = self.path.count("/") > 1 and self.command in ("GET", "PUT")
        mood = self.spoil.pop(0) if object_itself and self.spoil else ""
        if mood:
            self.spoilt.append(f"{mood} {self.command}")
        if mood == "503":
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        with closing(http.client.HTTPConnection(*self.behind)) as store:
            store.request(self.command, self.path, body, dict(self.headers))
            answer = store.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server", "content-length"):
                self.send_header(name, value)
        length = answer.headers["Content-Length"] if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if mood == "reset" else content)
        if mood == "reset":
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Moody]]:
    """A bucket "drives" behind a proxy; keys and addresses are in the environment alone."""
    import s3fs

    server = moto_server.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    handler = type("Handler", (Moody,), {"behind": server.get_host_and_port(), "spoil": [], "spoilt": []})
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.server_port}")
    boto3.client("s3").create_bucket(Bucket="drives")
    s3fs.S3FileSystem.clear_instance_cache()
    yield handler
    s3fs.S3FileSystem.clear_instance_cache()
    proxy.shutdown()
    proxy.server_close()
    server.stop()


@pytest.fixture
def worker(store: type[Moody], write_model: WriteModel, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """worker(segment_s=None) → one that writes to s3://drives/night, opened in this process."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    model = write_model()
    opened: list[Worker] = []

    def open_one(segment_s: float | None = None) -> Worker:
        work = Work(
            model=str(model),
            suffix=".onnx",
            destination="s3://drives/night",
            scratch=str(scratch),
            segment_s=segment_s,
        )
        one = Worker(work)
        about = one.open()
        assert about["error"] == "", about
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        one.close()
    assert list(scratch.iterdir()) == []


def put(key: str, content: bytes) -> None:
    boto3.client("s3").put_object(Bucket="drives", Key=key, Body=content)


def keys() -> list[str]:
    found = boto3.client("s3").list_objects_v2(Bucket="drives").get("Contents", [])
    return sorted(one["Key"] for one in found)


@pytest.mark.slow
def test_from_and_to_a_store_that_stumbles(
    store: type[Moody], worker: Callable[[], Worker], write_clip: WriteClip, tmp_path: Path
) -> None:
    clip = write_clip(frames=20).read_bytes()
    put("day/a/one.mp4", clip)
    put("day/two.mkv", b"no video")
    put("day/../../escape.mp4", clip)
    put("day/notes.txt", b"")
    items, bad = find_items("s3://drives/day")
    assert [(item.name, item.bytes) for item in items] == [("a/one.mp4", len(clip)), ("two.mkv", 8)]
    assert [one.name for one in bad] == ["../../escape.mp4"]
    assert [item.name for item in find_items("s3://drives/day/*/*.mp4")[0]] == ["a/one.mp4"]

    one = worker()
    store.spoil[:] = ["503", "reset", "503"]
    outcomes = one.translate(items)
    assert len(store.spoilt) == 3
    assert [(outcome.name, outcome.frames) for outcome in outcomes] == [("a/one.mp4", 20), ("two.mkv", 0)]
    assert outcomes[0].error == "" and outcomes[1].error.startswith("two.mkv: not a video")
    assert [key for key in keys() if key.startswith("night")] == ["night/a/one.mp4"]
    made = tmp_path / "made.mp4"
    made.write_bytes(boto3.client("s3").get_object(Bucket="drives", Key="night/a/one.mp4")["Body"].read())
    assert len(frame_times(made)) == 20
    assert Destination("s3://drives/night").names() == {"a/one.mp4"}


@pytest.mark.slow
def test_segments_go_through_the_store(
    store: type[Moody], worker: Callable[..., Worker], write_clip: WriteClip, tmp_path: Path
) -> None:
    put("tours/long.mp4", write_clip(frames=100, key_every=20).read_bytes())
    [item], _ = find_items("s3://drives/tours")
    one, other = worker(1), worker(1)
    item = replace(item, cuts=one.translate([item])[0].cuts)
    assert len(item.cuts) > 2
    store.spoil[:] = ["503"]
    for number in range(len(item.cuts)):
        [outcome] = (one, other)[number % 2].translate([replace(item, segment=number)])
        assert outcome.error == ""
    assert len([key for key in keys() if "/segments/" in key]) == len(item.cuts)
    assert Destination("s3://drives/night").names().isdisjoint({"long.mp4"})
    [outcome] = one.translate([item])
    assert (outcome.error, outcome.frames) == ("", 100)
    assert not any("/.unit-edge-fleet/" in key for key in keys())
    boto3.client("s3").download_file("drives", "night/long.mp4", str(tmp_path / "made.mp4"))
    assert frame_times(tmp_path / "made.mp4") == [Fraction(n, 25) for n in range(100)]


@pytest.mark.slow
def test_what_a_store_refuses_is_said_without_its_keys(
    store: type[Moody], worker: Callable[[], Worker]
) -> None:
    one = worker()
    [outcome] = one.translate([Item("gone.mp4", "s3://drives/day/gone.mp4", "gone.mp4", 10)])
    assert outcome.error == "s3://drives/day/gone.mp4: there is no such file, folder or bucket"
    with pytest.raises(SinkError) as caught:
        Destination("s3://no-such-bucket-here/x").prepare()
    assert SECRET not in str(caught.value) and "no-such-bucket-here" in str(caught.value)
    assert SECRET not in repr(one._work)


def test_downloads_wait_for_room(tmp_path: Path) -> None:
    scratch = Scratch(str(tmp_path), 100)
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        with scratch.room(60):
            order.append("second")

    with scratch.room(60) as folder:
        thread = threading.Thread(target=second)
        thread.start()
        inside.wait(0.2)
        order.append("first")
        assert folder.is_dir()
    thread.join()
    assert order == ["first", "second"]
    scratch.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_worker_has_left_is_removed(tmp_path: Path) -> None:
    living = Scratch(str(tmp_path), 100)
    dead, young = tmp_path / "unit-edge-fleet-dead", tmp_path / "unit-edge-fleet-young"
    foreign = tmp_path / "something-else"
    for folder in (dead, young, foreign):
        folder.mkdir()
    for folder in (dead, foreign, living.folder):
        os.utime(folder, (0, 0))
    other = Scratch(str(tmp_path), 100)
    assert set(tmp_path.iterdir()) == {living.folder, other.folder, young, foreign}
    for one in (living, other):
        one.close()


def test_several_workers_remove_what_is_left_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one is quicker, between the listing of the folders and the look at this one."""
    dead = tmp_path / "unit-edge-fleet-dead"
    dead.mkdir()
    lstat = Path.lstat

    def quicker(path: Path) -> os.stat_result:
        if path == dead and dead.exists():
            dead.rmdir()
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", quicker)
    scratch = Scratch(str(tmp_path), 100)
    assert list(tmp_path.iterdir()) == [scratch.folder]
    scratch.close()


def test_a_store_without_keys_says_where_they_belong(
    store: type[Moody], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(SourceError, match=r"no keys \(.*\); give the store's keys in its own environment"):
        find_items("s3://drives/in/")


def test_a_server_that_refuses_is_said() -> None:
    with pytest.raises(ConfigError, match=r"^ftp://127\.0\.0\.1:1/drives: can't be reached \("):
        find_items("ftp://127.0.0.1:1/drives")
