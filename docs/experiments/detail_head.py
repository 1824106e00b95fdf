"""What the guided head's settings change: prints the tables of detail-head.md.

DATA is the research data. Figures of finished directions are kept in OUT/figures.json, so that it can be
stopped and started again, or be given more settings; --sheets also writes crops to look at.

    python docs/experiments/detail_head.py DATA [-o runs/detail-head] [--sheets]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from unit_edge.config import Detail
from unit_edge.export.trained import load_run
from unit_edge.export.translator import Translator
from unit_edge.runtime.sources.video import FileSource
from unit_edge.train.data.sources import domain_images
from unit_edge.train.evaluation import bootstrap
from unit_edge.train.evaluation.evaluate import features_of, read_images
from unit_edge.train.evaluation.metrics import edges_kept, flicker
from unit_edge.train.features import Features
from unit_edge.train.guided import GuidedHead

Image = NDArray[np.uint8]

RUNS = {"day-night": ("night", "day"), "clear-snow": ("snow", "clear"), "clear-rain": ("rain", "clear")}
LARGE = "videos/udacity_vd_test_video.mp4"
"""1280x720, by day on a dry road: frames of the domains day and clear."""
CLIPS = {
    "day": "videos/tmo_seattlestreet2.mp4",
    "clear": "videos/tmo_countryroad.mp4",
    "night": "videos/tmo_night.mp4",
    "rain": "videos/tmo_rainy.mp4",
}
"""640x360. Of snow there is none."""
CLIP_FRAMES, LARGE_FRAMES = 48, 6
TIMED = ((640, 480), (1280, 720), (1920, 1080))
ROUNDS = 15
SIDE = 152


@dataclass(frozen=True)
class Setting:
    """A way from the network's output to the frame: an interpolation, or the guided head."""

    head: str | Detail
    side: int = SIDE

    @property
    def name(self) -> str:
        if isinstance(self.head, str):
            return f"{self.head}, network {self.side}"
        head = self.head
        return f"r {head.radius}, ε {head.epsilon:g}, residual {head.residual:g}, network {self.side}"

    @property
    def label(self) -> str:
        """What differs from the default."""
        side = "" if self.side == SIDE else f"network {self.side}"
        if isinstance(self.head, str):
            return f"{self.head} {side}".strip()
        given, usual = dataclasses.asdict(self.head), dataclasses.asdict(Detail())
        parts = [f"{name} {value:g}" for name, value in given.items() if value != usual[name]]
        return ", ".join(filter(None, (*parts, side))) or "default"


BASE = Setting(Detail(8, 1e-4, 0.5))
SETTINGS = {
    "enlargement": [Setting("bilinear"), Setting("bicubic"), BASE],
    "radius": [Setting(Detail(radius, 1e-4, 0.5)) for radius in (1, 2, 4, 8, 16)],
    "epsilon": [Setting(Detail(8, epsilon, 0.5)) for epsilon in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)],
    "residual": [Setting(Detail(8, 1e-4, residual)) for residual in (0.0, 0.25, 0.5, 0.75, 1.0)],
    "network's short side": [Setting(Detail(8, 1e-4, 0.5), side) for side in (96, 144, SIDE, 192, 288)],
    "enlargement of other sizes": [Setting("bilinear", side) for side in (96, 192, 288)],
    "combinations": [
        Setting(Detail(4, 1e-3, 0.5)),
        Setting(Detail(2, 1e-2, 0.5)),
        Setting(Detail(4, 1e-4, 0.25)),
        Setting(Detail(5, 1e-4, 0.5), 96),
        Setting(Detail(16, 1e-4, 0.5), 288),
        Setting(Detail(12, 1e-4, 0.5), 192),
        Setting(Detail(8, 1e-5, 0.25)),
    ],
}


class Enlarge(nn.Module):
    """In the head's place: the network's output, enlarged."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, frame: Tensor, small: Tensor, translated: Tensor) -> Tensor:
        size = (frame.shape[2], frame.shape[3])
        return (F.interpolate(translated, size, mode=self.mode, align_corners=False) + 1) * 127.5


def head_of(setting: Setting) -> nn.Module:
    return Enlarge(setting.head) if isinstance(setting.head, str) else GuidedHead(setting.head)


class Translated:
    """Images and what E and G make of them at one size, so that only the heads are run again."""

    @torch.inference_mode()
    def __init__(self, translator: Translator, images: list[Image]) -> None:
        assert translator.shrink is not None
        self.images = images
        smalls = [translator.shrink(_tensor(image)) for image in images]
        self.pairs = [(small, translator.translate(small)) for small in smalls]

    @torch.inference_mode()
    def through(self, head: nn.Module) -> Iterator[Image]:
        for image, (small, translated) in zip(self.images, self.pairs, strict=True):
            y = head(_tensor(image), small, translated)[0].round().clamp(0, 255)
            yield y.permute(1, 2, 0).to(torch.uint8).numpy()


def _tensor(image: Image) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


def sharpness(image: Image) -> float:
    """Variance of the Laplacian over that of the grey values: fine detail, whatever the contrast."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var() / grey.var())


def clip(path: Path, count: int, step: int = 1) -> list[Image]:
    with FileSource(path) as source:
        return [frame.image for frame in islice(source, 0, count * step, step)]


def measure(run: Path, to: str, data: Path, settings: list[Setting]) -> dict[str, dict[str, Any]]:
    """Figures by a setting's name, of one direction."""
    trained = load_run(run)
    index = trained.source_of(to)
    domains = trained.config.domain1, trained.config.domain2
    items = [domain_images(domain, data, trained.config.data)[1] for domain in domains]
    images, targets = read_images(items[index]), read_images(items[1 - index])
    source = domains[index].name
    frames = clip(data / CLIPS[source], CLIP_FRAMES) if source in CLIPS else []
    large = clip(data / LARGE, LARGE_FRAMES, step=6) if source in ("day", "clear") else []
    features = Features("efficientnet-lite0")
    own, real = features_of(images, features), features_of(targets, features)

    found: dict[str, dict[str, Any]] = {}
    kept: dict[str, NDArray[np.float64]] = {}
    for side in sorted({setting.side for setting in settings}):
        translator = Translator(trained.unit, index, (Detail(), side))
        shown, moving, big = (Translated(translator, part) for part in (images, frames, large))
        for setting in (s for s in settings if s.side == side):
            head = head_of(setting)
            outputs = list(shown.through(head))
            kept[setting.name] = features_of(outputs, features)
            _, _, ratio = bootstrap.kernel_distances(own, kept[setting.name], real, 0)
            figures: dict[str, Any] = {
                "kernel": (ratio.value, ratio.low, ratio.high),
                "edges": float(np.mean([edges_kept(a, b) for a, b in zip(images, outputs, strict=True)])),
            }
            if frames:
                moved = moving.through(head)
                changes = flicker(frames, lambda frame, moved=moved: next(moved))
                series = changes.output, changes.input, changes.output_contrast, changes.input_contrast
                *_, by_contrast = bootstrap.over_time(*series, 0)
                figures["flicker"] = (by_contrast.value, by_contrast.low, by_contrast.high)
            if large:
                pairs = list(zip(large, big.through(head), strict=True))
                figures["sharpness"] = float(np.mean([sharpness(b) / sharpness(a) for a, b in pairs]))
                figures["large_edges"] = float(np.mean([edges_kept(a, b) for a, b in pairs]))
            found[setting.name] = figures
            print(f"{source} to {to}: {setting.name}: {figures}", flush=True)
    for name, given in kept.items():  # paired with the default: what both owe to the images cancels
        _, _, ratio = bootstrap.kernel_distances(kept[BASE.name], given, real, 0)
        found[name]["over_default"] = (ratio.value, ratio.low, ratio.high)
    return found


def session_of(setting: Setting, size: tuple[int, int]) -> onnxruntime.InferenceSession:
    """The bundled day to night with a head, in ONNX Runtime on one thread."""
    trained = load_run(Path("models/day-night"))
    translator = Translator(trained.unit, trained.source_of("night"), (Detail(), setting.side))
    translator.head = head_of(setting)  # type: ignore[assignment]
    frame = torch.zeros(1, size[1], size[0], 3, dtype=torch.uint8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        torch.onnx.export(translator, (frame,), path, dynamo=True, external_data=False, verbose=False)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def times(settings: list[Setting], size: tuple[int, int]) -> dict[str, tuple[float, float, float, float]]:
    """ms, and ms over those of plain enlargement in the same round: median, 10th and 90th percentile."""
    sessions = [session_of(setting, size) for setting in settings]
    frame = np.random.default_rng(0).integers(0, 256, (1, size[1], size[0], 3), dtype=np.uint8)
    spent = np.empty((ROUNDS + 2, len(settings)))
    for row in spent:
        for column, session in enumerate(sessions):
            feed = {session.get_inputs()[0].name: frame}
            mark = time.perf_counter()
            session.run(None, feed)
            row[column] = 1e3 * (time.perf_counter() - mark)
    spent = spent[2:]
    ratios = spent / spent[:, :1]
    return {
        setting.name: (float(np.median(spent[:, i])), *map(float, np.percentile(ratios[:, i], (50, 10, 90))))
        for i, setting in enumerate(settings)
    }


def print_tables(figures: dict[str, Any], spent: dict[str, Any], settings: list[Setting]) -> None:
    sizes = [f"{width}x{height}" for width, height in TIMED]
    print("| setting | sharpness | edges, 1280x720 | edges, held-out | flicker | ms, ", end="")
    print(" | ms, ".join(sizes) + " |\n" + "|---" * (5 + len(sizes)) + "|")
    for setting in settings:
        own = [found[setting.name] for found in figures.values()]
        cells = [_mean(own, key) for key in ("sharpness", "large_edges", "edges", "flicker")]
        for size in sizes:
            entry = spent[size].get(setting.name)
            cells.append("{1:.2f} ({2:.2f} to {3:.2f})".format(*entry) if entry else "")
        print(f"| {setting.label} | " + " | ".join(cells) + " |")
    print("\nms of plain enlargement: ", end="")
    print(", ".join(f"{spent[size][Setting('bilinear').name][0]:.0f} at {size}" for size in sizes))
    print("\n| setting | " + " | ".join(figures) + " |\n" + "|---" * (1 + len(figures)) + "|")
    for setting in settings:
        cells = []
        for found in (each[setting.name] for each in figures.values()):
            low, high = found["over_default"][1:]
            sure = "" if low <= 1 <= high else " *"
            cells.append("{:.2f} ({:.2f} to {:.2f})".format(*found["kernel"]) + sure)
        print(f"| {setting.label} | " + " | ".join(cells) + " |")


def _mean(figures: list[dict[str, Any]], key: str) -> str:
    """Over the directions that have it."""
    return f"{np.mean([np.atleast_1d(found[key])[0] for found in figures if key in found]):.2f}"


def sheets(data: Path, out: Path) -> None:
    """A column a setting, a row a crop: 1:1, of a day frame to night and to snow."""
    shown = [Setting("bilinear"), *SETTINGS["radius"], *SETTINGS["epsilon"][1:], *SETTINGS["residual"]]
    shown += [*SETTINGS["network's short side"], *SETTINGS["combinations"]]
    shown = list(dict.fromkeys(shown))
    (frame,) = clip(data / LARGE, 1)
    for run, to in (("day-night", "night"), ("clear-snow", "snow")):
        trained = load_run(Path("models") / run)
        cells = [_crop(frame, "camera")]
        for setting in shown:
            translator = Translator(trained.unit, trained.source_of(to), (Detail(), setting.side))
            (output,) = Translated(translator, [frame]).through(head_of(setting))
            cells.append(_crop(output, setting.label))
        cells += [np.zeros_like(cells[0])] * (-len(cells) % 4)
        rows = [np.hstack(cells[i : i + 4]) for i in range(0, len(cells), 4)]
        cv2.imwrite(str(out / f"{to}.png"), np.vstack(rows))


def _crop(image: Image, text: str) -> Image:
    part = image[250:550, 500:980].copy()
    cv2.putText(part, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 255, 255), 1, cv2.LINE_AA)
    return part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/detail-head"))
    parser.add_argument("--sheets", action="store_true")
    options = parser.parse_args()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.sheets:
        sheets(options.data, options.out)
        return
    cache = options.out / "figures.json"
    kept: dict[str, Any] = json.loads(cache.read_text()) if cache.is_file() else {"figures": {}, "ms": {}}

    def keep() -> None:
        temporary = cache.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(kept, indent=1))
        temporary.replace(cache)

    settings = list(dict.fromkeys(setting for group in SETTINGS.values() for setting in group))
    for run, targets in RUNS.items():
        for to in targets:
            source = next(other for other in targets if other != to)
            key = f"{source} → {to}"
            known = kept["figures"].get(key, {})
            missing = [setting for setting in settings if setting.name not in known]
            if missing:
                wanted = list(dict.fromkeys([BASE, *missing]))
                known |= measure(Path("models") / run, to, options.data, wanted)
                kept["figures"][key] = known
                keep()
    timed = [Setting("bilinear"), Setting("bicubic"), *SETTINGS["radius"], Setting(Detail(8, 1e-4, 0.0))]
    timed += [s for s in SETTINGS["network's short side"] if s != BASE]
    timed += SETTINGS["enlargement of other sizes"]
    timed.append(Setting(Detail(16, 1e-4, 0.5), 288))
    for size in TIMED:
        if not {setting.name for setting in timed} <= set(kept["ms"].get("{}x{}".format(*size), {})):
            kept["ms"]["{}x{}".format(*size)] = times(timed, size)
            keep()
    print_tables(kept["figures"], kept["ms"], settings)


if __name__ == "__main__":
    main()
