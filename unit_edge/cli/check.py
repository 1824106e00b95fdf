"""`unit-edge check`: whether a translation keeps what matters."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unit_edge import __version__
from unit_edge.cli.options.common import BackendOption, ThreadsOption, needs
from unit_edge.cli.options.limits import COUNT_AT_MOST, SEED_AT_MOST
from unit_edge.cli.subjects.checked import open_detector, open_translator, read_ground_truth
from unit_edge.cli.terminal.progress import Line
from unit_edge.cli.terminal.say import echo, echo_json, echo_wide
from unit_edge.errors import ConfigError

if TYPE_CHECKING:
    from unit_edge.runtime.check.pairs import Work
    from unit_edge.runtime.check.part import Answer, CheckPart

_BELOW_MIN_KEPT = 3

DetectorOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE.onnx", help="A detector: YOLOv5, v8, 11, YOLOX, SSD, DETR and their like."),
]
DecodeOption = Annotated[
    str | None, typer.Option(metavar="LAYOUT", help="Layout of its outputs. [default: recognised]")
]
PreprocessOption = Annotated[
    str | None,
    typer.Option(
        metavar="WORDS",
        help="What it expects, where it differs from its kind: letterbox, top-left or stretch; rgb or bgr; "
        "0-1, 0-255 or imagenet; with commas.",
    ),
]
ClassesOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Names of its classes: one a line, JSON, or a data.yaml."),
]
OnlyOption = Annotated[
    str | None, typer.Option(metavar="CLASS,...", help="Only boxes of these classes count.")
]
ConfidenceOption = Annotated[
    float, typer.Option("--confidence", "--conf", min=0.05, max=1, help="From which a box counts.")
]
IouOption = Annotated[
    float, typer.Option(min=0.05, max=1, help="Overlap from which two boxes are of one object.")
]


def check(
    source: Annotated[str, typer.Argument(metavar="INPUT", help="A video, an image, or a folder of them.")],
    translated: Annotated[
        str | None, typer.Argument(metavar="[TRANSLATED]", help="Its translation; or give --model.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Translate on the way: a .onnx or .engine file, or a bundled model."
        ),
    ] = None,
    detector: DetectorOption = None,
    decode: DecodeOption = None,
    preprocess: PreprocessOption = None,
    classes: ClassesOption = None,
    only: OnlyOption = None,
    detector_size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="Of its input, where the file leaves that open. [default: 640x640]"),
    ] = None,
    confidence: ConfidenceOption = 0.3,
    iou: IouOption = 0.5,
    segmenter: Annotated[
        Path | None,
        typer.Option(metavar="FILE.onnx", help="A segmentation, drivable-area or lane network: IoU of both."),
    ] = None,
    segmenter_preprocess: Annotated[
        str | None, typer.Option(metavar="WORDS", help="What it expects, as for --preprocess.")
    ] = None,
    segmenter_classes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Names of its classes, as for --classes.")
    ] = None,
    plates: Annotated[
        bool,
        typer.Option("--plates", help="Show where structure changed most: text, number plates, faces."),
    ] = False,
    ground_truth: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Labels of INPUT: COCO or BDD100K .json, YOLO data.yaml, folder of YOLO or KITTI; of clips "
            "MOTChallenge's gt.txt, KITTI tracking, COCO or BDD100K .json of videos.",
        ),
    ] = None,
    label_step: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=COUNT_AT_MOST,
            metavar="N",
            help="Labels of clips are of every N-th frame: 6 for BDD100K's, of 30 FPS. [default: 1]",
        ),
    ] = None,
    label_from: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=1,
            metavar="0|1",
            help="Number of a clip's first frame in a .json of labels. [default: 0; COCO's 1 if none is 0]",
        ),
    ] = None,
    rename: Annotated[
        str | None,
        typer.Option(metavar="LABEL=CLASS,...", help="What the detector calls classes of the labels."),
    ] = None,
    min_kept: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, metavar="SHARE", help="Exit code 3 if a smaller share of the boxes is kept."
        ),
    ] = None,
    every: Annotated[
        int, typer.Option(min=1, max=COUNT_AT_MOST, metavar="N", help="Of a video, every N-th frame.")
    ] = 1,
    count: Annotated[
        int | None,
        typer.Option(
            min=1, max=COUNT_AT_MOST, metavar="N", help="At most N pictures, or frames of each clip."
        ),
    ] = None,
    scene: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="What in pictures' names says which scene they are of: '^[^_]+'. [default: each its own]",
        ),
    ] = None,
    worst: Annotated[
        int, typer.Option(min=1, max=50, metavar="N", help="Frames on the strip of the worst.")
    ] = 8,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="[default: NAME-check in this folder]"),
    ] = None,
    backend: BackendOption = "auto",
    threads: ThreadsOption = None,
    seed: Annotated[int, typer.Option(min=0, max=SEED_AT_MOST, help="Of the intervals.")] = 0,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print nothing but errors and the JSON line.")
    ] = False,
) -> None:
    """Check that a translation keeps what a detector finds.

    \b
    Examples:
      unit-edge check day/ night/ --detector yolov8n.onnx
      unit-edge check drive.mp4 drive-night.mp4 --detector yolox_s.onnx --every 5
      unit-edge check day/ --model day2night-edge-s --detector yolox_s.onnx \\
          --only car,person
      unit-edge check clips/ clips-night/ --detector mine.onnx \\
          --classes names.txt --min-kept 0.9

    Says for each class and size of box what is kept, lost and invented, with intervals over clips or scenes.
    The folder gets check.html, which needs nothing beside it, and the same as JSON, CSV and PNG. Pictures
    and clips that can't be read or compared are named, the others finished, and the exit code is 1. The last
    line is JSON; docs/check.md describes all of it.
    """
    if (translated is None) == (model is None):
        raise ConfigError("give INPUT and its TRANSLATED, or INPUT and --model to translate on the way")
    if detector is None and segmenter is None and not plates:
        raise ConfigError("say what to check with: --detector FILE.onnx, --segmenter FILE.onnx or --plates")
    for option, given in (("--ground-truth", ground_truth), ("--min-kept", min_kept), ("--only", only)):
        if detector is None and given is not None:
            raise ConfigError(f"{option} needs --detector FILE.onnx")
    for option, value in (
        ("--rename", rename),
        ("--label-step", label_step),
        ("--label-from", label_from),
    ):
        if ground_truth is None and value is not None:
            raise ConfigError(f"{option} needs --ground-truth PATH")
    with needs("check"), ExitStack() as stack:
        from unit_edge.interrupt import PATIENCE_S, Interrupted, watch_signals
        from unit_edge.runtime.check.check import look_at
        from unit_edge.runtime.check.extra import require
        from unit_edge.runtime.check.found import FLOOR
        from unit_edge.runtime.check.networks.segmenter import Segmenter
        from unit_edge.runtime.check.pairs import Selection, count_frames, find, pairs, raise_faults
        from unit_edge.runtime.check.parts.detections import Detections
        from unit_edge.runtime.check.parts.ground_truth import AP_FLOOR
        from unit_edge.runtime.check.parts.segmentation import Segmentation
        from unit_edge.runtime.check.parts.structure import Structure
        from unit_edge.runtime.check.report.files import json_line, prepare_folder, write_report

        folder = output if output is not None else Path(f"{Path(source).stem or 'frames'}-check")
        prepare_folder(folder)
        if detector is not None:
            require("scipy", "matplotlib", *(["pycocotools"] if ground_truth is not None else []))
        selection = Selection(every, count, scene)
        work = find(source, translated)
        detect = None
        if detector is not None:
            detect = stack.enter_context(
                open_detector(detector, decode, preprocess, classes, only, detector_size, threads)
            )
        segment = None
        if segmenter is not None:
            segment = stack.enter_context(
                Segmenter(
                    segmenter, preprocess=segmenter_preprocess, classes=segmenter_classes, threads=threads
                )
            )
        about: dict[str, Any] = {
            "made_by": f"unit-edge {__version__}",
            "input": source,
            "translated": translated,
        }
        translate, about["model"] = open_translator(model, backend, threads, stack)
        about["detector"] = None if detect is None else detect.about()
        about["segmenter"] = None if segment is None else segment.about()
        parts: list[CheckPart] = []
        if detect is not None:
            parts.append(
                Detections(
                    detect.names,
                    confidence=confidence,
                    iou_threshold=iou,
                    min_kept=min_kept,
                    seed=seed,
                    worst=worst,
                )
            )
        if segment is not None:
            parts.append(Segmentation(segment, segment.names, seed=seed))
        if plates:
            parts.append(Structure(seed=seed))
        floor, truth = FLOOR, None
        if ground_truth is not None and detect is not None:
            truth = read_ground_truth(
                ground_truth, rename, label_step, label_from, work, detect, confidence, iou, seed
            )
            parts.insert(0, truth)
            floor = AP_FLOOR
        line = Line(count_frames(work, selection), "frames", quiet=quiet)
        with watch_signals(PATIENCE_S) as wish:
            seen = look_at(
                pairs(work, selection, translate), parts, detect, floor=floor, progress=line.draw, wish=wish
            )
        line.clear()
        if not seen.frames:
            if wish:
                raise Interrupted(wish.signal_number)
            raise_faults(work.faults, 0)
        answers = {part.name: part.answer() for part in parts}
        about |= {"frames": seen.frames, "scenes": len(seen.scenes)}
        notes = [note for used in (detect, segment, truth) if used is not None for note in used.notes]
        notes += _notes(len(seen.scenes), work)
        if wish:
            notes.append("stopped before the end: the figures are of the frames until then")
        summary = _summary(about)
        files = write_report(folder, f"Check of {source}", about, summary, answers, notes, work.faults)
    if not quiet:
        _print(summary, answers, notes)
        echo(f"\n{folder}: {', '.join(path.name for path in files)}")
    echo_json(json_line(about, answers))
    if wish:
        raise Interrupted(wish.signal_number)
    raise_faults(work.faults, seen.frames)
    _judge(answers, min_kept)


def _notes(scenes: int, work: Work) -> list[str]:
    from unit_edge.runtime.check.intervals import FEWEST

    if scenes >= FEWEST:
        return []
    what = "pictures" if work.pictures else "clips"
    return [f"no intervals: these need {FEWEST} scenes or more, and there are {scenes} {what}"]


def _summary(about: dict[str, Any]) -> list[str]:
    model, detector = about["model"], about["detector"]
    by = f" and {about['translated']}"
    if model is not None:
        by = f", translated by {model['name']} ({model['backend']})"
    lines = [f"{about['input']}{by}: {about['frames']} frames of {about['scenes']} scenes"]
    if detector is not None:
        lines.append(
            f"detector {detector['path']}: layout {detector['layout']}, {detector['size']}, "
            f"{detector['preprocess']}, {detector['classes']} classes"
        )
    if about["segmenter"] is not None:
        segmenter = about["segmenter"]
        lines.append(f"segmenter {segmenter['path']}: {segmenter['size']}, {segmenter['preprocess']}")
    return lines


def _print(summary: list[str], answers: dict[str, Answer], notes: list[str]) -> None:
    from unit_edge.runtime.check.report.table import as_text

    for line in summary:
        echo_wide(line)
    for section in (section for answer in answers.values() for section in answer.sections):
        echo("\n" + section.title)
        for line in section.paragraphs if section.title != "Detections" else ():
            echo_wide(f"  {line}")
        for line in as_text(section.rows) if section.rows else ():
            echo_wide(f"  {line}")
    for note in notes:
        echo(f"note: {note}")


def _judge(answers: dict[str, Answer], min_kept: float | None) -> None:
    """Exit code 3 if less is kept than asked for."""
    if min_kept is None:
        return
    kept = answers["detections"].figures["groups"][0]["kept_share"]["value"]
    if kept is not None and kept < min_kept:
        echo(f"kept {kept:.3f} of the boxes, less than --min-kept {min_kept}", err=True)
        raise typer.Exit(_BELOW_MIN_KEPT)
