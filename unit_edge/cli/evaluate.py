"""`unit-edge evaluate`: the command, and where its results go."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unit_edge import __version__
from unit_edge.cli.options import detector as cli_detector_options
from unit_edge.cli.options.common import RememberedData, needs
from unit_edge.cli.options.limits import COUNT_AT_MOST, SEED_AT_MOST
from unit_edge.cli.subjects.checked import open_detector
from unit_edge.cli.subjects.evaluated import (
    Direction,
    Options,
    Subject,
    check_options,
    clip_frames,
    find_baselines,
    find_classes,
    find_images,
    open_subject,
)
from unit_edge.cli.subjects.kept import Counted
from unit_edge.cli.terminal.say import echo, echo_json, echo_wide
from unit_edge.errors import DataError, SinkError

if TYPE_CHECKING:
    from unit_edge.train.evaluation.results import Evaluation

_REDRAW_S, _LINE_S = 0.2, 30.0


def evaluate(
    model_or_run: Annotated[
        str,
        typer.Argument(metavar="MODEL|RUN", help="A .onnx file, a bundled model's name, or a run's folder."),
    ],
    to: Annotated[
        str | None, typer.Option(metavar="DOMAIN", help="One direction of a run. [default: both]")
    ] = None,
    data: RememberedData = None,
    images: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Images to translate: a folder or a .txt list.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Real images of the domain translated to.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Evaluate a model file on this run's held-out images.")
    ] = None,
    paired: Annotated[
        bool, typer.Option("--paired", help="The images are pairs, in the order of their names.")
    ] = False,
    clip: Annotated[
        Path | None, typer.Option(metavar="VIDEO", help="Measure flicker on this clip, too.")
    ] = None,
    frames: Annotated[
        int, typer.Option(min=2, max=COUNT_AT_MOST, help="At most so many frames of the clip.")
    ] = 300,
    head: Annotated[
        str, typer.Option(metavar="HEAD", help="Of a run: guided, none, or auto: as it was trained.")
    ] = "auto",
    count: Annotated[
        int, typer.Option(min=2, max=COUNT_AT_MOST, help="At most so many images of a domain.")
    ] = 500,
    split: Annotated[
        str, typer.Option(metavar="PART", help="Of a run's images: validation, training, or gap.")
    ] = "validation",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="[default: NAME-evaluation in this folder]"),
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="Of a run: auto, cpu or cuda.")] = "auto",
    best: Annotated[
        bool, typer.Option("--best", help="Of a run: the weights that scored best, not the newest.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=SEED_AT_MOST, help="Of the intervals.")] = 0,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines",
            help="Score histogram matching, colour transfer, the guide and other real images, too; with a "
            "guide, how bright sky and road are.",
        ),
    ] = False,
    fid: Annotated[
        bool, typer.Option("--fid", help="Inception's FID and KID, too (needs the fid extra and a network).")
    ] = False,
    detector: Annotated[
        Path | None,
        typer.Option(metavar="FILE.onnx", help="Also measure detections kept, as `unit-edge check` does."),
    ] = None,
    decode: cli_detector_options.Decode = None,
    preprocess: cli_detector_options.Preprocess = None,
    classes: cli_detector_options.Classes = None,
) -> None:
    """Measure how good a translation is, with intervals.

    \b
    Examples:
      unit-edge evaluate runs/my --baselines
      unit-edge evaluate day2night-edge-s --images day/ --against night/
      unit-edge evaluate runs/my --to night --clip drive.mp4
      unit-edge evaluate runs/maps --to map --paired

    Distance to the target domain and edges kept; with --paired, pixel accuracy; with --clip, flicker; of a
    run, reconstruction and cycle error. The folder gets evaluation.json and a picture of the best, the
    median and the worst translation; those of an earlier evaluation are replaced. In a pipe, the
    last line is JSON.
    """
    root = data if data is not None else _place_of(Path(run if run is not None else model_or_run))
    options = Options(
        to=to,
        data=root,
        images=images,
        against=against,
        run=run,
        paired=paired,
        clip=clip,
        frames=frames,
        head=head,
        count=count,
        split=split,
        device=device,
        best=best,
        seed=seed,
        baselines=baselines,
        fid=fid,
        detector=detector,
        decode=decode,
        preprocess=preprocess,
        classes=classes,
    )
    with needs("train"), ExitStack() as stack:
        from unit_edge.train.evaluation import report

        subject = open_subject(model_or_run, options, stack)
        check_options(subject, options)
        folder = output if output is not None else Path(f"{subject.name}-evaluation")
        stack.enter_context(_made(folder))
        echo(subject.title)
        evaluations = []
        for direction in subject.directions:
            evaluations.append(_measure(direction, subject, options))
            echo_wide("\n" + report.table(evaluations[-1]))
        sheets: list[Path | None] = []  # all that can fail for other reasons than writing is done
        for direction, result in zip(subject.directions, evaluations, strict=True):
            name = f"{direction.source}-to-{direction.target}.png"
            sheets.append(folder / name if result.samples else None)
            if result.samples:
                report.write_sheet(folder / name, result, direction.translate)
        settings = {key: str(v) if isinstance(v, Path) else v for key, v in vars(options).items()}
        about = {"made_by": f"unit-edge {__version__}", "evaluated": subject.about, "settings": settings}
        result_json = report.as_json(evaluations, about, sheets)
        report.write_json(folder / "evaluation.json", result_json)
    echo(f"\n{folder}: evaluation.json" + "".join(f", {sheet.name}" for sheet in sheets if sheet))
    echo_json(report.json_line(result_json))


def _place_of(run: Path) -> Path:
    """Where a run's pictures were; the current folder of what is no run."""
    if not run.is_dir():
        return Path()
    with needs("train"):
        from unit_edge.train.run.checkpoint import data_root_of
    return data_root_of(run)


def _measure(direction: Direction, subject: Subject, options: Options) -> Evaluation:
    """One direction, on images, on a clip, or on both."""
    from unit_edge.train.evaluation.evaluate import evaluate_clip, evaluate_images
    from unit_edge.train.evaluation.fid import inception
    from unit_edge.train.evaluation.results import Evaluation
    from unit_edge.train.group import pick_device

    names = direction.source, direction.target
    on_images = options.images is not None or subject.config is not None
    images = find_images(direction, subject.config, options) if on_images else None
    result, clip = Evaluation(*names), Evaluation(*names)
    with ExitStack() as stack:
        progress = stack.enter_context(_progress())
        if options.clip is not None:  # first, as it may be damaged
            frames = clip_frames(options.clip, options.frames)
            try:
                clip = evaluate_clip(
                    *names, direction.translate, frames, seed=options.seed, progress=progress
                )
            except DataError as error:
                raise DataError(f"{options.clip}: {error}") from None
        if images is not None:
            counted = None
            if options.detector is not None:
                from unit_edge.runtime.check.extra import require

                require("scipy")
                opened = open_detector(
                    options.detector, options.decode, options.preprocess, options.classes, None, None, None
                )
                counted = Counted(direction.translate, stack.enter_context(opened))
            rivals, others = (
                find_baselines(direction, subject.config, options, images[1])
                if options.baselines
                else ({}, [])
            )
            result = evaluate_images(
                *names,
                counted or direction.translate,
                *images,
                paired=options.paired,
                errors=direction.errors,
                rivals=rivals,
                others=others,
                classes=find_classes(subject.config, options) if options.baselines else None,
                inception=inception(str(pick_device(options.device))) if options.fid else None,
                seed=options.seed,
                progress=progress,
            )
            if counted is not None:
                result.figures.update(counted.figures(options.seed))
    return result.with_clip(clip)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """A folder that files can be written into; if nothing came of it, it is gone again."""
    is_new = not folder.exists()
    probe = folder / ".evaluation.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SinkError(f"{folder}: no folder that can be written to ({error.strerror or error})") from None
    try:
        yield
    finally:
        if is_new and not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A line on a terminal that is redrawn, and cleared in the end; elsewhere one every 30 s."""
    shown = sys.stderr.isatty()
    every_s = _REDRAW_S if shown else _LINE_S
    drawn_at = time.monotonic() - (every_s if shown else 0)

    def draw(text: str) -> None:
        nonlocal drawn_at
        if time.monotonic() - drawn_at > every_s:
            drawn_at = time.monotonic()
            start, end = ("\r\x1b[K", "") if shown else ("", "\n")
            print(f"{start}{text}", end=end, file=sys.stderr, flush=True)

    try:
        yield draw
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
