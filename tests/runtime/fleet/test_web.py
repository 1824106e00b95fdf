"""Clips of a web server: single ones, and those that a folder's page has links to."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from probe import frame_times

from unit_edge.errors import SourceError
from unit_edge.runtime.fleet.items import Work
from unit_edge.runtime.fleet.storage import stores
from unit_edge.runtime.fleet.storage.sources import find_items
from unit_edge.runtime.fleet.worker import Worker

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]


class Server(http.server.SimpleHTTPRequestHandler):
    """Of the names with "secretive" it doesn't say how large they are, and "stalls" it never ends to send."""

    ended = threading.Event()

    def do_HEAD(self) -> None:
        if "secretive" in self.path:
            self.send_error(405)
        else:
            super().do_HEAD()

    def do_GET(self) -> None:
        if "secretive" in self.path:
            content = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)
        elif "stalls" in self.path:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.ended.wait(30)
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address of tmp_path / "site", with what opens it."""
    (tmp_path / "site").mkdir()
    handler = type("Handler", (Server,), {"ended": threading.Event()})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(handler, directory=str(tmp_path / "site"))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://someone:pAsSwOrD@127.0.0.1:{server.server_port}"
    handler.ended.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def worker(write_model: WriteModel, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """worker(scratch_bytes) → one that writes to tmp_path / "out", opened in this process."""
    for name in ("out", "scratch"):
        (tmp_path / name).mkdir()
    model = write_model()
    opened: list[Worker] = []

    def open_one(scratch_bytes: int = 2**30) -> Worker:
        work = Work(
            model=str(model),
            suffix=".onnx",
            backend="onnxruntime",
            destination=str(tmp_path / "out"),
            scratch=str(tmp_path / "scratch"),
            scratch_bytes=scratch_bytes,
        )
        one = Worker(work)
        assert one.open()["error"] == ""
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        one.close()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_links_of_a_page_are_a_folder(
    site: str, worker: Callable[..., Worker], write_clip: WriteClip, tmp_path: Path
) -> None:
    (tmp_path / "site" / "drive 1").mkdir()
    clip = write_clip(frames=10)
    for name in ("a.mp4", "drive 1/b c.mp4", ".hidden.mp4", "note.txt"):
        (tmp_path / "site" / name).write_bytes(clip.read_bytes())
    items, bad = find_items(f"{site}/")
    assert ([item.name for item in items], bad) == (["a.mp4", "drive 1/b c.mp4"], [])
    assert [item.name for item in find_items(f"{site}/drive%201/")[0]] == ["b c.mp4"]
    assert [item.name for item in find_items(f"{site}/a.mp4")[0]] == ["a.mp4"]
    outcomes = worker().translate(items)
    assert [(one.error, one.frames) for one in outcomes] == [("", 10), ("", 10)]
    assert len(frame_times(tmp_path / "out" / "drive 1" / "b c.mp4")) == 10
    with pytest.raises(SourceError) as caught:
        find_items(f"{site}/nowhere/")
    assert "pAsSwOrD" not in str(caught.value)


def test_links_do_not_lead_out_of_the_destination(site: str, tmp_path: Path) -> None:
    (tmp_path / "site" / "index.html").write_text(
        '<a href="%2e%2e%2f%2e%2e%2fescape.mp4">x</a><a href="https://elsewhere.invalid/b.mp4">y</a>'
        '<a href="c%1b%5b31m.mp4">z</a><a href="d.mp4?token=abc">d</a>'
    )
    items, bad = find_items(f"{site}/")
    assert [item.name for item in items] == ["d.mp4"]
    assert len(bad) == 2 and all(one.error for one in bad)


@pytest.mark.parametrize("name", ["a.mp4", "secretive.mp4"])
def test_no_more_is_fetched_than_scratch_has_room_for(
    name: str, site: str, worker: Callable[..., Worker], write_clip: WriteClip, tmp_path: Path
) -> None:
    content = write_clip(frames=40).read_bytes()
    (tmp_path / "site" / name).write_bytes(content + bytes(2**20))
    [item], _ = find_items(f"{site}/{name}")
    [outcome] = worker(2**16).translate([item])
    assert "of scratch, and a worker may take 6.1e-05 GiB" in outcome.error
    assert not (tmp_path / "out" / name).exists()


def test_a_server_that_falls_silent_is_given_up(
    site: str, worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_SILENCE_S", 0.2)
    [item], _ = find_items(f"{site}/stalls.mp4?token=tOkEn")
    [outcome] = worker().translate([replace(item, bytes=1000)])
    assert "stalls.mp4?token=***: the store failed" in outcome.error
    assert "tOkEn" not in outcome.error and "pAsSwOrD" not in outcome.error


def test_a_clip_may_take_as_long_as_it_does() -> None:
    store, _ = stores.open_store("https://host/a.mp4")
    timeout = store.client_kwargs["timeout"]
    assert (timeout.total, timeout.sock_read) == (None, 60)
