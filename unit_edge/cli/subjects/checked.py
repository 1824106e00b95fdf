"""What `unit-edge check` checks with: the detector, the labels, the model that translates on the way."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from unit_edge.errors import ConfigError
from unit_edge.registry import resolve_model
from unit_edge.text.sizes import parse_size

_FREELY_NUMBERED = ("COCO video", "BDD tracking")

if TYPE_CHECKING:
    from unit_edge.runtime.check.networks.detector import Detector
    from unit_edge.runtime.check.pairs import Translate, Work
    from unit_edge.runtime.check.parts.ground_truth import GroundTruth


def open_detector(
    path: Path,
    decode: str | None,
    preprocess: str | None,
    classes: Path | None,
    only: str | None,
    size: str | None,
    threads: int | None,
) -> Detector:
    """The detector that options describe; to be entered with `with`.

    Args:
        path: the network's file.
        decode: --decode.
        preprocess: --preprocess.
        classes: --classes.
        only: --only, names or numbers with commas between.
        size: --detector-size, WxH.
        threads: of the inference.

    Raises:
        ConfigError: an option is none.
    """
    from unit_edge.runtime.check.networks.detector import Detector, DetectorOptions

    names = tuple(name.strip() for name in only.split(",")) if only else ()
    wanted = parse_size(size, "--detector-size")
    return Detector(
        path,
        DetectorOptions(
            decode=decode, preprocess=preprocess, classes=classes, only=names, size=wanted, threads=threads
        ),
    )


def read_ground_truth(
    path: Path,
    rename: str | None,
    step: int | None,
    first: int | None,
    work: Work,
    detector: Detector,
    confidence: float,
    iou: float,
    seed: int,
) -> GroundTruth:
    """What compares detections with labels; faults of the labels are added to those of the work.

    Args:
        path: of the labels.
        rename: --rename, LABEL=CLASS with commas between.
        step: --label-step, of clips.
        first: --label-from, of clips.
        work: the pictures or clips that are checked.
        detector: open.
        confidence: from which a box counts.
        iou: from which two boxes of a class are of one object.
        seed: of the intervals.

    Raises:
        ConfigError, DataError: see their messages.
    """
    from unit_edge.runtime.check.labels.read import read_clip_labels, read_labels
    from unit_edge.runtime.check.pairs import stated_frames
    from unit_edge.runtime.check.parts.ground_truth import GroundTruth

    if work.pictures and step is not None:
        raise ConfigError("--label-step is for labels of videos, and INPUT is of pictures; leave it out")
    if work.pictures and first is not None:
        raise ConfigError("--label-from is for labels of videos, and INPUT is of pictures; leave it out")
    names: dict[str, str] = {}
    for pair in rename.split(",") if rename else ():
        label, equals, name = pair.partition("=")
        if not (label and equals and name):
            raise ConfigError(f"--rename {pair!r}; expected LABEL=CLASS, such as pedestrian=person")
        names[label.strip()] = name.strip()
    files = [before for before, _ in work.items]
    if work.pictures:
        labels = read_labels(path, files, detector.names)
        missing = [f"{name}: labelled, but no such picture" for name in labels.without_picture(files)]
    else:
        labels = read_clip_labels(path, files, step or 1, first)
        if first is not None and labels.kind not in _FREELY_NUMBERED:
            raise ConfigError(
                f"--label-from is for a .json, and {path} has labels of {labels.kind}, whose first frame has "
                "a fixed number; leave it out"
            )
        missing = labels.without_clip([(file, stated_frames(file) or None) for file in files])
    work.faults += [*labels.faults, *(f"{path}: {line}" for line in missing)]
    return GroundTruth(
        labels,
        detector.names,
        rename=names,
        confidence=confidence,
        iou_threshold=iou,
        faults=work.faults,
        seed=seed,
    )


def open_translator(
    model: str | None, backend: str, threads: int | None, stack: ExitStack
) -> tuple[Translate | None, dict[str, str] | None]:
    """What translates a frame on the way, and what it is; None for both where that is done already."""
    if model is None:
        return None, None
    from unit_edge.runtime.backends.open import open_runner
    from unit_edge.runtime.check.translator import translator

    runner = stack.enter_context(open_runner(resolve_model(model), backend, threads=threads))
    manifest = runner.manifest
    about = {
        "name": manifest.name,
        "source": manifest.source,
        "target": manifest.target,
        "sha256": manifest.sha256,
        "backend": runner.backend,
    }
    return translator(runner), about
