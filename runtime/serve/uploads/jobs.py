"""Uploads: kept under names of our own in a private folder, translated one after the other, and forgotten."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unit_edge.errors import UnitEdgeError
from unit_edge.machine.child import python_command
from unit_edge.runtime.serve.settings import ServeSettings
from unit_edge.runtime.serve.uploads.kinds import HEAD, TAKEN, suffix_of
from unit_edge.runtime.serve.uploads.worker import Task
from unit_edge.text.redaction import redact

_QUIET_S = 15.0
_SLOWEST = 16 << 10  # bytes a second
_GRACE_S = 30.0
_FREE_BYTES = 256 << 20
_LINE_AT_MOST = 64 << 10


class RefusedError(UnitEdgeError):
    """An upload that isn't taken.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass
class UploadJob:
    """An upload and what becomes of it.

    Attributes:
        id: of ours.
        kind: "translate" or "gallery".
        models: name → path, those that translate it.
        folder: its own.
        path: of the upload.
        state: "waiting", "working", "done" or "failed".
        done: frames or pictures.
        of: how many there will be; None if unknown.
        files: results that may be asked for, with what they are.
        error: why it failed, for people, or what it lacks.
        used_s: when it was asked for last, time.monotonic().
    """

    id: str
    kind: str
    models: dict[str, Path]
    folder: Path
    path: Path
    state: str = "waiting"
    done: int = 0
    of: int | None = None
    files: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    used_s: float = field(default_factory=time.monotonic)

    def as_dict(self) -> dict[str, Any]:
        return {
            **{"id": self.id, "kind": self.kind, "models": list(self.models), "state": self.state},
            **{"done": self.done, "of": self.of, "error": self.error},
            "files": [
                {"name": name, "label": label, "url": f"/api/uploads/{self.id}/{name}"}
                for name, label in self.files.items()
            ],
        }


class UploadJobs:
    """All uploads; an async context manager, whose end removes them."""

    def __init__(
        self, settings: ServeSettings, backend: str, threads: int | None, changed: Callable[[], None]
    ) -> None:
        """`changed` is called when a job has got on."""
        self._settings, self._backend, self._threads, self._changed = settings, backend, threads, changed
        self._jobs: dict[str, UploadJob] = {}
        self._queue: asyncio.Queue[UploadJob] = asyncio.Queue()
        self._receiving = 0
        self._process: asyncio.subprocess.Process | None = None
        self._current: UploadJob | None = None

    async def __aenter__(self) -> UploadJobs:
        self._root = Path(tempfile.mkdtemp(prefix="unit-edge-uploads-"))  # 0700
        self._tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._forget())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        shutil.rmtree(self._root, ignore_errors=True)

    def __iter__(self) -> Any:
        return iter(self._jobs.values())

    def get(self, id_: str) -> UploadJob | None:
        job = self._jobs.get(id_)
        if job is not None:
            job.used_s = time.monotonic()
        return job

    def file(self, id_: str, name: str) -> Path | None:
        """A result's path; None if there is none: neither `id_` nor `name` becomes part of a path."""
        job = self.get(id_)
        found = None if job is None else next((known for known in job.files if known == name), None)
        return None if job is None or found is None else job.folder / found

    def check_room(self) -> None:
        """Raises RefusedError if no further upload is taken now."""
        if not self._settings.uploads:
            raise RefusedError(403, "this server takes no uploads")
        if len(self._jobs) + self._receiving >= self._settings.uploads_kept:
            finished = [job for job in self._jobs.values() if job.state in ("done", "failed")]
            if not finished:
                raise RefusedError(
                    429, f"{self._settings.uploads_kept} uploads are waiting already; try later"
                )
            self.remove(min(finished, key=lambda job: job.used_s).id)
        if shutil.disk_usage(self._root).free < _FREE_BYTES + (self._settings.upload_mib << 20):
            raise RefusedError(507, "the server's disk is nearly full")

    async def take(
        self, chunks: AsyncIterator[bytes], kind: str, models: Mapping[str, Path], stated: int | None
    ) -> UploadJob:
        """Keeps an upload and queues it.

        Args:
            chunks: of its content.
            kind: "translate" or "gallery".
            models: name → path.
            stated: its size in bytes, as far as it says.

        Raises:
            RefusedError: it is too large, too slow, of a kind that isn't taken, or one too many.
        """
        most = self._settings.upload_mib << 20
        too_large = RefusedError(413, f"larger than {self._settings.upload_mib} MiB, which is the limit here")
        if stated is not None and stated > most:
            raise too_large
        self.check_room()
        self._receiving += 1
        folder = self._root / secrets.token_hex(8)
        try:
            folder.mkdir(mode=0o700)
            path, size = folder / "upload", 0
            began, head = time.monotonic(), b""
            with path.open("xb") as file:
                while (chunk := await _next(chunks)) is not None:
                    size += len(chunk)
                    head = head if len(head) >= HEAD else head + chunk[: HEAD - len(head)]
                    if size > most:
                        raise too_large
                    if time.monotonic() - began > _QUIET_S + size / _SLOWEST:
                        raise RefusedError(408, "the upload comes too slowly")
                    await asyncio.to_thread(file.write, chunk)
            if not size:
                raise RefusedError(400, f"the upload is empty; expected {TAKEN}")
            suffix = suffix_of(head)
            if suffix is None:
                raise RefusedError(415, f"neither a video nor a picture that is taken here: {TAKEN}")
            path = path.rename(path.with_suffix(suffix))
            return self.queue(UploadJob(folder.name, kind, dict(models), folder=folder, path=path))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            self._receiving -= 1

    def take_picture(self, write: Callable[[Path], None], models: Mapping[str, Path]) -> UploadJob:
        """A gallery of a picture that `write` writes as PNG; from any thread, still to be queued."""
        self.check_room()
        folder = self._root / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        write(folder / "upload.png")
        path = folder / "upload.png"
        return UploadJob(folder.name, "gallery", dict(models), folder=folder, path=path)

    def queue(self, job: UploadJob) -> UploadJob:
        """Has it translated when those before it are done; in the event loop."""
        self._jobs[job.id] = job
        self._queue.put_nowait(job)
        self._changed()
        return job

    def remove(self, id_: str) -> bool:
        """Forgets a job, and ends it if it is at work; whether there was one."""
        job = self._jobs.pop(id_, None)
        if job is None:
            return False
        if job is self._current and self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
        else:
            shutil.rmtree(job.folder, ignore_errors=True)
        self._changed()
        return True

    async def _work(self) -> None:
        while True:
            job = await self._queue.get()
            if job.id not in self._jobs:
                continue
            job.state, self._current = "working", job
            self._changed()
            try:
                await asyncio.wait_for(self._translate(job), self._settings.upload_work_s + _GRACE_S)
            except asyncio.TimeoutError:
                job.state, job.error = "failed", f"took longer than {self._settings.upload_work_s:.0f} s"
            finally:
                self._current = None
                if job.id not in self._jobs:
                    shutil.rmtree(job.folder, ignore_errors=True)
            self._changed()

    async def _translate(self, job: UploadJob) -> None:
        task = Task(
            path=str(job.path),
            folder=str(job.folder),
            models={name: str(path) for name, path in job.models.items()},
            gallery=job.kind == "gallery",
            backend=self._backend,
            threads=self._threads,
            work_s=self._settings.upload_work_s,
        )
        process = await asyncio.create_subprocess_exec(
            *python_command("unit_edge.runtime.serve.uploads.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LINE_AT_MOST,
        )
        self._process = process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(f"{task.line()}\n".encode())
            await process.stdin.drain()
            async for line in process.stdout:
                self._note(job, json.loads(line))
            await process.wait()
        except (ConnectionError, ValueError):
            pass
        finally:
            self._process = None
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if job.state == "working":
            job.state, job.error = "failed", "it could not be translated: its decoder or the model crashed"

    def _note(self, job: UploadJob, message: dict[str, Any]) -> None:
        if "done" in message:
            job.done, job.of = message["done"], message["of"]
        elif "files" in message:
            job.files, job.error, job.state = message["files"], message["warning"], "done"
            job.done = job.of = job.of or job.done
        elif "error" in message:
            job.state, job.error = "failed", redact(message["error"])
        self._changed()

    async def _forget(self) -> None:
        while True:
            await asyncio.sleep(min(60.0, self._settings.upload_kept_s / 2))
            now = time.monotonic()
            for job in list(self._jobs.values()):
                finished = job.state in ("done", "failed")
                if finished and now - job.used_s > self._settings.upload_kept_s:
                    self.remove(job.id)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    try:
        return await asyncio.wait_for(chunks.__anext__(), _QUIET_S)
    except StopAsyncIteration:
        return None
    except asyncio.TimeoutError:
        raise RefusedError(408, f"nothing came for {_QUIET_S:.0f} s") from None
