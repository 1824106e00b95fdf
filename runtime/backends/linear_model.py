"""The guided head's local linear model of a small image, on a CPU, with OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

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

Floats = NDArray[np.float32]

_GREY_LEVEL = np.array([[1 / 6, 1 / 6, 1 / 6, 0.5]], np.float32)
"""[-1, 1] → the mean of the three levels in [0, 1], as a matrix of `cv2.transform`."""
_COLOUR = ((np.eye(3) - 1 / 3) / 2).astype(np.float32)
"""[-1, 1] → levels of 0 to 1 without their mean."""
_MEAN = np.full((1, 3), 1 / 3, np.float32)
"""Three levels → their mean."""
_SUM = np.ones((1, 3), np.float32)
_ACROSS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], np.float32) / 2
"""[-1, 1] → across the colour, in levels of 0 to 1 and sqrt(3) times as long."""

_UNLIT = 1e-6
"""Share of a light that is none, but what is left of rounding."""


class LinearModel:
    """Fits what E and G did to a small image, their colours and levels moved as the head's settings say.

    Args:
        detail: the settings.
    """

    def __init__(self, detail: Detail) -> None:
        self._box = 2 * detail.radius + 1
        self._epsilon = np.float32(detail.epsilon)
        grey = np.full((3, 3), (1 - detail.residual_colour) / 3)
        self._residual = detail.residual * (grey + detail.residual_colour * np.eye(3))
        self._gain_limit = np.float32(detail.gain_limit)
        self._highlights, self._contrast = detail.highlights, np.float32(detail.contrast)
        self._sharpness = np.float32(detail.sharpness)
        share, self._stray = detail.saturation, np.float32(detail.stray_colour)
        mixed = (np.full((3, 3), (1 - share) / 3) + share * np.eye(3)) / 2
        gains = detail.brightness * (1 + detail.coolness * np.array([1, 0, -1]))
        self._levels = gains[:, None] * np.hstack([mixed, np.full((3, 1), 0.5)])
        self._turning = np.float32(1 - detail.hue)
        self._less_magenta = (1 - detail.magenta) * np.array(GREEN, np.float32)
        self._grades = detail.grades
        self._red_light = np.float32(detail.red_lights) * np.array(RED_LIGHT[::-1], np.float32)
        self._green_light = np.float32(detail.green_lights) * np.array(GREEN_LIGHT[::-1], np.float32)

    def fit(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """The model of the frame's levels, a * level + b: a, b, each float[h,w,3].

        Args:
            x: the small image, float[h,w,3] in [-1, 1].
            y: what E and G made of it, float[h,w,3] in [-1, 1].
        """
        mean_x = self._mean(x)
        y = self._graded(x, mean_x, y)
        mean_y = self._mean(y)
        a = (self._mean(x * y) - mean_x * mean_y) / (self._mean(x * x) - mean_x * mean_x + self._epsilon)
        b = mean_y - a * mean_x
        a, b = self._mean(a), self._mean(b)
        if self._residual.any():
            b += cv2.transform(y - (a * x + b), self._residual)
        if self._contrast != 1:
            more = (self._contrast - 1) * a
            b -= more * mean_x
            a += more
        if self._sharpness != 1:
            more = (self._sharpness - 1) * a
            b -= more * x
            a += more
        if self._red_light.any() or self._green_light.any():
            self._add_lights(x, a, b)
        b -= a
        b += np.float32(1)
        b *= np.float32(127.5)
        return a, b

    def _graded(self, x: Floats, mean_x: Floats, y: Floats) -> Floats:
        """What `unit_edge.train.guided.GuidedHead.graded` gives, float[h,w,3] in [-1, 1]."""
        if not self._grades:
            return y
        if self._turning > 0:
            y = self._without_turned_hues(x, y)
        if self._stray < 1:
            y = self._without_stray_colour(x - mean_x, y)
        if self._less_magenta.any():
            more = np.maximum(_magenta(y) - np.maximum(_magenta(x), 0), 0)
            # a transform of one channel to three takes 6 times as long
            y = np.asarray(cv2.add(y, cv2.merge([share * more for share in self._less_magenta])), np.float32)
        levels = cv2.transform(y, self._levels)
        if self._highlights > 0:
            light = np.asarray(cv2.pow(np.maximum(cv2.transform(y, _GREY_LEVEL), 0), GAMMA), np.float32)
            around = self._mean(self._mean(light))
            light = np.asarray(cv2.blur(light, (SPOT, SPOT), borderType=cv2.BORDER_REPLICATE), np.float32)
            out = np.maximum(light - STANDS_OUT * around - LEAST_LIGHT, 0)
            out /= light + DARK
            out *= np.float32(self._highlights)
            out += np.float32(1)
            gain = cv2.pow(out, 1 / GAMMA)
            cv2.multiply(levels, cv2.merge([gain, gain, gain]), levels)
        if self._gain_limit > 0:
            share = self._gain_limit * np.maximum(cv2.transform(x, _GREY_LEVEL), BLACK)
            share /= np.maximum(cv2.transform(levels, _MEAN), DARK)
            np.minimum(share, 1, out=share)
            cv2.multiply(levels, cv2.merge([share, share, share]), levels)
        cv2.addWeighted(levels, 2, levels, 0, -1, levels)
        return np.asarray(np.clip(levels, -1, 1, out=levels), np.float32)

    def _add_lights(self, x: Floats, a: Floats, b: Floats) -> None:
        """Adds to b what `unit_edge.train.guided.GuidedHead` does for lights of the frame."""
        blue, green, red = cv2.split(x)
        sent = []
        # levels are half of values and a half more
        if self._red_light.any():
            redness = red - np.maximum(blue, RED_OVER_GREEN * green + (RED_OVER_GREEN - 1))
            sent.append((self._lit(redness, LEAST_RED), self._red_light))
        if self._green_light.any():
            greenness = np.minimum(green, GREEN_OVER_BLUE * blue + (GREEN_OVER_BLUE - 1))
            greenness -= GREEN_OVER_RED * red + (GREEN_OVER_RED - 1)
            greenness -= GREEN_LESS_SKY * np.maximum(blue - green, 0)
            sent.append((self._lit(greenness, LEAST_GREEN), self._green_light))
        where = np.flatnonzero(sum(lit for lit, _ in sent) > _UNLIT)  # few pixels
        x, a, pixels = x.reshape(-1, 3), a.reshape(-1, 3), b.reshape(-1, 3)
        levels = np.clip((a[where] * x[where] + pixels[where] + 1) / 2, DARK, 1)
        light = levels**GAMMA + sum(lit.reshape(-1, 1)[where] * colour for lit, colour in sent)
        pixels[where] += 2 * (np.minimum(light, 1) ** (1 / GAMMA) - levels)

    def _lit(self, coloured: Floats, least: float) -> Floats:
        """How far a pixel is a light, and its halo, of twice how coloured it is; overwrites that."""
        coloured *= np.float32(0.5)
        np.maximum(coloured, 0, out=coloured)
        lit = coloured - LIGHT_OVER_AROUND * self._mean(coloured)
        lit -= np.float32(least)
        lit *= np.float32(LIGHT_GAIN)
        np.clip(lit, 0, 1, out=lit)
        halo: cv2.typing.MatLike = lit
        for _ in range(2):
            halo = cv2.blur(halo, (3, 3), borderType=cv2.BORDER_REPLICATE)
        lit += halo
        return lit

    def _without_turned_hues(self, x: Floats, y: Floats) -> Floats:
        """y without the share, of 1 - `hue`, of what is across colours of the frame x."""
        across = cv2.transform(x, _ACROSS)
        length = np.asarray(cv2.transform(cv2.multiply(across, across), _SUM), np.float32)
        least, most = (np.float32(3 * bound) for bound in COLOURFUL)
        share = np.clip((length - least) * (self._turning / (most - least)), 0, self._turning)
        share /= np.maximum(length, least)
        share *= cv2.transform(cv2.multiply(across, y), _SUM)
        return np.asarray(cv2.subtract(y, cv2.multiply(across, cv2.merge([share, share, share]))), np.float32)

    def _without_stray_colour(self, own: Floats, y: Floats) -> Floats:
        """y with colours as far from those around as `stray_colour` and the frame's allow.

        Args:
            own: how far the frame is from the mean of the box around every pixel.
            y: what E and G gave.
        """
        stray = np.asarray(cv2.transform(y - self._mean(y), _COLOUR), np.float32)
        share = _largest(np.asarray(cv2.transform(own, _COLOUR), np.float32))
        share += self._stray
        share /= np.maximum(_largest(stray), DARK)
        np.minimum(share, 1, out=share)
        share -= np.float32(1)
        share *= np.float32(2)
        return np.asarray(cv2.add(y, cv2.multiply(stray, cv2.merge([share, share, share]))), np.float32)

    def _mean(self, x: Floats) -> Floats:
        """Over a box around every pixel; the border pixel stands for what lies outside."""
        box = (self._box, self._box)
        return np.asarray(cv2.boxFilter(x, cv2.CV_32F, box, borderType=cv2.BORDER_REPLICATE), np.float32)


def _largest(difference: Floats) -> Floats:
    """Of the three channels, float[h,w], without its sign."""
    first, second, third = cv2.split(np.abs(difference))
    return np.asarray(cv2.max(cv2.max(first, second), third), np.float32)


def _magenta(colour: Floats) -> Floats:
    """How far a pixel, BGR in [-1, 1], is less green than light is, float[h,w]; below 0 where it is not."""
    blue, green, red = cv2.split(colour)
    rose = ROSE * np.clip(red - blue, 0, 2 * ROSE_RED)
    return np.asarray(cv2.min(red, blue) + rose - green, np.float32)
