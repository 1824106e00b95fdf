"""Classes of street pictures, by a segmentation network that the user has; kept on disk, once a picture."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError, DataError, ModelError
from unit_edge.files.onnx_file import check_onnx
from unit_edge.files.writing import cache_home, replacing
from unit_edge.manifests.model import sha256_of
from unit_edge.text.printable import one_line
from unit_edge.train.guides.scene import SceneClass

CITYSCAPES: dict[SceneClass, tuple[int, ...]] = {
    SceneClass.ROAD: (0,),
    SceneClass.SIDEWALK: (1,),
    SceneClass.BUILDING: (2, 3, 4),
    SceneClass.POLE: (5,),
    SceneClass.TRAFFIC_LIGHT: (6,),
    SceneClass.TRAFFIC_SIGN: (7,),
    SceneClass.VEGETATION: (8,),
    SceneClass.TERRAIN: (9,),
    SceneClass.SKY: (10,),
    SceneClass.PERSON: (11, 12, 17, 18),
    SceneClass.VEHICLE: (13, 14, 15, 16),
}
"""Cityscapes' train ids that make up each part."""

SIZE = (256, 128)
"""Width and height that probabilities are kept at."""

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_VERSION = 1


class Segmenter:
    """Gives the classes of pictures, from the disk's cache where they were worked out before.

    The network is an ONNX file with one input float[1,3,H,W], RGB normalised with ImageNet's mean and
    deviation, and logits float[1,C,h,w] of Cityscapes' 19 train ids, more classes being ignored.
    """

    def __init__(self, network: Path) -> None:
        """Remembers the network; it is opened when a picture comes that is not in the cache.

        Raises:
            ConfigError: there is no such file.
        """
        if not network.is_file():
            raise ConfigError(
                f"guide.segmenter = {str(network)!r}: no such file; expected an ONNX network of Cityscapes' "
                "classes (docs/experiments/guides.md says which)"
            )
        self.network = network
        self.folder = cache_home() / "classes" / sha256_of(network)[:16]
        self._session: Any = None

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Probabilities of a picture's parts.

        Args:
            image: uint8[H,W,3], BGR.

        Returns:
            uint8[128,256,11], times 255, in the order of `SceneClass`.

        Raises:
            ConfigError: the network can't be run or gives something else.
        """
        digest = hashlib.sha256(repr((_VERSION, image.shape)).encode())
        digest.update(image.tobytes())
        path = self.folder / f"{digest.hexdigest()[:32]}.npz"
        kept = _load(path)
        if kept is None:
            kept = self._infer(image)
            _store(path, kept)
        return kept

    def _infer(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        session = self._open()
        (given,) = session.get_inputs()
        height, width = (
            side if isinstance(side, int) else fallback
            for side, fallback in zip(given.shape[2:], (256, 512), strict=True)
        )
        resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        x = (resized[:, :, ::-1].astype(np.float32) / 255 - _MEAN) / _DEVIATION
        logits = np.asarray(session.run(None, {given.name: x.transpose(2, 0, 1)[None]})[0], np.float32)
        if logits.ndim != 4 or logits.shape[1] < 19:
            raise ConfigError(
                f"guide.segmenter = {str(self.network)!r}: its output is {logits.shape}, "
                "expected logits of 19 classes or more, [1,C,h,w]"
            )
        likely = np.exp(logits[0] - logits[0].max(0))
        likely /= likely.sum(0)
        parts = np.stack([likely[list(CITYSCAPES[part])].sum(0) for part in SceneClass], -1)
        return (cv2.resize(parts, SIZE, interpolation=cv2.INTER_AREA) * 255 + 0.5).astype(np.uint8)

    def _open(self) -> Any:
        if self._session is None:
            try:
                import onnxruntime
            except ModuleNotFoundError:
                raise ConfigError('guides need onnxruntime: pip install "unit-edge[train,cpu]"') from None
            try:
                check_onnx(self.network, any_operator=True)
            except ModelError as error:
                raise ConfigError(f"guide.segmenter: {error}") from None
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.log_severity_level = 3
            try:
                self._session = onnxruntime.InferenceSession(
                    self.network, options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # its exceptions share no base but this
                why = one_line(error, 200)
                raise ConfigError(f"guide.segmenter = {str(self.network)!r}: {why}") from None
        return self._session


def _load(path: Path) -> NDArray[np.uint8] | None:
    """What is kept of a picture; None if it isn't there, or is damaged and has to be made anew."""
    try:
        with np.load(path, allow_pickle=False) as file:
            classes = file["classes"]
    except Exception:  # numpy and zipfile raise whatever they stumble over
        return None
    whole = classes.dtype == np.uint8 and classes.shape == (SIZE[1], SIZE[0], len(SceneClass))
    return classes if whole else None


def _store(path: Path, classes: NDArray[np.uint8]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, classes=classes)
    except OSError as error:
        raise DataError(
            f"{path.parent}: classes can't be kept there ({error.strerror}); set XDG_CACHE_HOME to a folder "
            "with room that can be written"
        ) from None
