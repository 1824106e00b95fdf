"""The models that viewers can choose from, as one runner that changes between two frames."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError
from unit_edge.manifests.model import Manifest
from unit_edge.runtime.backends.base import Runner
from unit_edge.runtime.backends.open import open_runner, read_model

_LOADED_AT_MOST = 2  # there and back


@dataclass(frozen=True)
class Choice:
    """A model that can be chosen.

    Attributes:
        name: by which it is.
        source: the domain that it translates from.
        target: the domain that it translates to.
    """

    name: str
    source: str
    target: str


def choices_of(models: Mapping[str, Path]) -> list[Choice]:
    """What is known of models that have not been loaded.

    Raises:
        ModelError: one is damaged or of something else than frames.
    """
    manifests = {name: read_model(path) for name, path in models.items()}
    return [Choice(name, manifest.source, manifest.target) for name, manifest in manifests.items()]


class Models:
    """A runner that is one of several, which are loaded when they are first chosen.

    The one before stays loaded, so that the way back takes no time. Its `start` is left out: a live frame
    isn't held up by the next one.
    """

    def __init__(
        self, models: Mapping[str, Path], first: str, backend: str = "auto", threads: int | None = None
    ) -> None:
        self._paths, self.name = dict(models), first
        self._backend, self._threads = backend, threads
        self._loading, self._using = threading.Lock(), threading.Lock()
        self._loaded: dict[str, tuple[Runner, ExitStack]] = {}
        self._current: Runner | None = None

    def __enter__(self) -> Models:
        with self._loading:
            self._current = self._load(self.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._loading, self._using:
            self._current = None
            while self._loaded:
                self._loaded.popitem()[1][1].__exit__(kind, error, trace)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the one in use; only inside `with`, as `backend`."""
        return self._open.manifest

    @property
    def backend(self) -> str:
        return self._open.backend

    @property
    def _open(self) -> Runner:
        assert self._current is not None, "only inside with"
        return self._current

    @property
    def backend_or_none(self) -> str | None:
        """`backend`, or None while nothing is loaded."""
        current = self._current
        return None if current is None else current.backend

    def infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with self._using:
            return self._open.infer(frames)

    def choose(self, name: str, changed: Callable[[bool], None]) -> None:
        """Loads a model, which may take seconds, and takes it from the next frame on; from any thread.

        `changed` is told whether the new one takes frames of the same size as the one before.

        Raises:
            ConfigError: there is none of that name.
            UnitEdgeError: it can't be loaded; the one before goes on.
        """
        if name not in self._paths:
            raise ConfigError(f"there is no model {name!r}; known: {', '.join(self._paths)}")
        with self._loading:
            if self._current is None:  # it will be loaded when the source is back
                read_model(self._paths[name])
                self.name = name
                return
            runner = self._load(name)
            with self._using:
                fits = runner.manifest.input.shape == self.manifest.input.shape
                self._current, self.name = runner, name
                for other in [*self._loaded][:-_LOADED_AT_MOST]:
                    self._loaded.pop(other)[1].close()
        changed(fits)

    def _load(self, name: str) -> Runner:
        """The runner, which is the last of those that are loaded then."""
        if name in self._loaded:
            self._loaded[name] = self._loaded.pop(name)
        else:
            stack = ExitStack()
            runner = stack.enter_context(open_runner(self._paths[name], self._backend, threads=self._threads))
            self._loaded[name] = runner, stack
        return self._loaded[name][0]
