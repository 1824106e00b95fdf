"""Translating from a program: what the command line does, without a command line."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from unit_edge.errors import ConfigError
from unit_edge.frames import Frame
from unit_edge.registry import find_model, resolve_model
from unit_edge.runtime.backends.open import open_runner
from unit_edge.runtime.pipeline import Stats
from unit_edge.runtime.request import TranslateRequest, parse_outputs
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sources.open import open_source
from unit_edge.runtime.translate import carry_out
from unit_edge.text.address import parse_address


def translate_video(
    source: str | Path,
    output: str | Path,
    model_or_to: str | Path,
    *,
    backend: str = "auto",
    threads: int | None = None,
    encoding: Encoding | None = None,
    steady: bool = False,
    overwrite: bool = False,
    resume: bool = False,
    progress: Callable[[Stats], None] | None = None,
    engine: str | None = None,
) -> Stats:
    """Translates a video, an image, a folder of images, or a stream; returns when it is done.

    It keeps no state, so that several threads may translate at once, each into its own output. In the main
    thread SIGINT and SIGTERM end it after the frame that it is at; in others signals are left alone.

    Args:
        source: a path, or what the command line takes: a URL, a camera.
        model_or_to: a .onnx or .engine file, a bundled model's name, or a domain that a bundled model
            translates to: "night".
        threads: of the inference on a CPU; None for as many as there are cores.
        steady: take flicker out.
        resume: go on with an output that was interrupted; begin if there is none.
        progress: called in this thread after each frame; what it raises stops the translation, as
            an error does.
        engine: the old name of `backend`, until 0.2.

    Raises:
        UnitEdgeError: one line that says what is wrong; nothing is left behind but what a
            TruncatedError says is finished, and what `resume` can go on with.
        Interrupted: a signal ended it; the output holds the frames until then.
    """
    request = TranslateRequest(
        address=parse_address(source),
        outputs=parse_outputs(Path(output)),
        model=find_translator(model_or_to),
        backend=_named(backend, engine),
        threads=threads,
        encoding=encoding or Encoding(),
        steady=steady,
        overwrite=overwrite,
        resume=resume,
    )
    return carry_out(request, progress=progress)


def translate_frames(
    source: str | Path,
    model_or_to: str | Path,
    *,
    backend: str = "auto",
    threads: int | None = None,
    engine: str | None = None,
) -> Iterator[Frame]:
    """Translates frame after frame: `for frame in translate_frames("a.mp4", "night")`.

    Nothing overlaps: `translate_video` is faster, and of a camera it takes the newest frame.

    Args:
        source: a path, or what the command line takes: a URL, a camera.
        model_or_to: as of `translate_video`.
        backend: what runs the model.
        threads: of the inference on a CPU; None for as many as there are cores.
        engine: the old name of `backend`, until 0.2.

    Yields:
        Frames in order: a translated `image`, uint8[H,W,3] BGR, the `index` and time `pts` of theirs.

    Raises:
        UnitEdgeError: one line that says what is wrong.
    """
    runner = open_runner(find_translator(model_or_to), _named(backend, engine), threads=threads)
    if runner.manifest.batch != 1:
        raise ConfigError(
            f"{model_or_to}: takes {runner.manifest.batch} frames a call; expected a model for one"
        )
    with open_source(parse_address(str(source))) as frames, runner:
        for frame in frames:
            yield replace(frame, image=runner.infer(frame.image[None])[0])


def _named(backend: str, engine: str | None) -> str:
    if engine is None:
        return backend
    warnings.warn("engine is called backend now; until 0.2", DeprecationWarning, stacklevel=3)
    return engine


def find_translator(model_or_to: str | Path) -> Path:
    """The model file that a path, a bundled model's name or a domain stands for.

    Raises:
        ConfigError: it is a plain word, and neither the one nor the other.
    """
    path = resolve_model(str(model_or_to))
    if path.exists() or path.suffix or isinstance(model_or_to, Path) or len(path.parts) > 1:
        return path
    return find_model(model_or_to)
