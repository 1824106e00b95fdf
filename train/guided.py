"""The guided full-resolution head: colour and light from the small network, edges from the camera.

A local linear model, output = a * input + b, is fitted around every pixel of the small input and
the small output (He et al., Guided Image Filtering, ECCV 2010); its coefficients are enlarged and
applied to the full-size frame (He and Sun, Fast Guided Filter, 2015).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unit_edge.config import Detail
from unit_edge.config.detail import (
    BLACK,
    COLOURFUL,
    DARK,
    GAMMA,
    GREEN,
    GREEN_LESS_SKY,
    GREEN_LIGHT,
    GREEN_OVER_BLUE,
    GREEN_OVER_RED,
    LEAST_GREEN,
    LEAST_LIGHT,
    LEAST_RED,
    LIGHT_GAIN,
    LIGHT_OVER_AROUND,
    RED_LIGHT,
    RED_OVER_GREEN,
    ROSE,
    ROSE_RED,
    SPOT,
    STANDS_OUT,
)


class GuidedHead(nn.Module):
    """Applies what a network did to a small image to the full-size one.

    Two choices are ONNX Runtime's: boxes as depthwise convolutions, 15 times faster there than
    AveragePool, and a and b enlarged apart, which saves splitting them at full size.

    Args:
        settings: of the head.
        bgr: channels are blue, green, red instead of red, green, blue.
    """

    rows: Tensor
    columns: Tensor
    green: Tensor
    cooler: Tensor
    red_light: Tensor
    green_light: Tensor

    def __init__(self, settings: Detail, *, bgr: bool = False) -> None:
        super().__init__()
        self.settings, self.bgr = settings, bgr
        width = 2 * settings.radius + 1
        box = torch.full((12, 1, 1, width), 1.0 / width)
        self.register_buffer("rows", box, persistent=False)
        self.register_buffer("columns", box.transpose(2, 3).contiguous(), persistent=False)
        green = torch.tensor(GREEN).reshape(1, 3, 1, 1)
        self.register_buffer("green", green, persistent=False)
        cooler = torch.tensor([1.0, 0.0, -1.0] if bgr else [-1.0, 0.0, 1.0]).reshape(1, 3, 1, 1)
        self.register_buffer("cooler", cooler, persistent=False)
        for name, light in (("red_light", RED_LIGHT), ("green_light", GREEN_LIGHT)):
            sent = torch.tensor(light[::-1] if bgr else light).reshape(1, 3, 1, 1)
            self.register_buffer(name, sent, persistent=False)

    def forward(self, frame: Tensor, small: Tensor, translated: Tensor) -> Tensor:
        """Translates the frame.

        Args:
            frame: float[N,3,H,W] in [0, 255].
            small: the frame shrunk, float[N,3,h,w] in [-1, 1].
            translated: the network's output for it, float[N,3,h,w] in [-1, 1].

        Returns:
            float[N,3,H,W], in [0, 255] but for overshoots.
        """
        a, b = self.fit(small, translated)
        # y = a * x + b for x = frame / 127.5 - 1, as one product and one sum on the full-size frame
        b = 127.5 * (b - a + 1)
        size = (frame.shape[2], frame.shape[3])
        a = F.interpolate(a, size, mode="bilinear", align_corners=False)
        b = F.interpolate(b, size, mode="bilinear", align_corners=False)
        return a * frame + b

    def at_small_size(self, small: Tensor, translated: Tensor) -> Tensor:
        """The head's output for the small image itself, float[N,3,h,w], clamped to [-1, 1]."""
        a, b = self.fit(small, translated)
        return (a * small + b).clamp(-1, 1)

    def fit(self, small: Tensor, translated: Tensor) -> tuple[Tensor, Tensor]:
        """The local linear model a, b, each float[N,3,h,w], of two images float[N,3,h,w] in [-1, 1]."""
        translated = self.graded(small, translated)
        moments = torch.cat([small, translated, small * translated, small * small], 1)
        mean_x, mean_y, mean_xy, mean_xx = self.mean(moments).chunk(4, 1)
        a = (mean_xy - mean_x * mean_y) / (mean_xx - mean_x * mean_x + self.settings.epsilon)
        b = mean_y - a * mean_x
        a, b = self.mean(torch.cat([a, b], 1)).chunk(2, 1)
        if self.settings.residual:
            rest = translated - (a * small + b)
            if self.settings.residual_colour < 1:
                light = rest.mean(1, keepdim=True)
                rest = light + self.settings.residual_colour * (rest - light)
            b = b + self.settings.residual * rest
        if self.settings.contrast != 1:
            more = (self.settings.contrast - 1) * a
            a, b = a + more, b - more * mean_x
        if self.settings.sharpness != 1:
            more = (self.settings.sharpness - 1) * a
            a, b = a + more, b - more * small
        if self.settings.red_lights > 0 or self.settings.green_lights > 0:
            b = b + self._lights(small, a * small + b)
        return a, b

    def graded(self, small: Tensor, translated: Tensor) -> Tensor:
        """What the network gave, float[N,3,h,w] in [-1, 1], with its colours, levels and highlights moved.

        A colour is levels without their mean. In the plane of colours, what the network's K has across the
        direction of the frame's k turns its hue; where k is colourful, by w = (|k|² - least) / (most - least)
        of COLOURFUL, held to 0 to 1, (1 - hue) * w of it is taken away.

        The largest of a colour's three distances from the colour around, the mean of a box, may be
        `stray_colour` more than that of the frame's; farther ones are brought nearer.

        Magenta is M = max(0, min(R, B) + ROSE * min(max(0, R - B), ROSE_RED) - G). With
        m = max(0, M - M of the frame), (1 - magenta) * m is taken away: two thirds of it are added to G, a
        third is taken from R and from B.

        Levels of blue are multiplied by 1 + coolness, those of red by 1 - coolness.

        With L the light of mean levels, over SPOTxSPOT pixels, A that of the surroundings (two boxes), and
        d = max(0, L - STANDS_OUT * A - LEAST_LIGHT), a pixel's light is multiplied by 1 + highlights * d / L.

        Last, levels of a mean above gain_limit * max(BLACK, the frame's mean level) are brought down to it.
        """
        settings = self.settings
        if not settings.grades:
            return translated
        levels = (translated + 1) / 2
        grey = levels.mean(1, keepdim=True)
        colour = levels - grey
        if settings.hue < 1:
            colour = colour - (1 - settings.hue) * self._turned(colour, small / 2)
        if settings.stray_colour < 1:
            around, stray = self._distance(colour)
            frame = small / 2
            _, own = self._distance(frame - frame.mean(1, keepdim=True))
            share = (settings.stray_colour + _largest(own)) / _largest(stray).clamp(min=DARK)
            colour = around + share.clamp(max=1) * stray
        if settings.magenta < 1:
            more = (self._magenta(colour) - self._magenta(small / 2).clamp(min=0)).clamp(min=0)
            colour = colour + (1 - settings.magenta) * more * self.green
        levels = settings.brightness * (grey + settings.saturation * colour)
        if settings.coolness != 0:
            levels = levels * (1 + settings.coolness * self.cooler)
        if settings.highlights > 0:
            light = grey.clamp(min=0) ** GAMMA
            around = self.mean(self.mean(light))
            light = F.avg_pool2d(F.pad(light, (SPOT // 2,) * 4, mode="replicate"), SPOT, 1)
            out = (light - STANDS_OUT * around - LEAST_LIGHT).clamp(min=0) / (light + DARK)
            levels = levels * (1 + settings.highlights * out) ** (1 / GAMMA)
        if settings.gain_limit > 0:
            most = settings.gain_limit * ((small.mean(1, keepdim=True) + 1) / 2).clamp(min=BLACK)
            levels = levels * (most / levels.mean(1, keepdim=True).clamp(min=DARK)).clamp(max=1)
        return (levels * 2 - 1).clamp(-1, 1)

    def _lights(self, small: Tensor, output: Tensor) -> Tensor:
        """What lights of the frame add to the head's output for the small image, float[N,3,h,w].

        With c what is red of the frame's levels, r = max(0, R - max(B, RED_OVER_GREEN * G)), or green,
        max(0, min(G, GREEN_OVER_BLUE * B) - GREEN_OVER_RED * R - GREEN_LESS_SKY * max(0, B - G)), and A its
        mean in the box, e = LIGHT_GAIN * max(0, c - LIGHT_OVER_AROUND * A - LEAST_RED or LEAST_GREEN), up
        to 1, is how far a pixel is a light. It and its halo, e blurred by two boxes of 3 pixels, send
        `red_lights` times RED_LIGHT, or `green_lights` times GREEN_LIGHT.
        """
        first, green, third = ((small + 1) / 2).chunk(3, 1)
        red, blue = (third, first) if self.bgr else (first, third)
        levels = ((output + 1) / 2).clamp(min=DARK, max=1.0)  # a root has no slope at black
        light = levels**GAMMA
        if self.settings.red_lights > 0:
            redness = (red - torch.maximum(blue, RED_OVER_GREEN * green)).clamp(min=0)
            light = light + self.settings.red_lights * self._lit(redness, LEAST_RED) * self.red_light
        if self.settings.green_lights > 0:
            more = torch.minimum(green, GREEN_OVER_BLUE * blue) - GREEN_OVER_RED * red
            greenness = (more - GREEN_LESS_SKY * (blue - green).clamp(min=0)).clamp(min=0)
            light = light + self.settings.green_lights * self._lit(greenness, LEAST_GREEN) * self.green_light
        return 2 * (light.clamp(max=1) ** (1 / GAMMA) - levels)

    def _lit(self, coloured: Tensor, least: float) -> Tensor:
        """How far a pixel is a light, and its halo: more than 1 together, of how coloured it is."""
        stands_out = coloured - LIGHT_OVER_AROUND * self.mean(coloured) - least
        lit = (LIGHT_GAIN * stands_out).clamp(min=0.0, max=1.0)
        return lit + _blurred(_blurred(lit))

    def _turned(self, colour: Tensor, frame: Tensor) -> Tensor:
        """What of a colour is across that of the frame, levels or colours, where this is colourful."""
        first, second, third = frame.chunk(3, 1)
        across = torch.cat([third - second, first - third, second - first], 1)  # three times as long, squared
        least, most = (3 * bound for bound in COLOURFUL)
        length = (across * across).sum(1, keepdim=True)
        share = ((length - least) / (most - least)).clamp(min=0.0, max=1.0)
        return share * (colour * across).sum(1, keepdim=True) / length.clamp(min=least) * across

    def _magenta(self, colour: Tensor) -> Tensor:
        """How far a pixel is less green than light is, in levels, float[N,1,h,w]; below 0 where it is not."""
        first, green, third = colour.chunk(3, 1)
        red, blue = (third, first) if self.bgr else (first, third)
        rose = ROSE * (red - blue).clamp(min=0.0, max=ROSE_RED)
        return torch.minimum(red, blue) + rose - green

    def _distance(self, colour: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of the box around every pixel, and how far a pixel is from it, both float[N,3,h,w]."""
        around = self.mean(colour)
        return around, colour - around

    def mean(self, x: Tensor) -> Tensor:
        """Mean over a box around every pixel; the border pixel stands for what lies outside.

        Args:
            x: float[N,C,h,w], C at most 12.
        """
        channels, r = x.shape[1], self.settings.radius
        x = F.pad(x, (r, r, r, r), mode="replicate")
        x = F.conv2d(x, self.rows[:channels], groups=channels)
        return F.conv2d(x, self.columns[:channels], groups=channels)


def with_margin(network: Callable[[Tensor], Tensor], x: Tensor, margin: int) -> Tensor:
    """What a network makes of an image that is continued beyond its edges, cut to the image's size.

    Args:
        network: float[N,3,H,W] to the same.
        x: float[N,3,h,w].
        margin: pixels on every side, each as the one of the edge next to it.
    """
    if not margin:
        return network(x)
    translated = network(F.pad(x, (margin,) * 4, mode="replicate"))
    return translated[:, :, margin:-margin, margin:-margin]


def _blurred(x: Tensor) -> Tensor:
    """Mean over 3x3 pixels; the border pixel stands for what lies outside."""
    return F.avg_pool2d(F.pad(x, (1,) * 4, mode="replicate"), 3, 1)


def _largest(difference: Tensor) -> Tensor:
    """Of the three channels, float[N,1,h,w], without its sign."""
    return difference.abs().amax(1, keepdim=True)
