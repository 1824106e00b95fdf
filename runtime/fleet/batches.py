"""For those who have a Ray Dataset already: pictures, or paths of videos, translated batch by batch."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import BackendError, ConfigError, UnitEdgeError
from unit_edge.runtime.backends.open import check_model, open_runner
from unit_edge.runtime.batch import in_batches, infer_images
from unit_edge.runtime.fleet.items import Item, Work
from unit_edge.runtime.fleet.storage.destination import Destination
from unit_edge.runtime.fleet.storage.names import check_name, is_wanted, output_name
from unit_edge.runtime.fleet.storage.sources import last_part
from unit_edge.runtime.library import find_translator
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.text.redaction import redact_address

Batch = dict[str, NDArray[Any]]
"""The columns of some rows, as `map_batches` has them with `batch_format="numpy"`."""

Image = NDArray[np.uint8]


class UnitEdge:
    """Translates pictures: `dataset.map_batches(UnitEdge, fn_constructor_args=["night"], ...)`.

    Each actor opens the model once. A batch's column of pictures, uint8[N,H,W,3] RGB as `read_images` gives
    it, or an object array of uint8[H,W,3] of several sizes, is replaced by their translations, of the same
    kind; other columns stay.
    """

    def __init__(
        self, model_or_to: str | Path, *, column: str = "image", backend: str = "auto", threads: int = 1
    ) -> None:
        """Opens the model.

        Args:
            model_or_to: as of `translate_video`; a file must be there on every node.
            column: that has the pictures.
            backend: what runs the model.
            threads: of the inference on a CPU.

        Raises:
            UnitEdgeError: there is no such model, or it can't be opened.
        """
        self._column = column
        stack = ExitStack()
        runner = open_runner(find_translator(model_or_to), backend, threads=threads)
        self._runner = stack.enter_context(runner)
        weakref.finalize(self, stack.close)

    def __call__(self, batch: Batch) -> Batch:
        """A batch with its pictures translated.

        Raises:
            ConfigError: there is no such column, or it has something else.
            ModelError: the model doesn't take pictures of that size.
        """
        pictures = _column(batch, self._column)
        for picture in pictures:
            if not (
                isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.shape[2:] == (3,)
            ):
                about = (
                    f"{picture.dtype}{list(picture.shape)}"
                    if isinstance(picture, np.ndarray)
                    else type(picture).__name__
                )
                raise ConfigError(
                    f"column {self._column!r}: has {about}, expected pictures uint8[H,W,3], RGB; "
                    'read_images(..., mode="RGB") gives them'
                )
        made = list(self._translated(pictures))
        if pictures.dtype == object:
            column = np.empty(len(made), object)
            column[:] = made
        else:
            column = np.stack(made) if made else pictures
        return {**batch, self._column: column}

    def _translated(self, pictures: Sequence[Image] | NDArray[Any]) -> Iterator[Image]:
        upside = [np.ascontiguousarray(picture[..., ::-1]) for picture in pictures]  # BGR
        for group in in_batches(upside, self._runner.manifest.batch, lambda image: image):
            for image in infer_images(self._runner, group):
                yield np.ascontiguousarray(image[..., ::-1])


class UnitEdgeVideos:
    """Translates videos by their paths or URLs: `dataset.map_batches(UnitEdgeVideos, ...)`.

    Each row becomes a file in a folder or store, whole or not at all, and gets the columns `output` (its
    name there), `frames` and `error` ("" if the video is there). A file that is there already stays, so that
    Ray may do a batch again: its row has 0 frames.
    """

    def __init__(
        self,
        model_or_to: str | Path,
        destination: str | Path,
        *,
        column: str = "path",
        names: str | None = None,
        backend: str = "auto",
        threads: int = 1,
        encoding: Encoding | None = None,
        steady: bool = False,
    ) -> None:
        """Opens the model.

        Args:
            model_or_to: as of `translate_video`; a file must be there on every node.
            destination: a folder that all nodes see, or a prefix of a store.
            column: that has the paths or URLs.
            names: the column of the videos' names below the destination; None for the last parts of their
                paths.
            backend: what runs the model.
            threads: of the inference on a CPU.
            encoding: of the videos.
            steady: take flicker out.

        Raises:
            UnitEdgeError: there is no such model, it can't be opened, or nothing can be written there.
        """
        # a worker has what an actor of Ray needs, and that alone
        from unit_edge.runtime.fleet.worker import Worker

        self._column, self._names = column, names
        model = check_model(find_translator(model_or_to))
        self._destination = Destination(str(destination))
        self._destination.prepare()
        self._worker = Worker(
            Work(
                model=str(model.path.resolve()),
                suffix=model.path.suffix,
                backend=backend,
                threads=threads,
                encoding=encoding or Encoding(),
                steady=steady,
                destination=str(destination),
            )
        )
        about = self._worker.open()
        if about["error"]:
            raise BackendError(about["error"])
        weakref.finalize(self, self._worker.close)

    def __call__(self, batch: Batch) -> Batch:
        """A batch with what became of its videos.

        Raises:
            ConfigError: there is no such column.
        """
        addresses = [str(address) for address in _column(batch, self._column)]
        names = (
            [last_part(address) for address in addresses]
            if self._names is None
            else [str(name) for name in _column(batch, self._names)]
        )
        rows = [self._one(address, name) for address, name in zip(addresses, names, strict=True)]
        outputs, frames, errors = zip(*rows, strict=True) if rows else ((), (), ())
        return {
            **batch,
            "output": np.array(outputs, object),
            "frames": np.array(frames, np.int64),
            "error": np.array(errors, object),
        }

    def _one(self, address: str, name: str) -> tuple[str, int, str]:
        try:
            check_name(name)
            if not is_wanted(name):
                raise ConfigError(f"{redact_address(address)}: is no video and no picture by its name")
            output = output_name(name)
            if self._destination.has(output):
                return output, 0, ""
        except UnitEdgeError as error:
            return name, 0, str(error)
        [outcome] = self._worker.translate([Item(name, address, output)])
        return output, outcome.frames, outcome.error


def _column(batch: Batch, name: str) -> NDArray[Any]:
    if name not in batch:
        raise ConfigError(f"no column {name!r} in the dataset; it has {', '.join(map(repr, sorted(batch)))}")
    return batch[name]
