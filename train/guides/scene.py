"""What a guide knows of a street picture: soft masks of its parts, the horizon, how far things are."""

from __future__ import annotations

from enum import IntEnum
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.train.guides.light import Array, refined, to_linear


class SceneClass(IntEnum):
    """Channels of class probabilities: the groups of Cityscapes' classes that guides tell apart."""

    ROAD = 0
    SIDEWALK = 1
    BUILDING = 2
    POLE = 3
    TRAFFIC_LIGHT = 4
    TRAFFIC_SIGN = 5
    VEGETATION = 6
    TERRAIN = 7
    SKY = 8
    PERSON = 9
    VEHICLE = 10


FARTHEST = 40.0
"""`Scene.distance` of the sky, and of all that is farther than the road can tell."""


TALLEST = 10.0
"""Heights of the camera above the road that trees and the like are tall at most; buildings twice that."""

WIDEST = 10.0
"""`Scene.distance`, at most, of what stands half the picture's width beside where the road vanishes."""


class Scene:
    """A street picture and what is where in it; each part is worked out when it is first asked for.

    Attributes:
        image: uint8[H,W,3], BGR.
        classes: probabilities, float[H,W,11] in [0, 1]; what they lack to 1 is none of the parts.
    """

    def __init__(self, image: NDArray[np.uint8], classes: NDArray[np.uint8]) -> None:
        """Takes the picture and its classes.

        Args:
            image: uint8[H,W,3], BGR.
            classes: uint8[h,w,11], probabilities times 255 in the order of `SceneClass`; of any size.
        """
        size = image.shape[1], image.shape[0]
        self.image = image
        enlarged = cv2.resize(classes, size, interpolation=cv2.INTER_LINEAR)
        planes = np.stack(cv2.split(enlarged))  # a part's probabilities lie together, which is what is quick
        self.classes = np.asarray(planes / np.float32(255), np.float32).transpose(1, 2, 0)
        self.height, self.width = image.shape[:2]
        self._found: dict[SceneClass, tuple[NDArray[np.int32], NDArray[np.int32]]] = {}

    @cached_property
    def light(self) -> Array:
        """The picture in linear light, float[H,W,3], BGR."""
        return to_linear(self.image)

    @cached_property
    def grey(self) -> Array:
        """float[H,W] in [0, 1], not linear: what edges are looked for in."""
        return np.asarray(cv2.cvtColor(self.image, cv2.COLOR_BGR2GRAY) / np.float32(255), np.float32)

    @cached_property
    def planes(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
        """Blue, green and red of the picture, uint8[H,W] each."""
        blue, green, red = (np.asarray(plane, np.uint8) for plane in cv2.split(self.image))
        return blue, green, red

    def likely(self, *parts: SceneClass) -> Array:
        """Probability that a pixel is one of the parts, float[H,W]."""
        first, *others = (self.classes[..., part] for part in parts)
        return np.asarray(sum(others, first), np.float32)

    def mask(self, *parts: SceneClass) -> Array:
        """Where one of the parts is, float[H,W] in [0, 1], its border along the picture's edges."""
        return refined(np.minimum(self.likely(*parts), 1), self.grey, max(2, self.height // 40))

    @cached_property
    def sky(self) -> Array:
        """Where sky is. Nothing below the horizon counts, nor a patch that doesn't reach the upper half."""
        raw = np.minimum(self.likely(SceneClass.SKY) + self._mistaken_sky, 1)
        raw[int(self.height * min(0.95, self.horizon + 0.08)) :] = 0
        return refined(raw, self.grey, max(2, self.height // 36), 4e-4) * ~self.ground

    @cached_property
    def _mistaken_sky(self) -> Array:
        """Probability of other parts that is the sky's, float[H,W]: clouds taken for a road, say.

        It hangs together with the picture's top and has a sky's colour; a road can't be there at all, a
        building or a vehicle isn't as blue.
        """
        blue, red = self.planes[0] / np.float32(255), self.planes[2] / np.float32(255)
        rows = (np.arange(self.height)[:, None] + 0.5) / self.height
        least = np.where(rows < 0.4, 105, np.where(rows < 0.65, 150, 255))  # a road may join the sky
        bluer = blue - red
        light = cv2.min(cv2.min(*self.planes[:2]), self.planes[2]) > least.astype(np.uint8)
        light |= (blue > 0.35) & (bluer > 0.1)
        azure = (blue > 0.42) & (bluer > 0.2)
        odd = light * self.likely(
            SceneClass.ROAD, SceneClass.SIDEWALK, SceneClass.TERRAIN, SceneClass.TRAFFIC_SIGN
        )
        odd += self.likely(SceneClass.BUILDING, SceneClass.VEHICLE) * azure
        open_sky = (odd + self.likely(SceneClass.SKY) > 0.45).astype(np.uint8)
        whole = cv2.morphologyEx(open_sky, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        return np.asarray(odd * np.minimum.accumulate(whole, 0), np.float32)

    @cached_property
    def own_car(self) -> Array:
        """The camera's own bonnet or dashboard: a wide vehicle that leaves the picture at its bottom.

        Parked cars often grow together with it: what rises above its usual top isn't part of it. All that
        is below its top is, if it fills the picture's bottom.
        """
        mask = np.zeros((self.height, self.width), np.float32)
        for box, where in self._pieces(SceneClass.VEHICLE):
            _, top, width, height = box
            if top + height < self.height - 2 or (width <= 0.45 * self.width and top <= 0.75 * self.height):
                continue
            rising = where[::-1].argmin(0)
            rising = rising[where[-1] & ~where.all(0)]
            usual = float(np.median(rising)) if len(rising) else height
            mask[where] = 1
            mask[: max(0, int(self.height - usual - 0.06 * self.height))] = 0
        return np.maximum.accumulate(mask, 0) if mask[-1].mean() > 0.6 else mask

    @cached_property
    def vehicles(self) -> list[tuple[int, int, int, int]]:
        """Boxes (left, top, width, height) of the other vehicles, the nearest last."""
        own = self.own_car
        boxes = [
            box
            for box, where in self._pieces(SceneClass.VEHICLE)
            if own[where].mean() < 0.5 and box[2] * box[3] > 4e-4 * self.height * self.width
        ]
        return sorted(boxes, key=lambda box: box[1] + box[3])

    def pieces(self, part: SceneClass) -> list[tuple[int, int, int, int]]:
        """Boxes (left, top, width, height) of the connected pieces of a part."""
        _, boxes = self._labelled(part)
        return [(int(left), int(top), int(width), int(height)) for left, top, width, height in boxes]

    def _pieces(self, part: SceneClass) -> list[tuple[tuple[int, int, int, int], NDArray[np.bool_]]]:
        labels, _ = self._labelled(part)
        return [(box, labels == i) for i, box in enumerate(self.pieces(part), 1)]

    def _labelled(self, part: SceneClass) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Which piece of a part each pixel is of, from 1 on, int32[H,W]; and their boxes, int32[N,4]."""
        if part not in self._found:
            binary = (self.likely(part) > 0.4).astype(np.uint8)
            _, labels, stats, _ = cv2.connectedComponentsWithStats(binary)
            self._found[part] = np.asarray(labels, np.int32), np.asarray(stats[1:, :4], np.int32)
        return self._found[part]

    @cached_property
    def horizon(self) -> float:
        """Row of the horizon as a share of the height: where the road begins, within the middle third.

        The middle of pictures without a road.
        """
        third = self.width // 3
        road = self.classes[:, third : self.width - third, SceneClass.ROAD] > 0.5
        road &= self._mistaken_sky[:, third : self.width - third] < 0.3
        tops = np.where(road.any(0), road.argmax(0), self.height)
        tops = tops[tops < self.height]
        if len(tops) < third // 8:
            return 0.5
        return float(np.clip(np.quantile(tops, 0.08) / self.height - 0.01, 0.3, 0.7))

    @cached_property
    def below(self) -> Array:
        """How far below the horizon each row is, float[H,1]: 0 on it and above, 1 at the bottom."""
        rows = (np.arange(self.height, dtype=np.float32) + 0.5) / self.height
        return np.asarray(np.clip((rows - self.horizon) / (1 - self.horizon), 0, 1)[:, None], np.float32)

    @cached_property
    def across(self) -> Array:
        """Column of each pixel, float[1,W]: -1 at the left, 1 at the right."""
        return np.linspace(-1, 1, self.width, dtype=np.float32)[None]

    @cached_property
    def vanishing(self) -> float:
        """Where the road goes: column of its far end, -1 at the left, 1 at the right; 0 without a road."""
        far = np.exp(-(((self.below - 0.08) / 0.06) ** 2)) * (self.below > 0)
        road = self.classes[..., SceneClass.ROAD] * far
        total = float(road.sum())
        return float((road * self.across).sum() / total) if total > 1 else 0.0

    @cached_property
    def ground(self) -> NDArray[np.bool_]:
        """Where the ground is: road, sidewalk or terrain, bool[H,W]; a flat one isn't above the horizon."""
        likely = self.likely(SceneClass.ROAD, SceneClass.SIDEWALK, SceneClass.TERRAIN)
        return np.asarray((likely > 0.5) & (self.below > 0) & (self._mistaken_sky < 0.3))

    @cached_property
    def foot(self) -> Array:
        """`below` of the ground that each pixel belongs to, or that it stands on, float[H,W] in [0, 1]."""
        rows = np.arange(self.height, dtype=np.int16)[:, None]
        own = np.where(self.ground, rows, np.int16(self.height - 1))
        foot = np.minimum.accumulate(own[::-1], 0)[::-1]  # the nearest row of ground, there or below
        return np.asarray(self.below[:, 0].take(foot), np.float32)

    @cached_property
    def distance(self) -> Array:
        """Distance of each pixel, float[H,W], in units of that of the road at the picture's bottom.

        On a flat road it is the inverse of `below`. What stands on the ground is as far as the ground
        that it stands on, and near enough to be no taller than TALLEST and within WIDEST; the sky is
        FARTHEST.
        """
        own = np.broadcast_to(self.below, (self.height, self.width))
        # gaps between what stands side by side are mostly the segmentation's
        size = max(3, self.width // 16) | 1
        near = cv2.morphologyEx(self.foot, cv2.MORPH_CLOSE, np.ones((1, size), np.uint8))
        rows = (np.arange(self.height, dtype=np.float32)[:, None] + 0.5) / self.height
        tallest = TALLEST + TALLEST * self.classes[..., SceneClass.BUILDING]
        least = np.maximum(self.horizon - rows, 0) / (tallest * (1 - self.horizon))
        least = np.maximum(least, np.abs(self.across - self.vanishing) / WIDEST)
        standing = cv2.blur(np.maximum(near, least), (max(3, self.width // 20) | 1, 3))
        far = 1 / np.maximum(np.where(self.ground, own, np.maximum(standing, own)), 1 / FARTHEST)
        sky = self.sky
        return np.asarray(far * (1 - sky) + FARTHEST * sky, np.float32)
