"""The guided head against a guided filter written out window by window."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unit_edge.config import Detail
from unit_edge.export.scenes import synthetic_scene
from unit_edge.train.guided import GuidedHead, with_margin

Array = NDArray[np.float64]


def window_mean(image: Array, radius: int) -> Array:
    """[h,w,3]: the mean of every window, one by one; outside, the nearest pixel of the border."""
    h, w, _ = image.shape
    out = np.empty_like(image)
    for y in range(h):
        for x in range(w):
            values = [
                image[min(max(y + dy, 0), h - 1), min(max(x + dx, 0), w - 1)]
                for dy in range(-radius, radius + 1)
                for dx in range(-radius, radius + 1)
            ]
            out[y, x] = np.mean(values, axis=0)
    return out


def unstrayed(small: Array, translated: Array, settings: Detail) -> Array:
    """Colours held back pixel by pixel, in levels of 0 to 1: half of what values in [-1, 1] are."""
    out = translated.copy()
    own, made = ((x - x.mean(2, keepdims=True)) / 2 for x in (small, translated))
    around_own, around_made = window_mean(own, settings.radius), window_mean(made, settings.radius)
    for place in np.ndindex(*small.shape[:2]):
        explained = np.abs(own[place] - around_own[place]).max()
        stray = made[place] - around_made[place]
        share = min(1.0, (settings.stray_colour + explained) / max(np.abs(stray).max(), 1e-3))
        out[place] = translated[place].mean() + 2 * (around_made[place] + share * stray)
    return out


def unturned(small: Array, translated: Array, settings: Detail) -> Array:
    """Of each colour, a vector of levels of 0 to 1 without their mean: what is across the frame's, shrunk."""
    out = translated.copy()
    for place in np.ndindex(*small.shape[:2]):
        own, made = ((x[place] - x[place].mean()) / 2 for x in (small, translated))
        colourful = min(max((own @ own - 0.015) / (0.1 - 0.015), 0.0), 1.0)
        along = made @ own / max(own @ own, 1e-9) * own
        out[place] -= 2 * (1 - settings.hue) * colourful * (made - along)
    return out


def magenta(pixel: Array) -> float:
    """Also of rose: 0.3 of how much redder than blue it is, which counts up to 0.6 (0.3 of all levels)."""
    red, green, blue = map(float, pixel)
    return min(red, blue) + 0.3 * min(max(red - blue, 0.0), 0.6) - green


def greener(small: Array, translated: Array, settings: Detail) -> Array:
    """Magenta that the frame doesn't have, beyond its share, taken away pixel by pixel."""
    out = translated.copy()
    for place in np.ndindex(*small.shape[:2]):
        red, green, blue = translated[place]
        more = max(0.0, magenta(translated[place]) - max(0.0, magenta(small[place])))
        more *= 1 - settings.magenta
        out[place] = red - more / 3, green + 2 * more / 3, blue - more / 3
    return out


def graded(small: Array, translated: Array, settings: Detail) -> Array:
    """Colours held back, highlights, saturation and brightness a pixel at a time; light is level ** 2.2."""
    if settings.hue < 1:
        translated = unturned(small, translated, settings)
    if settings.stray_colour < 1:
        translated = unstrayed(small, translated, settings)
    if settings.magenta < 1:
        translated = greener(small, translated, settings)
    out = translated.copy()
    light = np.repeat((translated.mean(2, keepdims=True) / 2 + 0.5) ** 2.2, 3, 2)
    around = window_mean(window_mean(light, settings.radius), settings.radius)[..., 0]
    light = window_mean(light, 2)[..., 0]
    for place in np.ndindex(*light.shape):
        stands_out = max(0.0, light[place] - 1.5 * around[place] - 0.01) / (light[place] + 1e-3)
        brighter = (1 + settings.highlights * stands_out) ** (1 / 2.2)
        grey = out[place].mean()
        saturated = grey + settings.saturation * (out[place] - grey)
        level = (saturated + 1) / 2 * settings.brightness * brighter
        level *= 1 - settings.coolness, 1, 1 + settings.coolness
        if settings.gain_limit > 0:
            most = settings.gain_limit * max(0.02, (small[place].mean() + 1) / 2)
            level *= min(1.0, most / max(level.mean(), 1e-3))
        out[place] = np.clip(2 * level - 1, -1, 1)
    return out


def lit(small: Array, output: Array, settings: Detail) -> Array:
    """The head's output with the light of what is small and red or green, spread over 5x5 pixels, added."""
    red, green, blue = ((small + 1) / 2).transpose(2, 0, 1)
    redness = red - np.maximum(blue, 1.4 * green)
    greenness = np.minimum(green, 1.15 * blue) - 2.2 * red - 2 * np.maximum(blue - green, 0)
    levels = np.clip(output / 2 + 0.5, 1e-3, 1)
    light = levels**2.2
    light = light + settings.red_lights * spots(redness, 0.05, settings) * [1.0, 0.05, 0.03]
    light = light + settings.green_lights * spots(greenness, 0.03, settings) * [0.02, 0.7, 0.35]
    return np.asarray(output + 2 * (np.minimum(light, 1) ** (1 / 2.2) - levels))


def spots(coloured: Array, least: float, settings: Detail) -> Array:
    """How far small things of a colour are lights, and their halos."""
    coloured = np.maximum(coloured, 0)[..., None]
    lights = np.clip(6 * (coloured - 4 * window_mean(coloured, settings.radius) - least), 0, 1)
    return lights + window_mean(window_mean(lights, 1), 1)


def guided(small: Array, translated: Array, settings: Detail) -> tuple[Array, Array]:
    """He et al., equations 5, 6 and 8, a channel by itself."""
    radius = settings.radius
    plain = Detail(radius, settings.epsilon, settings.residual, settings.residual_colour)
    if dataclasses.replace(settings, red_lights=0.0, green_lights=0.0) != plain:
        translated = graded(small, translated, settings)
    mean_x, mean_y = window_mean(small, radius), window_mean(translated, radius)
    covariance = window_mean(small * translated, radius) - mean_x * mean_y
    variance = window_mean(small * small, radius) - mean_x**2
    a = covariance / (variance + settings.epsilon)
    b = mean_y - a * mean_x
    a, b = window_mean(a, radius), window_mean(b, radius)
    rest = translated - (a * small + b)
    light = np.repeat(rest.mean(2, keepdims=True), 3, 2)
    b += settings.residual * (light + settings.residual_colour * (rest - light))
    a, b = settings.contrast * a, b + (1 - settings.contrast) * a * mean_x
    a, b = settings.sharpness * a, b + (1 - settings.sharpness) * a * small
    if settings.red_lights > 0 or settings.green_lights > 0:
        output = a * small + b
        b += lit(small, output, settings) - output
    return a, b


def enlarge(image: Array, factor: int) -> Array:
    """Bilinear by hand: pixel centres at halves, borders continued."""
    h, w, _ = image.shape
    out = np.empty((h * factor, w * factor, 3))
    for y in range(h * factor):
        for x in range(w * factor):
            sy = min(max((y + 0.5) / factor - 0.5, 0), h - 1)
            sx = min(max((x + 0.5) / factor - 0.5, 0), w - 1)
            y0, x0 = int(sy), int(sx)
            y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
            fy, fx = sy - y0, sx - x0
            top = image[y0, x0] * (1 - fx) + image[y0, x1] * fx
            bottom = image[y1, x0] * (1 - fx) + image[y1, x1] * fx
            out[y, x] = top * (1 - fy) + bottom * fy
    return out


def tensor(image: Array) -> torch.Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1)[None]).float()


def array(x: torch.Tensor) -> Array:
    return x[0].permute(1, 2, 0).double().numpy()


@pytest.mark.parametrize("size", [(9, 12), (4, 4), (5, 3)], ids=str)
@pytest.mark.parametrize(
    "settings",
    [
        Detail(2, 1e-2, 0.0),
        Detail(4, 1e-3, 0.5),
        Detail(6, 1e-1, 1.0),
        Detail(3, 1e-2, 0.8, residual_colour=0.3),
        Detail(3, 1e-2, 1.0, residual_colour=0.0),
        Detail(1, 1e-2, 0.7, highlights=6.0),
        Detail(2, 1e-2, 0.5, saturation=1.4),
        Detail(2, 1e-2, 1.0, residual_colour=0.3, highlights=4.0, saturation=0.0),
        Detail(2, 1e-2, 0.5, brightness=1.2),
        Detail(2, 1e-2, 0.8, coolness=0.08),
        Detail(2, 1e-2, 0.8, brightness=1.2, coolness=-0.3, gain_limit=1.5),
        Detail(2, 1e-2, 0.8, contrast=1.4),
        Detail(2, 1e-2, 0.8, stray_colour=0.05),
        Detail(1, 1e-2, 1.0, saturation=1.3, stray_colour=0.0),
        Detail(2, 1e-2, 1.0, magenta=0.0),
        Detail(2, 1e-2, 0.8, hue=0.0),
        Detail(2, 1e-2, 0.8, contrast=1.2, sharpness=1.7),
        Detail(2, 1e-2, 0.8, gain_limit=1.5),
        Detail(6, 1e-2, 0.5, red_lights=1.5),
        Detail(4, 1e-2, 0.8, sharpness=1.3, brightness=0.6, red_lights=4.0),
        Detail(6, 1e-2, 0.5, green_lights=1.5),
        Detail(4, 1e-2, 0.8, sharpness=1.3, brightness=0.6, red_lights=1.0, green_lights=4.0),
        Detail(1, 1e-2, 1.0, brightness=1.5, highlights=3.0, gain_limit=2.0),
        Detail(1, 1e-2, 0.8, saturation=1.3, stray_colour=0.1, magenta=0.4, hue=0.3),
        Detail(2, 1e-2, 0.8, highlights=2.0, saturation=1.3, brightness=0.8, contrast=0.6),
    ],
    ids=str,
)
def test_equals_the_filter_written_out(size: tuple[int, int], settings: Detail) -> None:
    rng = np.random.default_rng(1)
    small, translated = rng.uniform(-1, 1, (2, *size, 3))
    frame = rng.uniform(0, 255, (size[0] * 3, size[1] * 3, 3))
    a, b = (enlarge(x, 3) for x in guided(small, translated, settings))
    expected = ((a * (frame / 127.5 - 1) + b) + 1) * 127.5
    given = array(GuidedHead(settings)(tensor(frame), tensor(small), tensor(translated)))
    assert np.abs(given - expected).max() < 0.02
    bgr = (tensor(x[..., ::-1].copy()) for x in (frame, small, translated))
    assert np.abs(array(GuidedHead(settings, bgr=True)(*bgr))[..., ::-1] - expected).max() < 0.02


@pytest.mark.parametrize("residual", [0.0, 0.5])
def test_at_the_small_size_it_is_the_filter_held_to_the_range(residual: float) -> None:
    rng, settings = np.random.default_rng(2), Detail(2, 1e-2, residual)
    small, translated = rng.uniform(-1, 1, (2, 9, 12, 3))
    translated = np.sign(translated) * 1.5  # a network's tanh can't, an overshoot of the linear model can
    a, b = guided(small, translated, settings)
    expected = a * small + b
    assert expected.max() > 1.1 and expected.min() < -1.1
    given = array(GuidedHead(settings).at_small_size(tensor(small), tensor(translated)))
    assert np.abs(given - np.clip(expected, -1, 1)).max() < 1e-3


def test_a_light_that_the_frame_does_not_have_stays_without_its_colour() -> None:
    small, translated = np.full((2, 9, 9, 3), -0.9)
    translated[4, 4] = 1.0, -0.9, -0.9  # red
    head = GuidedHead(Detail(1, 1e-2, 1.0, residual_colour=0.0))
    lit = array(head.at_small_size(tensor(small), tensor(translated)))[4, 4]
    in_colour = array(GuidedHead(Detail(1, 1e-2, 1.0)).at_small_size(tensor(small), tensor(translated)))[4, 4]
    assert in_colour == pytest.approx(translated[4, 4], abs=1e-4)
    assert lit.mean() == pytest.approx(translated[4, 4].mean(), abs=1e-4)
    assert np.ptp(lit) < 0.2 * np.ptp(in_colour)  # what is left is the filter's own


def test_highlights_brighten_a_lamp_and_nothing_else() -> None:
    """A lamp of 5x5 pixels and level 90 on a street of 40 gets 1 + 6 * d / L of its light; black none."""
    small = np.full((41, 41, 3), -0.5)
    translated = np.full((41, 41, 3), 40 / 127.5 - 1)
    translated[:20] = -1.0
    translated[28:33, 18:23] = 90 / 127.5 - 1
    head = GuidedHead(Detail(4, 1e-4, 1.0, highlights=6.0))
    given = (array(head.at_small_size(tensor(small), tensor(translated))) + 1) * 127.5
    lamp, street = (90 / 255) ** 2.2, (40 / 255) ** 2.2
    shares = [max(0, 9 - abs(across)) / 81 for across in range(-8, 9)]  # of two boxes of 9 pixels
    around = street + (lamp - street) * sum(shares[6:11]) ** 2
    gain = 1 + 6 * (lamp - 1.5 * around - 0.01) / (lamp + 1e-3)
    assert given[30, 20] == pytest.approx(90 * gain ** (1 / 2.2), abs=1.5)
    assert given[36:, 30:] == pytest.approx(np.full((5, 11, 3), 40.0), abs=0.5)
    assert given[:10] == pytest.approx(np.zeros((10, 41, 3)), abs=0.1)


def test_a_pink_lamp_is_warm_where_the_frame_is_grey_and_a_red_one_stays() -> None:
    small = np.full((9, 24, 3), -0.5)
    translated = np.full((9, 24, 3), -0.9)
    translated[3:6, 3:6] = 0.8, 0.2, 0.6
    translated[3:6, 11:14] = 0.8, -0.6, -0.8
    translated[3:6, 19:22], small[3:6, 19:22] = (0.8, 0.2, 0.6), (0.5, 0.0, 0.5)  # a sign that is pink
    kept = GuidedHead(Detail(2, 1e-4, 1.0)).graded(tensor(small), tensor(translated))
    given = array(GuidedHead(Detail(2, 1e-4, 1.0, magenta=0.0)).graded(tensor(small), tensor(translated)))
    warm = 0.8 - 0.46 / 3, 0.2 + 0.92 / 3, 0.6 - 0.46 / 3  # as light as before
    assert given[4, 4] == pytest.approx(warm, abs=1e-5) and warm[0] > warm[1] > warm[2]
    given[3:6, 3:6] = translated[3:6, 3:6]
    assert given == pytest.approx(array(kept), abs=1e-5)


def test_a_yellow_sign_stays_yellow_and_a_blue_sky_may_turn_grey() -> None:
    small = np.full((4, 16, 3), -0.2)
    small[:, :4], small[:, 4:8] = (0.6, 0.3, -0.8), (-0.4, 0.1, 0.7)
    translated = small.copy()
    translated[:, :4], translated[:, 4:8] = (0.6, -0.3, -0.7), (0.5, 0.55, 0.6)
    translated[:, 8:12] = -0.1, -0.2, -0.3  # brown where the frame is grey
    given = array(GuidedHead(Detail(2, 1e-4, 1.0, hue=0.0)).graded(tensor(small), tensor(translated)))
    hue = [np.arctan2(np.sqrt(3) * (g - b), 2 * r - g - b) for r, g, b in (small[0, 0], given[0, 0])]
    assert hue[1] == pytest.approx(hue[0], abs=1e-5)
    assert given[0, 0].mean() == pytest.approx(translated[0, 0].mean(), abs=1e-6)
    assert given[:, 4:8] == pytest.approx(translated[:, 4:8], abs=0.02)
    assert given[:, 8:] == pytest.approx(translated[:, 8:], abs=1e-6)


def test_a_tail_light_shines_and_neither_a_red_car_nor_a_brown_wall_does() -> None:
    small = np.full((40, 60, 3), -0.2)
    small[8:11, 8:10] = 0.2, -0.8, -0.8  # red that is not lit
    small[20:36, 20:40] = 0.6, -0.9, -0.9
    small[4:7, 30:33] = 0.2, -0.2, -0.4
    night = np.full((40, 60, 3), -0.9)
    head = GuidedHead(Detail(8, 1e-4, 1.0, red_lights=1.5))
    given = (array(head.at_small_size(tensor(small), tensor(night))) + 1) * 127.5
    dark = (array(GuidedHead(Detail(8, 1e-4, 1.0)).at_small_size(tensor(small), tensor(night))) + 1) * 127.5
    red, green, blue = given[9, 8]
    assert red > 250 and blue < green < 100
    assert given[6, 8, 0] - dark[6, 8, 0] > 20 > given[6, 8, 0] / 5  # its halo
    given[5:14, 5:13] = dark[5:14, 5:13]
    assert given == pytest.approx(dark, abs=0.01)


def test_a_green_signal_shines_and_neither_leaves_nor_gaps_of_sky_nor_a_sign_do() -> None:
    small = np.full((40, 60, 3), -0.2)
    small[8:11, 8:10] = -0.8, 0.2, 0.1
    small[20:36, 20:40] = -0.9, -0.2, -0.3  # a sign
    small[4:7, 30:33] = -0.6, 0.2, -0.8  # a leaf
    small[4:7, 44:47] = -0.2, 0.2, 0.8  # the sky
    small[12:15, 44:47] = -0.4, -0.1, 0.0  # both, as a leaf's edge before the sky is
    night = np.full((40, 60, 3), -0.9)
    head = GuidedHead(Detail(8, 1e-4, 1.0, green_lights=1.5))
    given = (array(head.at_small_size(tensor(small), tensor(night))) + 1) * 127.5
    dark = (array(GuidedHead(Detail(8, 1e-4, 1.0)).at_small_size(tensor(small), tensor(night))) + 1) * 127.5
    red, green, blue = given[9, 8]
    assert green > 250 > blue > 180 and red < 80
    assert given[6, 8, 1] - dark[6, 8, 1] > 20 > given[6, 8, 1] / 6  # its halo
    given[5:14, 5:13] = dark[5:14, 5:13]
    assert given == pytest.approx(dark, abs=0.01)


@pytest.mark.parametrize("lights", [{"red_lights": 2.0}, {"green_lights": 2.0}], ids=str)
def test_a_network_is_trained_through_a_head_that_lights_what_is_coloured(lights: dict[str, float]) -> None:
    """Black is no number that a root has a slope at."""
    small = torch.full((1, 3, 20, 20), -1.0)
    small[:, slice(1) if "red_lights" in lights else slice(1, 3), 9:11, 9:11] = 1.0
    translated = torch.full((1, 3, 20, 20), -1.0, requires_grad=True)
    GuidedHead(Detail(8, 1e-4, 1.0, **lights)).at_small_size(small, translated).sum().backward()
    assert translated.grad is not None
    assert bool(translated.grad.isfinite().all()) and float(translated.grad.abs().max()) > 0.1


def test_a_margin_is_the_edge_continued_and_cut_off_again() -> None:
    rng = np.random.default_rng(3)
    image = rng.uniform(-1, 1, (5, 6, 3))
    seen = []

    def network(x: torch.Tensor) -> torch.Tensor:
        seen.append(array(x))
        return x + torch.arange(x.shape[3])

    given = array(with_margin(network, tensor(image), 4))
    assert seen[0] == pytest.approx(np.pad(image, ((4, 4), (4, 4), (0, 0)), mode="edge"), abs=1e-6)
    assert given == pytest.approx(image + np.arange(4, 10)[:, None], abs=1e-6)
    assert array(with_margin(torch.neg, tensor(image), 0)) == pytest.approx(-image, abs=1e-6)


def test_a_gain_limit_keeps_black_dark_and_leaves_a_grey_road_white() -> None:
    small = np.full((6, 12, 3), -1.0)
    small[:, 6:] = 2 * 0.3 - 1
    translated = np.full((6, 12, 3), 2 * 0.8 - 1)
    given = array(GuidedHead(Detail(2, 1e-4, 1.0, gain_limit=3.0)).graded(tensor(small), tensor(translated)))
    levels = (given + 1) / 2
    assert levels[:, :6] == pytest.approx(np.full((6, 6, 3), 3 * 0.02), abs=1e-5)
    assert levels[:, 6:] == pytest.approx(np.full((6, 6, 3), 0.8), abs=1e-5)


def test_it_has_nothing_that_a_checkpoint_would_keep() -> None:
    assert GuidedHead(Detail()).state_dict() == {}


def test_a_network_that_darkens_darkens_the_frame_and_keeps_its_edges() -> None:
    frame = synthetic_scene(320, 180, light=0.9, seed=0).astype(np.float64)
    small = frame.reshape(45, 4, 80, 4, 3).mean((1, 3)) / 127.5 - 1
    head = GuidedHead(Detail(radius=4, epsilon=1e-7, residual=0.5))
    given = array(head(tensor(frame), tensor(small), tensor(small - 0.4)))
    assert np.abs(given - (frame - 0.4 * 127.5)).max() < 0.5


def test_a_network_that_halves_the_contrast_halves_the_frames() -> None:
    frame = synthetic_scene(320, 180, light=0.9, seed=1).astype(np.float64)
    small = frame.reshape(45, 4, 80, 4, 3).mean((1, 3)) / 127.5 - 1
    head = GuidedHead(Detail(radius=4, epsilon=1e-7, residual=0.0))
    given = array(head(tensor(frame), tensor(small), tensor(small / 2)))
    assert np.abs(given - (127.5 + (frame - 127.5) / 2)).max() < 0.5


def test_sharpness_is_of_what_the_small_image_cannot_show() -> None:
    """Stripes within each small pixel get stronger, what is smooth in them is left."""
    frame = np.tile(np.linspace(60, 180, 80)[:, None], (80, 1, 3))
    stripes = np.where(np.arange(80) % 2, 10.0, -10.0)[:, None, None]
    small = frame.reshape(20, 4, 20, 4, 3).mean((1, 3)) / 127.5 - 1
    head = GuidedHead(Detail(4, 1e-7, residual=1.0, sharpness=1.5))
    given = array(head(tensor(frame + stripes), tensor(small), tensor(small)))
    inside = np.s_[8:72, 8:72]
    assert given[inside] == pytest.approx((frame + 1.5 * stripes)[inside], abs=0.3)


def test_a_constant_output_leaves_nothing_of_the_frame() -> None:
    frame = np.random.default_rng(0).uniform(0, 255, (40, 40, 3))
    small = frame.reshape(10, 4, 10, 4, 3).mean((1, 3)) / 127.5 - 1
    given = array(GuidedHead(Detail())(tensor(frame), tensor(small), tensor(np.full((10, 10, 3), -0.2))))
    assert np.abs(given - 0.8 * 127.5).max() < 0.01


def test_a_light_that_the_frame_lacks_is_added_as_the_residual_says() -> None:
    frame = np.full((80, 80, 3), 60.0)
    small = np.full((20, 20, 3), 60 / 127.5 - 1)
    translated = small.copy()
    translated[10, 10] = 1.0
    peaks = []
    for residual in (0.0, 0.5, 1.0):
        given = array(GuidedHead(Detail(4, 1e-3, residual))(tensor(frame), tensor(small), tensor(translated)))
        peaks.append(given[40:44, 40:44].max())
    assert peaks[0] < 70 and peaks[0] + 60 < peaks[1] < peaks[2] - 60
