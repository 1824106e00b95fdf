"""Which layers' rounding to bf16 moves the pictures of a model, computed in fp32, so on any CPU.

python docs/experiments/bf16_layers.py RUN MODEL FOLDER COUNT

MODEL was exported from RUN; its head stays in fp32, as where a runtime cuts the graph. COUNT JPEGs of
FOLDER at 640x360. What a layer sees, its weights and what it gives are rounded; sums and biases are not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from unit_edge.config import Detail
from unit_edge.export.trained import load_run
from unit_edge.manifests.model import Manifest
from unit_edge.registry import resolve_model
from unit_edge.train.evaluation.translate_image import ImageTranslator
from unit_edge.train.guided import GuidedHead

SIZE = 640, 360


def rounded(x: Tensor) -> Tensor:
    """The nearest values that bf16 has."""
    return x.bfloat16().float()


@contextmanager
def in_bf16(layer: nn.Conv2d, *, activations: bool, weights: bool) -> Iterator[None]:
    """Has a layer see and give rounded activations, or use rounded weights, or both."""
    kept = layer.weight.data
    if weights:
        layer.weight.data = rounded(kept)
    hooks = []
    if activations:
        hooks.append(layer.register_forward_pre_hook(lambda _, given: (rounded(given[0]),)))
        hooks.append(layer.register_forward_hook(lambda _, __, made: rounded(made)))
    yield
    for hook in hooks:
        hook.remove()
    layer.weight.data = kept


def main() -> None:
    run, name, folder, count = sys.argv[1:]
    trained, manifest = load_run(Path(run)), Manifest.read(resolve_model(name).with_suffix(".json"))
    translate = ImageTranslator(
        trained.unit,
        trained.source_of(manifest.target),
        manifest.network_short_side,
        GuidedHead(Detail.of(manifest.detail_settings)),
    )
    paths = sorted(Path(folder).glob("*.jpg"))
    images = [cv2.imread(str(paths[k])) for k in np.linspace(0, len(paths) - 1, int(count)).astype(int)]
    frames = [cv2.resize(np.asarray(image), SIZE, interpolation=cv2.INTER_AREA) for image in images]
    layers = used_layers(trained.unit, lambda: translate(np.asarray(frames[0], np.uint8)))
    names = list(layers)

    def translations(rounding: dict[str, tuple[bool, bool]]) -> NDArray[np.float32]:
        with ExitStack() as stack:
            for layer, (activations, weights) in rounding.items():
                stack.enter_context(in_bf16(layers[layer], activations=activations, weights=weights))
            return np.stack([translate(np.asarray(frame, np.uint8)) for frame in frames]).astype(np.float32)

    expected = translations({})

    def row(title: str, rounding: dict[str, tuple[bool, bool]]) -> None:
        far = np.abs(translations(rounding) - expected)
        print(
            f"| {title} | {far.max():.0f} | {100 * (far > 1).mean():.3f} % | {far.mean():.3f} |", flush=True
        )

    def but(kept: Collection[str]) -> dict[str, tuple[bool, bool]]:
        return {layer: (True, True) for layer in names if layer not in kept}

    print("| rounded | levels at most | more than 1 | mean |\n|---|---|---|---|")
    row("all layers", but(()))
    row("their weights alone", dict.fromkeys(names, (False, True)))
    row("their activations alone", dict.fromkeys(names, (True, False)))
    for few in range(1, 5):
        row(f"all but the first {few}", but(names[:few]))
    row("all but the last", but(names[-1:]))


def used_layers(unit: nn.Module, call: Callable[[], object]) -> dict[str, nn.Conv2d]:
    """The convolutions that a call runs, in their order, by name."""
    found: dict[str, nn.Conv2d] = {}
    convolutions = {name: module for name, module in unit.named_modules() if isinstance(module, nn.Conv2d)}

    def note(name: str, layer: nn.Conv2d) -> None:
        found[name] = layer

    hooks = [
        layer.register_forward_pre_hook(lambda layer, _, name=name: note(name, layer))
        for name, layer in convolutions.items()
    ]
    call()
    for hook in hooks:
        hook.remove()
    return found


if __name__ == "__main__":
    main()
