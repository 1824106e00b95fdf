"""Presets as they are before any training, exported: what a network takes doesn't hang on its weights.

`python -m unit_edge.export.untrained paper released --size 640x480 -o runs/untrained`
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from unit_edge.config import PRESETS, DataConfig, DomainConfig, RunConfig, preset_network
from unit_edge.export.to_onnx import export_run
from unit_edge.runtime.sinks.images import write_image
from unit_edge.text.sizes import parse_size
from unit_edge.train.networks import UNIT
from unit_edge.train.run.checkpoint import save_config, save_weights

_CROP = (256, 256)
"""Of the training that never comes; frames of other sizes are exported by their own."""


def export_untrained(preset: str, size: tuple[int, int], folder: Path, precision: str = "fp32") -> Path:
    """Exports one direction of a preset, without the guided head, as FOLDER/PRESET.onnx and its manifest.

    The file is verified on one frame of noise. `size` is width and height of its frames in pixels.

    Raises:
        ConfigError, ModelError, VerifyError: see `export_run`.
    """
    config = RunConfig(
        DomainConfig(name="before", paths=("none",)),
        DomainConfig(name="after", paths=("none",)),
        preset=preset,
        network=preset_network(preset),
        data=DataConfig(short_side=(min(_CROP), min(_CROP)), crop=_CROP),
    )
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory(prefix="unit-edge-untrained-") as run:
        save_config(Path(run), config)
        save_weights(Path(run), UNIT(config.network), step=0)
        noise = Path(run) / "noise.png"
        write_image(noise, np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
        return export_run(
            Path(run),
            "after",
            output=folder / f"{preset}.onnx",
            detail="none",
            frame_size=size,
            precision=precision,
            frames=noise,
        ).model


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of `python -m unit_edge.export.untrained`."""
    parser = argparse.ArgumentParser(prog="python -m unit_edge.export.untrained", description=__doc__)
    parser.add_argument("presets", nargs="+", choices=list(PRESETS))
    parser.add_argument("--size", default="640x480", help="of the frames")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    options = parser.parse_args(arguments)
    for preset in options.presets:
        print(export_untrained(preset, parse_size(options.size) or (640, 480), options.output), flush=True)


if __name__ == "__main__":
    main()
