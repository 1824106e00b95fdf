"""The kinds of inputs: each makes one of them in a folder, and says with which commands it is tried."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import elements
import kept
import mutators
import structured
import texts

from unit_edge.manifests.model import sha256_of
from unit_edge.runtime.fleet.items import OWN

Orders = list[list[str]]


def _translation(source: Path, model: Path, output: Path) -> list[str]:
    return ["translate", str(source), "--model", str(model), "-o", str(output), "-q"]


def video(good: Path, work: Path, draw: random.Random) -> Orders:
    name = draw.choice(list(kept.VIDEOS))
    (work / name).write_bytes(mutators.mutate_bytes((good / name).read_bytes(), draw))
    return [_translation(work / name, good / "model.onnx", work / "out.mp4")]


def picture(good: Path, work: Path, draw: random.Random) -> Orders:
    name = draw.choice(kept.PICTURES)
    (work / name).write_bytes(mutators.mutate_bytes((good / name).read_bytes(), draw))
    return [_translation(work / name, good / "model.onnx", work / "out.png")]


def manifest(good: Path, work: Path, draw: random.Random) -> Orders:
    shutil.copy(good / "model.onnx", work)
    raw = json.loads((good / "model.json").read_text())
    (work / "model.json").write_bytes(mutators.mutate_json(raw, draw))
    return [
        [draw.choice(("info", "inspect", "boards")), str(work / "model.onnx")],
        ["inspect", str(work / "model.json")],
    ]


def graph(good: Path, work: Path, draw: random.Random) -> Orders:
    return _changed_model(good, work, draw, mutators.mutate_graph)


def onnx(good: Path, work: Path, draw: random.Random) -> Orders:
    return _changed_model(good, work, draw, mutators.mutate_bytes)


def fields(good: Path, work: Path, draw: random.Random) -> Orders:
    """The graph's protobuf, well-formed."""
    return _changed_model(good, work, draw, structured.mutate_fields)


def _changed_model(
    good: Path, work: Path, draw: random.Random, mutate: Callable[[bytes, random.Random], bytes]
) -> Orders:
    model = work / "model.onnx"
    model.write_bytes(mutate((good / "model.onnx").read_bytes(), draw))
    raw = json.loads((good / "model.json").read_text())
    (work / "model.json").write_text(json.dumps({**raw, "sha256": sha256_of(model)}))
    backend = draw.choice(("onnxruntime", "openvino"))
    run = [*_translation(good / "a.png", model, work / "out.png"), "--backend", backend]
    return [run, ["inspect", str(model), "--size", "64x48"]]


def toml(good: Path, work: Path, draw: random.Random) -> Orders:
    (work / "a.toml").write_bytes(mutators.mutate_toml(kept.TOML.read_text(), draw))
    return [["inspect", str(work / "a.toml")]]


def checkpoint(good: Path, work: Path, draw: random.Random) -> Orders:
    shutil.copytree(good / "run", work / "run")
    files = [path for path in sorted((work / "run").rglob("*")) if path.is_file()]
    path = draw.choice(files)
    content = path.read_bytes()
    structured = path.suffix == ".json" and draw.random() < 0.7
    path.write_bytes(
        mutators.mutate_json(json.loads(content), draw)
        if structured
        else mutators.mutate_bytes(content, draw)
    )
    return [["@checkpoint", str(work / "run")], ["inspect", str(work / "run")]]


def engine(good: Path, work: Path, draw: random.Random) -> Orders:
    shutil.copy(good / "e.engine", work)
    (work / "e.json").write_bytes(mutators.mutate_json(json.loads((good / "e.json").read_text()), draw))
    return [[draw.choice(("info", "inspect")), str(work / "e.engine")]]


def benchmark(good: Path, work: Path, draw: random.Random) -> Orders:
    (work / "b.json").write_bytes(mutators.mutate_json(json.loads((good / "bench.json").read_text()), draw))
    old = [str(work / "b.json"), str(good / "bench.json")]
    return [draw.choice((["bench", "--from", str(work / "b.json")], ["bench", "--compare", *old]))]


def address(good: Path, work: Path, draw: random.Random) -> Orders:
    return [["@address", mutators.make_address(draw)]]


def spliced(good: Path, work: Path, draw: random.Random) -> Orders:
    """One file that goes on as another one, or has a run of zeros: videos of two types, pictures of two."""
    names = draw.choice((tuple(kept.VIDEOS), kept.PICTURES))
    name = draw.choice(names)
    content = (good / name).read_bytes()
    if draw.random() < 0.6:
        content = structured.splice(content, (good / draw.choice(names)).read_bytes(), draw)
    else:
        content = structured.zeros(content, draw)
    (work / name).write_bytes(content)
    output = work / ("out.mp4" if name in kept.VIDEOS else "out.png")
    return [_translation(work / name, good / "model.onnx", output)]


def boxes(good: Path, work: Path, draw: random.Random) -> Orders:
    name = draw.choice(("clip.mp4", "fragments.mp4"))
    (work / name).write_bytes(structured.mutate_boxes((good / name).read_bytes(), draw))
    return [_translation(work / name, good / "model.onnx", work / "out.mp4"), ["inspect", str(work / name)]]


def chunks(good: Path, work: Path, draw: random.Random) -> Orders:
    (work / "a.png").write_bytes(structured.mutate_chunks((good / "a.png").read_bytes(), draw))
    return [_translation(work / "a.png", good / "model.onnx", work / "out.png")]


def resume(good: Path, work: Path, draw: random.Random) -> Orders:
    """What a broken-off translation has left, which is gone on with."""
    folder = work / ".out.mp4.parts"
    shutil.copytree(good / ".out.mp4.parts", folder)
    part, about = folder / "1.mp4", folder / "about.json"
    content = part.read_bytes()
    way = draw.randrange(6)
    if way == 0:
        about.write_bytes(mutators.mutate_json(json.loads(about.read_text()), draw))
    elif way == 1:
        part.write_bytes(mutators.mutate_bytes(content, draw))
    elif way == 2:
        part.write_bytes(structured.zeros(content, draw))
    elif way == 3:
        part.write_bytes(
            structured.splice(content, draw.choice((content, (good / "clip.mp4").read_bytes())), draw)
        )
    else:
        part.write_bytes(structured.mutate_boxes(content, draw))
    return [[*_translation(good / "slow.mp4", good / "model.onnx", work / "out.mp4"), "--resume"]]


def bundled(good: Path, work: Path, draw: random.Random) -> Orders:
    """A bundled model's manifest, whose numbers then may disagree with the graph."""
    source = draw.choice(kept.BUNDLED)
    model = work / "model.onnx"
    model.symlink_to(source)
    raw = json.loads(source.with_suffix(".json").read_text())
    model.with_suffix(".json").write_bytes(mutators.mutate_json(raw, draw))
    run = _translation(good / "a.png", model, work / "out.png")
    small = ["--size", "64x48"]
    measured = [
        "bench",
        str(model),
        *small,
        "--frames",
        "1",
        "--warm-up",
        "0",
        "--no-peak",
        "-o",
        str(work / "b"),
    ]
    return [
        run,
        draw.choice(
            (["info", str(model)], ["inspect", str(model), *small], ["boards", str(model)], measured)
        ),
    ]


def _of_settings(path: Path, work: Path) -> Orders:
    train = ["train", str(path), "--run", str(work / "run"), "--data", str(work), "--dry-run"]
    return [["inspect", str(path)], train]


def settings(good: Path, work: Path, draw: random.Random) -> Orders:
    path = work / "a.toml"
    path.write_bytes(structured.mutate_types(draw.choice(kept.TOMLS).read_text(), draw))
    return _of_settings(path, work)


def weights(good: Path, work: Path, draw: random.Random) -> Orders:
    """The header of a checkpoint's tensors."""
    run = work / "run"
    shutil.copytree(good / "run", run)
    path = draw.choice(sorted(run.rglob("*.safetensors")))
    path.write_bytes(structured.mutate_weights(path.read_bytes(), draw))
    export = ["export", str(run), "--to", "night", "-o", str(work / "out.onnx")]
    return [["@checkpoint", str(run)], ["inspect", str(path)], ["inspect", str(run)], export]


def bundle(good: Path, work: Path, draw: random.Random) -> Orders:
    raw = json.loads((good / "bundle.json").read_text())
    (work / "bundle.json").write_bytes(mutators.mutate_json(raw, draw))
    return [["inspect", str(work / "bundle.json")], ["inspect", str(work)]]


def labels(good: Path, work: Path, draw: random.Random) -> Orders:
    """Labels of pictures or of a clip, or names of classes, as the readers of files take them."""
    name = draw.choice(list(kept.LABELS))
    content, path = kept.LABELS[name], work / name
    if not isinstance(content, str):
        path.write_bytes(mutators.mutate_json(content, draw))
    elif path.suffix == ".yaml":
        path.write_bytes(structured.mutate_yaml(content, draw))
    else:
        path.write_bytes(structured.mutate_cells(content, draw))
    return [["@labels", str(path), str(good / "a.png")]]


def archive(good: Path, work: Path, draw: random.Random) -> Orders:
    """A set of digits in numpy's archive."""
    path = work / "digits.npz"
    content = (good / "digits.npz").read_bytes()
    mutate = draw.choice((mutators.mutate_bytes, structured.zeros, structured.mutate_zip))
    path.write_bytes(mutate(content, draw))
    return [["@digits", str(path)]]


def journal(good: Path, work: Path, draw: random.Random) -> Orders:
    """What a broken-off translation of a data set has left, which is gone on with."""
    index, output = work / "coco.json", work / "out"
    index.write_text(json.dumps(kept.LABELS["coco.json"]))
    output.mkdir()
    line = json.dumps(kept.ENTRY)
    (output / "dataset.json").write_bytes(mutators.mutate_json({"pictures": [kept.ENTRY]}, draw))
    (output / ".dataset.jsonl").write_bytes(mutators.mutate_bytes(f"{line}\n{line}\n".encode(), draw))
    run = _translation(index, good / "model.onnx", output)
    return [[*run, "--images", str(good), "--resume"]]


def container(good: Path, work: Path, draw: random.Random) -> Orders:
    """Elements, chunks, packets or tags of the containers that aren't MP4."""
    name = draw.choice([name for name in kept.VIDEOS if Path(name).suffix in elements.BY_SUFFIX])
    path = work / name
    path.write_bytes(elements.BY_SUFFIX[path.suffix]((good / name).read_bytes(), draw))
    return [_translation(path, good / "model.onnx", work / "out.mp4"), ["inspect", str(path)]]


def tensors(good: Path, work: Path, draw: random.Random) -> Orders:
    """Places, types and shapes of a checkpoint's tensors."""
    run = work / "run"
    shutil.copytree(good / "run", run)
    path = draw.choice(sorted(run.rglob("*.safetensors")))
    path.write_bytes(texts.mutate_tensors(path.read_bytes(), draw))
    return [["@checkpoint", str(run)], ["inspect", str(path)]]


def names(good: Path, work: Path, draw: random.Random) -> Orders:
    """Names that are twice in one of the JSON files."""
    name = draw.choice(("model.json", "e.json", "bench.json", "bundle.json"))
    path = work / name
    path.write_bytes(texts.mutate_names(json.loads((good / name).read_text()), draw))
    if name == "bench.json":
        return [["bench", "--from", str(path)]]
    about = path
    if name != "bundle.json":
        about = path.with_suffix(".onnx" if name == "model.json" else ".engine")
        shutil.copy(good / about.name, work)
    return [["inspect", str(about)], ["inspect", str(path)]]


def tables(good: Path, work: Path, draw: random.Random) -> Orders:
    """Tables and names of TOML, twice or elsewhere."""
    path = work / "a.toml"
    path.write_bytes(texts.mutate_tables(draw.choice(kept.TOMLS).read_text(), draw))
    return _of_settings(path, work)


def playlist(good: Path, work: Path, draw: random.Random) -> Orders:
    """A list of other files, in a file of any name."""
    path = work / f"list{draw.choice(texts.SUFFIXES)}"
    path.write_bytes(texts.make_playlist(str(good), path.name, draw))
    return [_translation(path, good / "model.onnx", work / "out.mp4"), ["inspect", str(path)]]


def listed(good: Path, work: Path, draw: random.Random) -> Orders:
    """A list of what a fleet shall translate, and its destination's word of how it was made."""
    path, destination = work / "list.txt", work / "night"
    path.write_bytes(texts.make_list(str(good), path.name, draw))
    own = destination / OWN
    own.mkdir(parents=True)
    shutil.copy(good / "clip.mp4", destination)
    about = json.loads(json.dumps(kept.MADE))
    (own / "about.json").write_bytes(
        mutators.mutate_json(about, draw) if draw.random() < 0.5 else texts.mutate_names(about, draw)
    )
    return [["@list", str(path), str(destination)]]


KINDS: dict[str, Callable[[Path, Path, random.Random], Orders]] = {
    "video": video, "picture": picture, "manifest": manifest, "onnx": onnx, "graph": graph, "toml": toml,
    "checkpoint": checkpoint, "engine": engine, "benchmark": benchmark, "address": address,
    "spliced": spliced, "boxes": boxes, "chunks": chunks, "resume": resume, "bundled": bundled,
    "fields": fields, "settings": settings, "weights": weights, "bundle": bundle,
    "labels": labels, "archive": archive, "journal": journal,
    "container": container, "tensors": tensors, "names": names, "tables": tables, "playlist": playlist,
    "listed": listed,
}  # fmt: skip
