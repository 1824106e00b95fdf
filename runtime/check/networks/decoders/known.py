"""All layouts that are known, and which of them a detector has."""

from __future__ import annotations

from unit_edge.errors import ConfigError, ModelError
from unit_edge.manifests.model import tensor_text
from unit_edge.runtime.check.networks.decoders import detr, fastestdet, nms, ssd, yolo
from unit_edge.runtime.check.networks.decoders.layout import Layout, Size, Tensors

LAYOUTS = (
    yolo.V5,
    yolo.V8,
    yolo.X,
    yolo.X_DECODED,
    nms.END2END,
    nms.YOLOV7,
    ssd.SSD,
    detr.DEFORMABLE,
    detr.DETR_SIGMOID,
    detr.DETR,
    detr.RTDETR,
    ssd.SSD_RAW,
    fastestdet.FASTESTDET,
)
"""In the order in which they are tried: those that look like nothing else first."""


def layout_of(
    detector: str, outputs: Tensors, size: Size, told: str | None, classes: int | None = None
) -> Layout:
    """The layout of a detector's outputs, recognised, or told by --decode.

    Args:
        detector: its file, for errors.
        outputs: for any picture.
        size: of its input.
        told: name of a layout; None to recognise it.
        classes: how many have names, if that is known: it tells DETR's two kinds apart.

    Raises:
        ConfigError: there is no such layout.
        ModelError: none fits, or the one that was told does not.
    """
    names = ", ".join(layout.name for layout in LAYOUTS)
    given = ", ".join(f"{name} {tensor_text(str(t.dtype), t.shape)}" for name, t in outputs.items())
    if told is not None:
        for layout in LAYOUTS:
            if layout.name == told:
                return _checked(detector, layout, outputs, size, given)
        raise ConfigError(f"--decode {told!r}; expected one of {names}")
    for layout in LAYOUTS:
        if layout.fits(outputs, size):
            if layout is detr.DETR and detr.DETR_SIGMOID.count(outputs) == classes:
                return detr.DETR_SIGMOID
            return layout
    raise ModelError(
        f"{detector}: outputs {given} for an input of {size[0]}x{size[1]} are of no known layout; say with "
        f"--decode which it is: {names} (docs/check.md has their tensors)"
    )


def _checked(detector: str, layout: Layout, outputs: Tensors, size: Size, given: str) -> Layout:
    try:
        layout.decode(outputs, size, 0.5)
    except (IndexError, ValueError, AssertionError):
        raise ModelError(
            f"{detector}: its outputs, {given}, can't be decoded as {layout.name}, which is "
            f"{layout.tensors}; leave --decode out to have the layout recognised"
        ) from None
    return layout
