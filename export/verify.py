"""Does an exported file compute what its checkpoint computes? Compared frame by frame, in 8-bit levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unit_edge import __version__
from unit_edge.config import Detail
from unit_edge.errors import ConfigError, ModelError, VerifyError
from unit_edge.export.compare_layers import layer_errors
from unit_edge.export.int8.moved import MOST
from unit_edge.export.scenes import Scene, fit, scenes_from, synthetic_scenes
from unit_edge.export.trained import TrainedRun, load_run
from unit_edge.export.translator import Translator
from unit_edge.manifests.engine import EngineManifest
from unit_edge.manifests.model import Manifest, sha256_of
from unit_edge.runtime.backends.base import Runner
from unit_edge.runtime.backends.open import ENGINE_SUFFIX, open_runner, read_model
from unit_edge.runtime.batch import in_batches, infer_images
from unit_edge.runtime.sinks.images import write_image
from unit_edge.train.guided import GuidedHead
from unit_edge.train.networks import UNIT
from unit_edge.train.run.checkpoint import BEST

if TYPE_CHECKING:
    from unit_edge.export.int8.quantise import Quantised


@dataclass(frozen=True)
class Tolerance:
    """How far a file's frames may be from the checkpoint's.

    Attributes:
        max_levels: the largest difference of a value, in 8-bit levels.
        psnr_db: the least peak signal-to-noise ratio in dB.
    """

    max_levels: int
    psnr_db: float

    def holds(self, report: VerifyReport) -> bool:
        """Whether a file is close enough."""
        return report.max_levels <= self.max_levels and report.psnr_db >= self.psnr_db

    def __str__(self) -> str:
        if self.max_levels < 255:
            return f"at most {self.max_levels} level{'s' * (self.max_levels > 1)}"
        return f"{self.psnr_db:g} dB or more"


TOLERANCES = {"fp32": Tolerance(1, 0), "fp16": Tolerance(3, 0), "int8": Tolerance(255, 40)}
"""By precision.

In fp32 only values near .5 may round the other way. In fp16 the bundled models differ by 1 (69 dB or more).
"""


@dataclass(frozen=True)
class VerifyReport:
    """How far a file's frames are from the checkpoint's.

    Attributes:
        max_levels: the largest difference of a value, in 8-bit levels.
        mean_levels: the mean difference, in 8-bit levels.
        p999_levels: 99.9 % of the differences are at most this, in 8-bit levels.
        psnr_db: peak signal-to-noise ratio in dB; inf if nothing differs.
        frames: how many were compared.
        worst_frame: the one with the largest difference.
    """

    max_levels: int
    mean_levels: float
    p999_levels: int
    psnr_db: float
    frames: int
    worst_frame: str

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{self.frames} frames against PyTorch: max {self.max_levels}, 99.9 % within {self.p999_levels}, "
            f"mean {self.mean_levels:.2g} of 255 levels, PSNR {self.psnr_db:.1f} dB; "
            f"worst: {self.worst_frame}"
        )


def verify_file(
    model: Path,
    run: Path,
    frames: Path | None = None,
    sheet: Path | None = None,
    by_layer: Callable[[dict[str, float]], None] | None = None,
    backend: str = "auto",
) -> VerifyReport:
    """Compares an exported file, or an engine built from it, with the run that it was made from.

    Args:
        model: NAME.onnx or NAME.engine, its manifest beside it.
        run: the training run.
        frames: images or a video to compare on; None for built-in scenes.
        by_layer: is given what `layer_errors` says of the worst frame, whether or not the file passes.
        sheet: where a picture of the worst frame goes, whether or not the file passes.
        backend: what runs the file, of `BACKENDS`; "auto" is ONNX Runtime on the CPU for an ONNX file.

    Raises:
        ConfigError: no such backend, or layers of a TensorRT engine.
        BackendError: the backend isn't installed or doesn't work here.
        VerifyError: they differ by more than rounding, or the file was made from other weights.
        ModelError: the file or its manifest is missing, damaged, or another run's.
        CheckpointError: the run is missing or damaged.
        DataError, SourceError: the frames are missing or unreadable.
    """
    manifest = read_model(model)
    built = model.suffix.lower() == ENGINE_SUFFIX
    if built and by_layer is not None:
        raise ConfigError(f"{model}: layers can be compared in ONNX files only; leave --layers out")
    trained = load_run(run, best=_made_from_best(manifest, run))
    _check_origin(model, manifest, trained)
    source, guided = trained.source_of(manifest.target), guided_by(manifest)
    size = manifest.frame_size or (
        EngineManifest.read(model.with_suffix(".json")).best_size if built else None
    )
    reference = Reference(AsTrained(trained.unit, source, guided), size, frames)
    backend = "onnxruntime" if backend == "auto" and not built else backend
    with open_runner(model, backend, lean=True, whole=True) as runner:
        report = reference.compare(runner)
    if sheet is not None:
        reference.write_worst(sheet)
    if by_layer is not None:
        by_layer(layer_errors(model, translator_for(manifest, trained), reference.worst_frame))
    check_report(model, manifest, report)
    return report


def _made_from_best(manifest: Manifest, run: Path) -> bool:
    """Whether a file was exported with --best."""
    best = run / BEST
    return best.is_file() and sha256_of(best) == manifest.made_from.get("weights_sha256")


def translator_for(manifest: Manifest, trained: TrainedRun) -> Translator:
    """The PyTorch module that a model file was exported from."""
    return Translator(trained.unit, trained.source_of(manifest.target), guided_by(manifest))


def guided_by(manifest: Manifest) -> tuple[Detail, int] | None:
    """The settings of a model file's guided head and the short side that it shrinks frames to, if it has one.

    Raises:
        ModelError: the manifest's are damaged.
    """
    if manifest.detail != "guided":
        return None
    try:
        return Detail.of(manifest.detail_settings), manifest.network_short_side
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{manifest.name}: detail_settings of the manifest are damaged ({error}); export the model again"
        ) from None


class AsTrained(Translator):
    """A run's own networks, which take and give RGB: what exported files are held against.

    `Translator` changes weights, so that no colours are swapped at run time; a fault in that shows here.
    """

    def __init__(self, unit: UNIT, source: int, guided: tuple[Detail, int] | None) -> None:
        super().__init__(unit, source, guided)
        self.encoder, self.generator = unit.encoder(source).eval(), unit.generator(1 - source).eval()
        self.head = None if guided is None else GuidedHead(guided[0])

    def forward(self, frame: Tensor) -> Tensor:
        """Translates frames, uint8[N,H,W,3], BGR, to the same; all between is RGB."""
        return super().forward(frame.flip(3)).flip(3)


class Reference:
    """Frames and what the checkpoint makes of them, computed once."""

    def __init__(
        self, translator: Callable[[Tensor], Tensor], size: tuple[int, int] | None, frames: Path | None
    ) -> None:
        """Translates.

        Args:
            translator: of the checkpoint, uint8[1,H,W,3] to the same, BGR.
            size: width and height that the frames are brought to; None for their own.
            frames: images or a video; None for built-in scenes.

        Raises:
            DataError, SourceError: `frames` are missing or unreadable.
        """
        self._scenes: list[tuple[Scene, NDArray[np.uint8]]] = []
        self._worst: tuple[NDArray[np.uint8], ...] = ()
        for name, scene in synthetic_scenes(size) if frames is None else scenes_from(frames):
            frame = scene if size is None else fit(scene, size)
            with torch.inference_mode():
                expected = translator(torch.from_numpy(frame[None])).numpy()[0]
            self._scenes.append((Scene(name, frame), expected))

    def compare(self, runner: Runner) -> VerifyReport:
        """How far a file's frames are from the checkpoint's."""
        counts = np.zeros(256, np.int64)
        worst, worst_name = -1, ""
        for scenes in in_batches(self._scenes, runner.manifest.batch, lambda scene: scene[0].frame):
            translated = infer_images(runner, [scene.frame for scene, _ in scenes])
            for ((name, frame), expected), given in zip(scenes, translated, strict=True):
                levels = np.abs(given.astype(np.int16) - expected.astype(np.int16))
                counts += np.bincount(levels.ravel(), minlength=256)
                if levels.max() > worst:
                    worst, worst_name = int(levels.max()), name
                    brighter = np.asarray((levels * (255 // max(worst, 1))).astype(np.uint8))
                    self._worst = frame, expected, given, brighter
        return _report(counts, len(self._scenes), worst_name)

    @property
    def worst_frame(self) -> NDArray[np.uint8]:
        """The frame of the last comparison that differs most, uint8[H,W,3], BGR."""
        return self._worst[0]

    def write_worst(self, path: Path) -> None:
        """Writes a picture of the last comparison's worst frame.

        Side by side: the frame, the checkpoint's translation, the file's, and what they differ by, made so
        bright that the largest difference is white.

        Raises:
            SinkError: it can't be written, or its name is not a picture's.
        """
        write_image(path, np.hstack(self._worst))


def check_report(
    model: Path, manifest: Manifest, report: VerifyReport, made: Quantised | None = None
) -> None:
    """Raises VerifyError if the differences exceed what the file's precision allows.

    `made` tells what is known of a file that has just been quantised.
    """
    if manifest.precision not in TOLERANCES:
        known = ", ".join(TOLERANCES)
        raise ModelError(f"{model}: precision {manifest.precision!r}, expected one of {known}")
    tolerance = TOLERANCES[manifest.precision]
    if made is not None and made.moved is not None and made.moved > MOST:
        raise VerifyError(
            f"{model}: int8 moves the translations by {made.moved:.0%} of their way from the frames (kernel "
            f"distance), expected {MOST:.0%} or less; {_mend_int8(made.damage)}"
        )
    if tolerance.holds(report):
        return
    made_by = manifest.versions.get("unit_edge", "?")
    by = "" if made_by == __version__ else f" (made by unit-edge {made_by}, this is {__version__})"
    mend = {
        "fp32": "export it again",
        "fp16": "export it again, or as fp32",
        "int8": _mend_int8({} if made is None else made.damage),
    }
    raise VerifyError(
        f"{model}: computes something else than its checkpoint{by}: {report.summary()}; "
        f"expected {tolerance}; {mend[manifest.precision]}"
    )


def _mend_int8(damage: Mapping[str, float]) -> str:
    worst = ", ".join(f"{layer} ({psnr:.1f} dB alone)" for layer, psnr in list(damage.items())[:3])
    mend = (
        "calibrate on frames like those that it will see, leave more layers out (--int8-skip), export as "
        "fp16, or take it as it is (--allow-low-quality)"
    )
    return f"most is lost in {worst}; {mend}" if worst else mend


def _check_origin(model: Path, manifest: Manifest, trained: TrainedRun) -> None:
    if sorted((manifest.source, manifest.target)) != sorted(trained.domains):
        raise ModelError(
            f"{model}: translates {manifest.source} to {manifest.target}, but {trained.path} knows "
            f"{' and '.join(trained.domains)}; expected the run that it was exported from"
        )
    made_from = manifest.made_from
    if made_from.get("weights_sha256") != trained.weights_sha256:
        raise VerifyError(
            f"{model}: made from other weights (run {made_from.get('run')}, step {made_from.get('step')}) "
            f"than {trained.path} has (step {trained.step}); export it again or name the run it is from"
        )


def _report(counts: NDArray[np.int64], frames: int, worst: str) -> VerifyReport:
    levels, total = np.arange(256), counts.sum()
    mse = float((counts * levels**2).sum() / total)
    return VerifyReport(
        max_levels=int(counts.nonzero()[0].max()),
        mean_levels=float((counts * levels).sum() / total),
        p999_levels=int(np.searchsorted(counts.cumsum(), 0.999 * total)),
        psnr_db=math.inf if mse == 0 else 10 * math.log10(255**2 / mse),
        frames=frames,
        worst_frame=worst,
    )
