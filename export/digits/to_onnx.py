"""From a run of `unit-edge adapt` to ONNX files, each proved against the run before it is in place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from unit_edge import __version__
from unit_edge.config.adapt import CLASSES, SIDE, AdaptConfig
from unit_edge.errors import BackendError, ConfigError, ModelError, VerifyError
from unit_edge.export.digits.models import DigitClassifier, DigitTranslator
from unit_edge.export.graph.costs import count_costs
from unit_edge.export.scenes import Scene, fit, scenes_from, synthetic_scenes
from unit_edge.export.to_onnx import INPUT, OUTPUT, output_path, serialise, workspace
from unit_edge.export.verify import Reference, check_report
from unit_edge.files.onnx_file import check_onnx, loaded_by
from unit_edge.manifests.model import Manifest, TensorSpec, sha256_of
from unit_edge.runtime.backends.open import open_runner
from unit_edge.train.adapt.digits import Digits
from unit_edge.train.adapt.evaluate import classifier_domain
from unit_edge.train.adapt.networks import Adaptation
from unit_edge.train.adapt.state import load_adaptation, load_run_settings
from unit_edge.train.run.checkpoint import WEIGHTS

DIGIT = "digit"
"""What the classifier translates to, as `--to` and its manifest call it."""
PROBABILITIES = "probabilities"
TOLERANCE = 1e-3
"""The largest difference of a probability between a file and its run."""


@dataclass(frozen=True)
class ExportedDigits:
    """A model in place: NAME.onnx, with NAME.json beside it, and how closely it matches the run."""

    model: Path
    manifest: Manifest
    report: str


def export_digits(
    run: Path,
    to: str,
    *,
    output: Path | None = None,
    batch: int = 1,
    frames: Path | None = None,
    overwrite: bool = True,
) -> ExportedDigits:
    """Exports the adapted classifier or a translator, whole and verified or not at all.

    Args:
        run: of `unit-edge adapt`.
        to: "digit" for the classifier, or the domain to translate to.
        output: the .onnx file, or an existing folder for it; None for the current folder.
        batch: images that the model takes in one call.
        frames: images to verify on; None for built-in ones.
        overwrite: replace a file of that name.

    Raises:
        ConfigError: an unknown domain or an unusable output path.
        CheckpointError: the run is missing or damaged.
        ModelError: the files can't be written.
        VerifyError: the file computes something else than the run.
        DataError, SourceError: `frames` are missing or unreadable.
    """
    config = load_run_settings(run)
    module, source = _module(run, config, load_adaptation(run, config), to)
    path = output_path(output, f"{source}2{to}-digits", overwrite=overwrite)
    manifest = Manifest(
        name=path.stem,
        source=source,
        target=to,
        preset=config.preset,
        precision="fp32",
        input=TensorSpec(INPUT, "uint8", (batch, SIDE, SIDE, 3)),
        output=TensorSpec(PROBABILITIES, "float32", (batch, CLASSES))
        if to == DIGIT
        else TensorSpec(OUTPUT, "uint8", (batch, SIDE, SIDE, 3)),
        network_short_side=SIDE,
        network_size=(SIDE, SIDE),
        detail="none",
        sha256="",
        made_from={"run": run.resolve().name, "weights_sha256": sha256_of(run / WEIGHTS)},
        versions={"unit_edge": __version__, "torch": torch.__version__, "onnx": onnx.__version__},
    )
    content = serialise(module, manifest)
    manifest = dataclasses.replace(manifest, costs=count_costs(onnx.load_model_from_string(content)))
    with workspace(path) as folder:
        temporary = folder / path.name
        temporary.write_bytes(content)
        manifest = dataclasses.replace(manifest, sha256=sha256_of(temporary))
        manifest.write(temporary.with_suffix(".json"))
        report = _compare(temporary, manifest, module, frames)
        temporary.replace(path)
        temporary.with_suffix(".json").replace(path.with_suffix(".json"))
    return ExportedDigits(path, manifest, report)


def verify_digits(model: Path, run: Path, frames: Path | None = None) -> str:
    """Compares an exported file with the adaptation that it was made from; returns a line for people.

    Raises:
        VerifyError: they differ by more than rounding, or the file was made from other weights.
        ModelError: the file or its manifest is missing or damaged.
        CheckpointError: the run is missing or damaged.
        ConfigError: the run has no such domain.
    """
    manifest = Manifest.read(model.with_suffix(".json"))
    config = load_run_settings(run)
    nets = load_adaptation(run, config)
    if manifest.made_from.get("weights_sha256") != sha256_of(run / WEIGHTS):
        raise VerifyError(f"{model}: made from other weights than {run} has; export it again")
    module, _ = _module(run, config, nets, manifest.target)
    return _compare(model, manifest, module, frames)


class DigitFile:
    """An exported classifier, run by ONNX Runtime on the CPU."""

    def __init__(self, model: Path) -> None:
        """Loads it.

        Raises:
            ModelError: it or its manifest is missing, damaged, or no classifier of digits.
        """
        manifest = Manifest.read(model.with_suffix(".json"))
        if manifest.target != DIGIT:
            raise ModelError(f"{model}: translates to {manifest.target}; expected a classifier, --to {DIGIT}")
        if not model.is_file() or sha256_of(model) != manifest.sha256:
            raise ModelError(f"{model}: missing, or differs from its manifest; export it again")
        check_onnx(model)
        self.batch = manifest.batch
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what is wrong is said once, below
        with loaded_by("ONNX Runtime", model):
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8[N,32,32,3], BGR → float32[N,10]."""
        parts = []
        for first in range(0, len(images), self.batch):
            part = images[first : first + self.batch]
            missing = self.batch - len(part)
            full = np.ascontiguousarray(np.pad(part, ((0, missing), (0, 0), (0, 0), (0, 0))))
            try:
                (given,) = self._session.run([PROBABILITIES], {INPUT: full})
            except Exception as error:  # onnxruntime's exceptions share no base but this
                raise BackendError(f"ONNX Runtime failed: {error}") from error
            parts.append(np.asarray(given, np.float32)[: len(part)])
        return np.concatenate(parts)


def classify_file(model: Path, digits: Digits) -> NDArray[np.int64]:
    """What an exported classifier takes each image for, int64[N]; `digits` are in three channels."""
    classes: NDArray[np.int64] = DigitFile(model).probabilities(digits.images[..., ::-1]).argmax(1)
    return classes


def _module(
    run: Path, config: AdaptConfig, nets: Adaptation, to: str
) -> tuple[DigitClassifier | DigitTranslator, str]:
    """What is exported, and the domain of its input."""
    names = [domain.name for domain in config.domains]
    if to == DIGIT:
        return DigitClassifier(nets, classifier_domain(config)), names[1]
    if to not in names:
        raise ConfigError(f"unknown domain {to!r}; {run} knows: {', '.join(names)}, and {DIGIT}")
    if not config.loss.adapts:
        raise ConfigError(f"{run}: was trained with --source-only and has no translators; --to {DIGIT}")
    source = 1 - names.index(to)
    return DigitTranslator(nets, source), names[source]


def _compare(
    model: Path, manifest: Manifest, module: DigitClassifier | DigitTranslator, frames: Path | None
) -> str:
    if isinstance(module, DigitTranslator):
        reference = Reference(module, (SIDE, SIDE), frames)
        with open_runner(model, "onnxruntime", lean=True) as runner:
            report = reference.compare(runner)
        check_report(model, manifest, report)
        return report.summary()
    file = DigitFile(model)
    worst, count = 0.0, 0
    for scene in _scenes(frames):
        with torch.inference_mode():
            expected = module(torch.from_numpy(scene.frame[None])).numpy()
        worst = max(worst, float(np.abs(file.probabilities(scene.frame[None]) - expected).max()))
        count += 1
    line = f"{count} images against PyTorch: probabilities differ by at most {worst:.2g}"
    if not worst <= TOLERANCE:
        raise VerifyError(f"{model}: computes something else than its checkpoint: {line}; export it again")
    return line


def _scenes(frames: Path | None) -> Iterator[Scene]:
    for name, scene in synthetic_scenes((SIDE, SIDE)) if frames is None else scenes_from(frames):
        yield Scene(name, fit(scene, (SIDE, SIDE)))
