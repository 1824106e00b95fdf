"""Translates one upload in a process of its own, which may crash or hang without anybody noticing.

    python -m unit_edge.runtime.serve.uploads.worker

Reads one line of JSON, a `Task`, and writes lines of JSON: {"done": frames, "of": frames or null} and at the
end {"files": {name: label}} or {"error": text}. It ends when its stdin does.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unit_edge.errors import ConfigError, TruncatedError, UnitEdgeError

NICE = 10
_PIXELS_AT_MOST = 1 << 25
_VIDEO_PIXELS_AT_MOST = 4096 * 2304
_PICTURE_WIDTH = 1280
_FILE_MIB_AT_MOST = 4096


@dataclass(frozen=True)
class Task:
    """What is to be done.

    Attributes:
        path: of the upload; its suffix is right.
        folder: where results go.
        models: name → path; several of a gallery.
        gallery: whether one picture is translated by all models.
        backend: what runs them.
        threads: of the inference; None for all cores.
        work_s: seconds of computing after which the system ends it.
    """

    path: str
    folder: str
    models: dict[str, str]
    gallery: bool
    backend: str
    threads: int | None
    work_s: float

    def line(self) -> str:
        return json.dumps(asdict(self))


def main() -> None:
    task = Task(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit(task.work_s)
    try:
        files, warning = _gallery(task) if task.gallery else _translated(task)
    except (UnitEdgeError, OSError, MemoryError) as error:
        _say({"error": " ".join(str(error).split()).replace(task.path, "the upload") or "out of memory"})
    else:
        _say({"files": files, "warning": warning and warning.replace(task.path, "the upload")})


def _translated(task: Task) -> tuple[dict[str, str], str | None]:
    from unit_edge.media.images import is_image
    from unit_edge.runtime.pipeline import Stats
    from unit_edge.runtime.sinks.codecs import Encoding
    from unit_edge.runtime.sinks.look import Look
    from unit_edge.runtime.translate import RunExtras, StartedRun, translate
    from unit_edge.runtime.window.recorder import Recorder

    ((_, model),) = task.models.items()
    folder, source = Path(task.folder), Path(task.path)
    if is_image(source):
        return _gallery(task)
    both = Recorder(lambda: folder / "both.mp4", Encoding(preset="superfast", crf=23), lambda _: None)
    count: list[int | None] = [None]

    def started(job: StartedRun) -> None:
        if job.info.width * job.info.height > _VIDEO_PIXELS_AT_MOST:
            raise ConfigError(f"{job.info.width}x{job.info.height} pixels: expected at most 4096x2304")
        count[0] = job.info.frame_count
        both.info = job.info
        both.toggle(Look(side_by_side=True))

    def progress(stats: Stats) -> None:
        _say({"done": stats.frames, "of": count[0]})

    warning = None
    try:
        translate(
            source,
            folder / "translated.mp4",
            Path(model),
            backend=task.backend,
            threads=task.threads,
            extras=RunExtras(extra=[both]),
            started=started,
            progress=progress,
        )
    except TruncatedError as error:  # what came before is finished
        warning = str(error)
    if not (folder / "both.mp4").exists():
        raise UnitEdgeError(warning or "no frame came out")
    return {"both.mp4": "before and after", "translated.mp4": "translated"}, warning


def _gallery(task: Task) -> tuple[dict[str, str], str | None]:
    """One picture by each model: PNGs, all of one size."""
    from unit_edge.runtime.backends.open import open_runner
    from unit_edge.runtime.resize import Fit, resized
    from unit_edge.runtime.sinks.images import write_image

    folder, image = Path(task.folder), _picture(Path(task.path))
    height, width = image.shape[:2]
    if task.gallery and width > _PICTURE_WIDTH:
        image = resized(image, _PICTURE_WIDTH, max(32, round(height * _PICTURE_WIDTH / width)))
    height, width = image.shape[:2]
    write_image(folder / "before.png", image)
    files = {"before.png": "before"}
    for index, (name, path) in enumerate(task.models.items()):
        _say({"done": index, "of": len(task.models)})
        with open_runner(path, task.backend, threads=task.threads) as runner:
            fit = Fit(runner)
            after = fit.back(runner.infer(fit.to_model(image)[None])[0], width, height)
            label = f"{runner.manifest.source} to {runner.manifest.target}"
        file = f"{name}.png" if task.gallery else "translated.png"
        write_image(folder / file, after)
        files[file] = label
    return files, None


def _picture(path: Path) -> Any:
    """The picture, or the first one of a video."""
    from unit_edge.runtime.sources.open import open_source
    from unit_edge.text.address import parse_address

    with open_source(parse_address(path)) as source:
        return next(iter(source)).image


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _limit(work_s: float) -> None:
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(_PIXELS_AT_MOST)
    os.environ["OPENCV_LOG_LEVEL"] = "OFF"
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)
    for kind, most in _limits(work_s):
        import resource

        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


def _limits(work_s: float) -> Iterator[tuple[int, int]]:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    yield resource.RLIMIT_CPU, max(1, round(work_s))
    yield resource.RLIMIT_FSIZE, _FILE_MIB_AT_MOST << 20
    yield resource.RLIMIT_CORE, 0


def _end_with_parent() -> None:
    while sys.stdin.readline():
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
