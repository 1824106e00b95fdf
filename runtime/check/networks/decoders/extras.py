"""What networks of several tasks give beside boxes, masks' coefficients and key points, is cut off."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping

from unit_edge.errors import ModelError
from unit_edge.runtime.check.networks.decoders.layout import Tensors

_NO_BOXES = {
    "obb": "rotated boxes",
    "classify": "a class for the whole picture",
    "semantic": "a class for each pixel: give it as --segmenter",
    "depth": "distances",
}
"""What ultralytics' other tasks give."""


def boxes_alone(detector: str, outputs: Tensors, metadata: Mapping[str, str]) -> Tensors:
    """The outputs, of which each box keeps only its place and its classes.

    Instance segmentation of YOLOv5, v8 and 11 has prototypes of masks [1,M,h,w] as another output and M
    coefficients after a box's classes; pose has key points there.

    Raises:
        ModelError: the file says that it is of a task without upright boxes.
    """
    task = metadata.get("task", "")
    if task in _NO_BOXES:
        raise ModelError(
            f"{detector}: is made for {task}, which gives {_NO_BOXES[task]}; expected a detector"
        )
    name, rows = next(iter(outputs.items()))
    others = [tensor for tensor in outputs.values() if tensor is not rows]
    more = _key_points(metadata) if task == "pose" else 0
    if len(others) == 1 and others[0].ndim == 4:
        more = others[0].shape[1]
    if not more or rows.ndim != 3:
        return outputs
    # a box is a column in YOLOv8's layout and a row in others, and there are more boxes than values of one
    return {name: rows[:, :-more] if rows.shape[1] < rows.shape[2] else rows[:, :, :-more]}


def _key_points(metadata: Mapping[str, str]) -> int:
    """How many values a box's key points have: metadata "kpt_shape", "[17, 3]"."""
    try:
        return math.prod(ast.literal_eval(metadata["kpt_shape"]))
    except (KeyError, ValueError, SyntaxError, TypeError):
        return 0
