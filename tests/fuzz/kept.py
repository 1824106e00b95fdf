"""What is mutated: small good files of every kind, made anew for each run of the fuzzer."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from onnx import TensorProto, helper

from unit_edge.manifests.engine import EngineManifest, platform_text, write_pair
from unit_edge.manifests.model import Manifest, TensorSpec, sha256_of
from unit_edge.runtime.pipeline import Stats

ROOT = Path(__file__).resolve().parents[2]
VIDEOS = {
    "clip.mp4": "libx264", "clip.mkv": "libx264", "clip.webm": "libvpx", "clip.ts": "libx264",
    "clip.avi": "mpeg4", "clip.flv": "libx264",
}  # fmt: skip
PICTURES = ("a.png", "a.jpg", "a.bmp", "a.tif", "a.webp")
TOMLS = tuple(sorted((ROOT / "train" / "configs").glob("*.toml")))
BUNDLED = tuple(sorted((ROOT / "unit_edge" / "models").glob("*.onnx")))
TOML = ROOT / "train" / "configs" / "day-night.toml"


def make(folder: Path) -> None:
    """Fills a folder with good files."""
    rng = np.random.default_rng(0)
    for name, codec in VIDEOS.items():
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"  # type: ignore[union-attr]
            for index in range(8):
                image = rng.integers(0, 255, (48, 64, 3)).astype(np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))  # type: ignore[union-attr]
            container.mux(stream.encode(None))  # type: ignore[union-attr]
    image = cv2.resize(rng.integers(0, 255, (6, 8, 3)).astype(np.uint8), (40, 30))
    for name in PICTURES:
        assert cv2.imwrite(str(folder / name), image)
    model(folder / "model.onnx")
    engine(folder / "e.engine", Manifest.read(folder / "model.json"))
    report = sorted((ROOT / "docs" / "benchmarks").rglob("*.json"))[0]
    (folder / "bench.json").write_bytes(report.read_bytes())
    run(folder / "run")
    (folder / "bundle.json").write_text(json.dumps(BUNDLE))
    half_made(folder)
    digits = rng.integers(0, 255, (20, 8, 8)).astype(np.uint8)
    np.savez_compressed(folder / "digits.npz", x=digits, y=np.arange(20) % 10)


BUNDLE = {
    "kind": "bundle", "schema": 1, "title": "day to night", "board": "raspberry-pi-5",
    "backend": "onnxruntime", "source": "day", "target": "night",
    "made_from": {"run": "run", "step": 10, "weights_sha256": "be" * 32},
    "versions": {"unit_edge": "0.1.0", "onnx": "1.23.2"},
    "models": [{
        "file": "model.onnx", "precision": "fp32", "sha256": "8a" * 32, "frame_size": None,
        "predicted_at": [640, 480], "predicted": {"fps": 12.5, "bound": "memory"}, "verified": {},
    }],
    "systems": [{"name": "Raspberry Pi OS 13", "python": "3.13"}], "offline": True,
    "wheels": ["numpy-2.3.5-cp313-cp313-manylinux_2_28_aarch64.whl"],
}  # fmt: skip


ENTRY: dict[str, object] = {
    "source": "images/a.png",
    "file": "images/a.png",
    "target": "night",
    "model": "model",
    "sha256": "be" * 32,
    "seed": 0,
    "kept": None,
    "passed": True,
    "least": None,
}
MADE: dict[str, object] = {
    "format": 1,
    "making": {
        "model": "be" * 32, "codec": "", "crf": "18", "preset": "auto", "audio": True, "steady": False
    },
}  # fmt: skip
LABELS: dict[str, object] = {
    "coco.json": {
        "images": [{"id": 10, "file_name": "a.png", "width": 40, "height": 30}],
        "annotations": [{"id": 5, "image_id": 10, "category_id": 1, "bbox": [8, 8, 30, 20], "iscrowd": 0}],
        "categories": [{"id": 1, "name": "car"}],
    },
    "bdd.json": [
        {"name": "a.png", "labels": [{"category": "car", "box2d": {"x1": 8, "y1": 8, "x2": 40, "y2": 30}}]}
    ],
    "names.json": {"0": "person", "1": "car"},
    "data.yaml": "path: .\ntrain: images\nval: images\nnames:\n  0: person\n  1: car\n",
    "names.yaml": "names: [person, car]\n",
    "names.txt": "person\ncar\n",
    "clip.json": [
        {"name": "x", "videoName": "clip", "frameIndex": k, "labels": [{"category": "car", "box2d": None}]}
        for k in range(2)
    ],
    "gt.txt": "1,1,8,8,30,20,1,3,1\n2,1,8,8,30,20,1,3,1\n",
    "0000.txt": "0 1 Car 0 0 0 8 8 38 28 1 1 1 1 1 1 1\n",
}  # fmt: skip


def model(path: Path) -> None:
    """255 minus the frame, with some weights."""
    white = helper.make_tensor("white", TensorProto.FLOAT, [], [255])
    zeros = helper.make_tensor("zeros", TensorProto.FLOAT, [3], [0, 0, 0])
    nodes = [
        helper.make_node("Cast", ["frame"], ["a"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["white", "a"], ["b"]),
        helper.make_node("Add", ["b", "zeros"], ["c"]),
        helper.make_node("Cast", ["c"], ["translated"], to=TensorProto.UINT8),
    ]
    dims = ["n", "h", "w", 3]
    ends = [[helper.make_tensor_value_info(n, TensorProto.UINT8, dims)] for n in ("frame", "translated")]
    graph = helper.make_graph(nodes, "g", *ends, [white, zeros])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(proto.SerializeToString())
    spec = (None, None, None, 3)
    Manifest(
        name="model",
        source="day",
        target="night",
        preset="edge-s",
        precision="fp32",
        input=TensorSpec("frame", "uint8", spec),
        output=TensorSpec("translated", "uint8", spec),
        network_short_side=48,
        network_size=None,
        detail="none",
        sha256=sha256_of(path),
        made_from={"run": "a", "step": 1},
        versions={"torch": "2"},
    ).write(path.with_suffix(".json"))


def engine(path: Path, manifest: Manifest) -> None:
    """No engine that TensorRT could load, with a manifest that fits it."""
    content = b"an engine"
    about = EngineManifest(
        backend="rtx",
        tensorrt="1.7",
        gpu=None,
        compute_capability=None,
        platform=platform_text(),
        precision="fp32",
        flags=(),
        profile=((32, 24), (64, 48), (128, 96)),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        onnx="model.onnx",
        onnx_sha256=manifest.sha256,
        model=dataclasses.asdict(manifest),
        command="unit-edge build model.onnx",
    )
    write_pair(path, content, about)


def run(folder: Path) -> None:
    """A training run with one checkpoint, of two numbers."""
    import torch

    from unit_edge.settings import load_config
    from unit_edge.train.run.checkpoint import save_checkpoint, save_config

    save_config(folder, load_config(TOML))
    save_checkpoint(folder, 3, {"unit.encoders.0.w": torch.zeros(2)}, {"skipped": 0, "best": [0.5, 3]}, 2)
    lines = [json.dumps({"step": step, "loss": 1.0}) for step in range(1, 5)]
    (folder / "log.jsonl").write_text("".join(f"{line}\n" for line in lines))


class _BrokenOff(Exception):
    pass


def half_made(folder: Path) -> None:
    """A clip of 12 s, the parts of its translation that broke off after 9 s, and one of them by itself."""
    from unit_edge.runtime.translate import translate

    with av.open(str(folder / "slow.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"  # type: ignore[union-attr]
        for index in range(60):
            image = np.full((48, 64, 3), 4 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 5)
            container.mux(stream.encode(frame))  # type: ignore[union-attr]
        container.mux(stream.encode(None))  # type: ignore[union-attr]

    def broken_off(stats: Stats) -> None:
        if stats.frames == 45:
            raise _BrokenOff

    output = folder / "out.mp4"
    with contextlib.suppress(_BrokenOff):
        translate(folder / "slow.mp4", output, folder / "model.onnx", progress=broken_off)
    part = folder / ".out.mp4.parts" / "1.mp4"
    (folder / "fragments.mp4").write_bytes(part.read_bytes())
