"""How good is a translation: measured on images of the two domains, and on a clip of the first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unit_edge.errors import DataError
from unit_edge.text.printable import is_named, printable
from unit_edge.train.data.dataset import to_tensor
from unit_edge.train.data.decode import ImageItem, read_image
from unit_edge.train.evaluation import bootstrap
from unit_edge.train.evaluation.fid import Features as InceptionFeatures
from unit_edge.train.evaluation.fid import fid_and_kid
from unit_edge.train.evaluation.halo import halo
from unit_edge.train.evaluation.luminance import LEVELS, PARTS, Classes, levels, luminances
from unit_edge.train.evaluation.metrics import (
    Image,
    Translate,
    edges_kept,
    flicker,
    kernel_distance,
    pixel_accuracy,
    stray_chroma,
    target_distance,
)
from unit_edge.train.evaluation.results import Evaluation, Sample
from unit_edge.train.features import Features

Errors = Callable[[Image], tuple[float, float]]
"""Image → reconstruction and cycle error, in 8-bit levels."""

T = TypeVar("T")


def evaluate_images(
    source: str,
    target: str,
    translate: Translate,
    images: Sequence[ImageItem],
    against: Sequence[ImageItem],
    *,
    paired: bool = False,
    errors: Errors | None = None,
    rivals: Mapping[str, Translate] = MappingProxyType({}),
    others: Sequence[Image] = (),
    inception: InceptionFeatures | None = None,
    classes: Classes | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Translates images and measures what became of them.

    Args:
        source: name of the domain of the images.
        target: name of the domain that `translate` translates to.
        translate: gives an image of the same size.
        images: of the source domain, 2 or more.
        against: of the target domain, 2 or more; with `paired`, one for each image, of the same scene.
        paired: also measure pixel accuracy.
        errors: gives reconstruction and cycle error of an image.
        inception: if given, FID and KID are measured on its features.
        classes: if given, the brightness of sky and road is measured where it finds them in the image.
        rivals: other ways to translate, whose kernel distance's ratio becomes the figure of that name.
        others: of the target domain, too, uint8[H,W,3], BGR, and none of `against`; if 2 or more, their ratio
            is a figure, too: what a translation would have whose pictures are real ones of other places.
        seed: of the intervals.
        progress: is told what is being done.

    Raises:
        DataError: there are too few images that can be read; or, with `paired`, an image can't be read,
            or the numbers or sizes differ.
        ConfigError: the imagenet extra, which has the features, is not installed.
    """
    if paired and len(images) != len(against):
        raise DataError(
            f"{len(images)} images of {source} and {len(against)} of {target}; expected pairs of the same "
            "scenes, in the same order"
        )
    for name, items in ((source, images), (target, against)):
        _enough(name, len(items))
    features = Features("efficientnet-lite0")
    samples: list[Sample] = []
    before, after = [], []
    translations_kept: list[Image] = []
    of_rivals: dict[str, list[Tensor]] = {name: [] for name in rivals}
    parts: list[dict[str, float]] = []
    for number, (item, image) in enumerate(_read(images, strict=paired)):
        progress(f"{source} to {target}: image {number + 1} of {len(images)}")
        truth = against[number] if paired else None
        translated = translate(image)
        scores = {
            "edges_kept": edges_kept(image, translated),
            "stray_chroma": stray_chroma(image, translated),
            "halo": halo(image, translated),
            **{f"level_{name}": level for name, level in levels(translated).items()},
        }
        if truth is not None:
            try:
                scores["pixel_accuracy"] = pixel_accuracy(translated, read_image(truth))
            except DataError as error:
                raise DataError(f"{item} and {truth}: {error}") from None
        if errors is not None:
            scores["reconstruction_error"], scores["cycle_error"] = errors(image)
        before.append(_pooled(image, features))
        after.append(_pooled(translated, features))
        if inception is not None:
            translations_kept.append(translated)
        if classes is not None:
            parts.append(luminances(translated, classes(image)))
        for name, rival in rivals.items():
            of_rivals[name].append(_pooled(rival(image), features))
        samples.append(Sample(item, truth, scores))
    _enough(source, len(samples))
    progress(f"{source} to {target}: {len(against)} images of {target}")
    real, real_parts, real_levels = [], [], []
    for _, image in _read(against, strict=paired):
        real.append(_pooled(image, features))
        real_levels.append(levels(image))
        if classes is not None:
            real_parts.append(luminances(image, classes(image)))
    _enough(target, len(real))

    sources, translations, targets = (torch.stack(x).double().numpy() for x in (before, after, real))
    distance, untranslated, ratio = bootstrap.kernel_distances(sources, translations, targets, seed)
    for sample, value in zip(samples, target_distance(translations, targets), strict=True):
        sample.scores["target_distance"] = float(value)
    means = {
        name: bootstrap.mean_of([sample.scores[name] for sample in samples], seed)
        for name in samples[0].scores
        if name != "target_distance"
    }
    figures = {
        **{name: means.pop(name) for name in ("pixel_accuracy",) if name in means},
        "kernel_distance": distance,
        "kernel_distance_untranslated": untranslated,
        "kernel_distance_ratio": ratio,
        **{
            name: bootstrap.kernel_distances(sources, torch.stack(rival).double().numpy(), targets, seed)[2]
            for name, rival in of_rivals.items()
        },
    }
    if len(others) > 1:
        _, _, figures["ratio_others"] = bootstrap.kernel_distances(
            sources, features_of(others, features), targets, seed, paired=False
        )
    figures |= means
    for name in LEVELS:
        of_target = bootstrap.mean_of([found[name] for found in real_levels], seed)
        figures |= {f"level_{name}": figures.pop(f"level_{name}"), f"level_{name}_target": of_target}
    for name in PARTS:
        own, of_targets = ([found[name] for found in of if name in found] for of in (parts, real_parts))
        # what a segmentation finds in fewer than a tenth is likely something else
        if own and 10 * len(own) >= len(parts):
            figures[f"luminance_{name}"] = bootstrap.mean_of(own, seed)
            if of_targets and 10 * len(of_targets) >= len(real_parts):
                figures[f"luminance_{name}_target"] = bootstrap.mean_of(of_targets, seed)
    if inception is not None:
        fid, kid = fid_and_kid(translations_kept, read_images(against), inception)
        for name, value in (("fid", fid), ("kid", 1000 * kid)):
            figures[name] = bootstrap.Figure(value, None, None, count=len(samples), against=len(real))
    result = Evaluation(source=source, target=target, figures=figures, samples=samples)
    score = result.ranked_by
    samples.sort(key=lambda sample: sample.scores[score], reverse=paired)  # best first
    if untranslated.low is None:
        result.notes.append(f"intervals need {bootstrap.FEWEST} images of each domain or more")
    elif untranslated.low <= 0:
        result.notes.append(
            f"so few images don't tell {source} from {target} with certainty: the ratio says little"
        )
    return result


def evaluate_clip(
    source: str,
    target: str,
    translate: Translate,
    frames: Iterable[Image],
    *,
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Measures the flicker of a translated clip and of the clip itself.

    Args:
        source: name of the domain of the clip.
        target: name of the domain that `translate` translates to.
        translate: gives a frame of the same size.
        frames: of the clip, in order.
        seed: of the intervals.
        progress: is told what is being done.

    Raises:
        DataError: see `metrics.flicker`.
    """

    def counted() -> Iterable[Image]:
        for number, frame in enumerate(frames):
            progress(f"{source} to {target}: frame {number + 1} of the clip")
            yield frame

    measured = flicker(counted(), translate)
    output, own, ratio, by_contrast = bootstrap.over_time(
        measured.output, measured.input, measured.output_contrast, measured.input_contrast, seed
    )
    figures = {
        "flicker": output,
        "flicker_input": own,
        "flicker_ratio": ratio,
        "flicker_contrast_ratio": by_contrast,
    }
    result = Evaluation(source, target, figures)
    if measured.cuts:
        result.notes.append(f"flicker: {measured.cuts} pairs of frames left out, which show different scenes")
    if own.value == 0:
        result.notes.append("flicker: nothing changes in the clip, so there is no ratio")
    elif output.low is None:
        result.notes.append(f"flicker: an interval needs {bootstrap.FEWEST + 1} frames or more")
    return result


def features_of(images: Sequence[Image], features: Features) -> NDArray[np.float64]:
    """Images uint8[H,W,3], BGR → float[N,1280]."""
    return torch.stack([_pooled(image, features) for image in images]).double().numpy()


def read_images(items: Sequence[ImageItem]) -> list[Image]:
    """Decodes images as uint8[H,W,3], BGR; those that can't be read are named on stderr and left out."""
    return [image for _, image in _read(items)]


class TranslationScore:
    """Scores translations of the same held-out images again and again."""

    def __init__(
        self,
        images: Sequence[Image],
        own: NDArray[np.float64],
        targets: NDArray[np.float64],
        features: Features,
    ) -> None:
        """Takes images of the source domain, what `features_of` gives of them, and of the target domain's."""
        self.sources, self.features, self.target_features = images, features, targets
        self.untranslated = kernel_distance(own, targets)

    def __call__(self, translate: Translate) -> dict[str, float]:
        """Kernel distance to the target domain over that of the untranslated images, and edges kept."""
        translated = [translate(image) for image in self.sources]
        distance = kernel_distance(features_of(translated, self.features), self.target_features)
        kept = [edges_kept(a, b) for a, b in zip(self.sources, translated, strict=True)]
        return {
            "kernel_distance": distance,
            "kernel_distance_ratio": distance / self.untranslated,
            "edges_kept": float(np.mean(kept)),
        }


def translation_scores(held_out: Sequence[Sequence[Image]]) -> list[TranslationScore]:
    """The scores of both directions, given held-out images of both domains."""
    features = Features("efficientnet-lite0")
    of = [features_of(images, features) for images in held_out]
    return [TranslationScore(held_out[i], of[i], of[1 - i], features) for i in (0, 1)]


def _enough(name: str, count: int) -> None:
    if count < 2:
        raise DataError(
            f"{name}: {count} usable image{'s' * (count != 1)} to evaluate on; 2 or more are needed"
        )


@torch.inference_mode()
def _pooled(image: Image, features: Features) -> torch.Tensor:
    """float[1280]."""
    device = next(features.parameters()).device
    return features.pooled(to_tensor(image)[None].to(device))[0].cpu()


def _read(items: Sequence[ImageItem], *, strict: bool = False) -> Iterator[tuple[ImageItem, Image]]:
    """Items with their pixels; with `strict`, one that can't be read is an error and no warning."""
    skipped = 0
    for item in items:
        try:
            image = read_image(item)
        except DataError as error:
            if strict:
                raise
            skipped += 1
            if is_named(skipped):
                count = f"{skipped} of {len(items)} images to look at"
                print(printable(f"warning: {error}; skipped ({count})"), file=sys.stderr)
        else:
            yield item, image
