"""Are translated data sets what people's libraries expect? Each reads source and result.

python docs/experiments/read_back.py UNIT_EDGE [-o read_back.json]

UNIT_EDGE is the command, as .venv/bin/unit-edge. This script runs in an environment of its own, with any of
torchvision, cityscapesscripts, scalabel, datumaro, ultralytics, pycocotools; others are left out.
Small data sets of made-up pictures are translated with the bundled models, to one domain and to two.
A reader passes if it finds, for every picture of the source, as many pictures in the result as there are
domains, each of the same size, with other pixels and with the same labels.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

WIDTH, HEIGHT = 192, 96
SIZE = (WIDTH, HEIGHT)
CITIES = {"train": ("ulm", "bremen"), "val": ("lindau",)}
DOMAINS = {"one": "night", "two": "night,rain"}

Item = tuple[str, Any, Any]
"""Name without suffixes, labels that compare with ==, pixels."""
Reader = Callable[[Path], Iterator[Item]]


def picture(path: Path, seed: int) -> None:
    """Something like a street: sky, road, a few boxes."""
    rng = np.random.default_rng(seed)
    image = np.full((HEIGHT, WIDTH, 3), (200, 190, 180), np.uint8)
    image[HEIGHT // 2 :] = (95, 90, 90)
    for x in rng.integers(0, WIDTH - 30, 3):
        image[40:70, x : x + 30] = rng.integers(0, 255, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def make_cityscapes(root: Path) -> list[str]:
    """leftImg8bit and gtFine: polygons, and the images that cityscapesScripts makes of them."""
    for split, cities in CITIES.items():
        for city in cities:
            for number in range(3):
                name = f"{city}_{number:06}_000019"
                picture(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", number)
                car = [[20 + number, 40], [60, 40], [60, 70], [20 + number, 70]]
                road = [[0, 48], [WIDTH, 48], [WIDTH, HEIGHT], [0, HEIGHT]]
                objects = [{"label": "road", "polygon": road}, {"label": "car", "polygon": car}]
                truth = root / "gtFine" / split / city / f"{name}_gtFine"
                polygons = {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": objects}
                write(Path(f"{truth}_polygons.json"), polygons)
                ids = np.zeros((HEIGHT, WIDTH), np.uint8)
                instances = np.zeros((HEIGHT, WIDTH), np.uint16)
                for points, label in ((road, 7), (car, 26)):
                    cv2.fillPoly(ids, [np.array(points)], label)
                    cv2.fillPoly(instances, [np.array(points)], label if label == 7 else 26000)
                cv2.imwrite(f"{truth}_labelIds.png", ids)
                cv2.imwrite(f"{truth}_instanceIds.png", instances)
                cv2.imwrite(f"{truth}_color.png", cv2.merge([ids * 5, ids * 3, ids, np.full_like(ids, 255)]))
    return [str(root), "--dataset"]


def make_bdd(root: Path) -> list[str]:
    """images/100k and the list of labels of each split, as BDD100K gives them."""
    for split in ("train", "val"):
        frames = []
        for number in range(3):
            name = f"{split}{number}-0a1b.jpg"
            picture(root / "images" / "100k" / split / name, number)
            box = {"x1": 10.0 + number, "y1": 40.0, "x2": 50.0, "y2": 70.0}
            label = {"id": f"{split}{number}", "category": "car", "box2d": box}
            frames.append({"name": name, "attributes": {"timeofday": "daytime"}, "labels": [label]})
        write(root / "labels" / "det_20" / f"det_{split}.json", frames)
    return [str(root), "--dataset"]


def make_kitti(root: Path) -> list[str]:
    line = "Car 0.00 0 -1.58 {}.00 40.00 60.00 70.00 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
    for number in range(4):
        picture(root / "training" / "image_2" / f"{number:06}.png", number)
        write(root / "training" / "label_2" / f"{number:06}.txt", line.format(20 + number))
    write(root / "ImageSets" / "train.txt", "000000\n000002\n")
    return [str(root), "--dataset"]


def make_yolo(root: Path) -> list[str]:
    for split in ("train", "valid"):
        for number in range(3):
            picture(root / split / "images" / f"{split}{number}.jpg", number)
            write(root / split / "labels" / f"{split}{number}.txt", f"0 0.5 0.5 0.2 0.{2 + number}\n")
    # as Roboflow writes it
    write(root / "data.yaml", "train: ../train/images\nval: ../valid/images\n\nnc: 1\nnames: ['car']\n")
    return [str(root / "data.yaml")]


def make_coco(root: Path) -> list[str]:
    images, boxes = [], []
    for number in range(4):
        picture(root / "images" / f"{number:012}.jpg", number)
        images.append({"id": number, "file_name": f"{number:012}.jpg", "width": WIDTH, "height": HEIGHT})
        box = [10 + number, 40, 40, 30]
        boxes.append(
            {"id": number + 1, "image_id": number, "category_id": 3, "bbox": box, "area": 1200, "iscrowd": 0}
        )
    categories = [{"id": 3, "name": "car"}]
    content = {"images": images, "annotations": boxes, "categories": categories}
    write(root / "annotations" / "instances.json", content)
    return [str(root / "annotations" / "instances.json")]


def plain(name: str) -> str:
    """The name that the source has: without folder, suffix and domain."""
    name = Path(name).name.partition(".")[0].removesuffix("_leftImg8bit")
    for domain in ("night", "rain"):
        name = name.removesuffix(f"-{domain}").removesuffix(f"_{domain}")
    return name


def torchvision_cityscapes(root: Path) -> Iterator[Item]:
    from torchvision.datasets import Cityscapes

    for split in CITIES:
        kinds = ["semantic", "instance", "color", "polygon"]
        found = Cityscapes(str(root), split=split, mode="fine", target_type=kinds)
        for place in range(len(found)):
            image, (*maps, polygons) = found[place]
            labels = [np.asarray(target).tobytes() for target in maps]
            yield plain(found.images[place]), [*labels, polygons], np.asarray(image)


def cityscapes_scripts(root: Path) -> Iterator[Item]:
    """Its names, its polygons, the label image that it draws of them, and its evaluation."""
    os.environ["CITYSCAPES_DATASET"] = str(root)
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as evaluation
    from cityscapesscripts.helpers.annotation import Annotation
    from cityscapesscripts.helpers.csHelpers import getCsFileInfo
    from cityscapesscripts.preparation.json2labelImg import createLabelImage

    files = sorted(root.glob("leftImg8bit/*/*/*_leftImg8bit.png"))
    truths = []
    for file in files:
        about = getCsFileInfo(str(file))
        assert about.city == file.parent.name, about
        base = str(file).replace("leftImg8bit", "gtFine")[: -len(".png")]
        annotation = Annotation()
        annotation.fromJsonFile(base + "_polygons.json")
        drawn = np.asarray(createLabelImage(annotation, "ids"))
        truths.append(base + "_labelIds.png")
        yield plain(file.name), drawn.tobytes(), cv2.imread(str(file))
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.args.quiet = True
        evaluation.args.evalInstLevelScore = False
        result = evaluation.evaluateImgLists(truths, truths, evaluation.args)
    assert result["averageScoreClasses"] == 1, result


def scalabel_bdd(root: Path) -> Iterator[Item]:
    """BDD100K's own reader."""
    from scalabel.label.io import load

    for split in ("train", "val"):
        file = root / "labels" / "det_20" / f"det_{split}.json"
        for frame in load(str(file), nprocs=0).frames:
            labels = [label.dict(exclude_none=True) for label in frame.labels]
            image = cv2.imread(str(root / "images" / "100k" / split / frame.name))
            yield plain(frame.name), labels, image


def torchvision_kitti(root: Path) -> Iterator[Item]:
    from torchvision.datasets import Kitti

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Kitti").mkdir()
        (Path(folder) / "Kitti" / "raw").symlink_to(root, target_is_directory=True)
        found = Kitti(folder, train=True)
        for place in range(len(found)):
            image, labels = found[place]
            yield plain(found.images[place]), labels, np.asarray(image)
    # its split, which torchvision doesn't read
    listed = (root / "ImageSets" / "train.txt").read_text().split()
    assert {plain(name) for name in listed} == {"000000", "000002"}
    assert all((root / "training" / "image_2" / f"{name}.png").is_file() for name in listed)


def datumaro_reads(kind: str) -> Reader:
    def read(root: Path) -> Iterator[Item]:
        from datumaro import Dataset

        for item in Dataset.import_from(str(root), kind):
            labels = [
                mark.image.tobytes() if hasattr(mark, "image") else (mark.label, mark.points)
                for mark in item.annotations
            ]
            yield plain(item.id), labels, np.asarray(item.media.data)

    return read


def ultralytics_yolo(root: Path) -> Iterator[Item]:
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(str(root / "data.yaml"), autodownload=False)
    assert data["names"] == {0: "car"}, data
    for split in ("train", "val"):
        found = YOLODataset(img_path=data[split], data=data, imgsz=WIDTH, augment=False)
        for place, (file, label) in enumerate(zip(found.im_files, found.labels, strict=True)):
            assert Path(file).is_relative_to(root.resolve()), file
            image = found.load_image(place)[0]
            yield plain(file), [label["cls"].tolist(), label["bboxes"].tolist()], image


def pycocotools_coco(root: Path) -> Iterator[Item]:
    from pycocotools.coco import COCO

    found = COCO(str(root / "annotations" / "instances.json"))
    for image in found.loadImgs(found.getImgIds()):
        marks = found.loadAnns(found.getAnnIds(imgIds=[image["id"]]))
        pixels = cv2.imread(str(root / "images" / image["file_name"]))
        yield plain(image["file_name"]), [[m["category_id"], m["bbox"], m["area"]] for m in marks], pixels


READERS: list[tuple[str, Callable[[Path], list[str]], Reader]] = [
    ("torchvision", make_cityscapes, torchvision_cityscapes),
    ("cityscapesscripts", make_cityscapes, cityscapes_scripts),
    ("datumaro", make_cityscapes, datumaro_reads("cityscapes")),
    ("scalabel", make_bdd, scalabel_bdd),
    ("torchvision", make_kitti, torchvision_kitti),
    ("datumaro", make_kitti, datumaro_reads("kitti")),
    ("ultralytics", make_yolo, ultralytics_yolo),
    ("pycocotools", make_coco, pycocotools_coco),
]


def compared(source: list[Item], made: list[Item], domains: int) -> str:
    """What differs; "" if nothing does."""
    if len(made) != domains * len(source):
        return f"{len(made)} pictures of {len(source)} in {domains} domains"
    for name, labels, pixels in source:
        same = [item for item in made if item[0] == name]
        if len(same) != domains:
            return f"{name}: {len(same)} pictures of that name"
        for _, other, image in same:
            if other != labels:
                return f"{name}: other labels"
            if image is None or image.shape != pixels.shape or (image == pixels).all():
                return f"{name}: no translated picture of the same size"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("unit_edge")
    parser.add_argument("-o", "--output", type=Path, default=Path("read_back.json"))
    given = parser.parse_args()
    command = str(Path(given.unit_edge).absolute())
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for library, make, read in READERS:
            try:
                version = importlib.metadata.version(library)
            except importlib.metadata.PackageNotFoundError:
                print(f"{library}: not installed, left out")
                continue
            kind = make.__name__.removeprefix("make_")
            root = Path(folder) / kind
            source = make(root)
            for ways, domains in DOMAINS.items():
                out = Path(folder) / f"{kind}-{ways}"
                run = [
                    command,
                    "translate",
                    *source,
                    "--to",
                    domains,
                    "--threads",
                    "1",
                    "-q",
                    "-y",
                    "-o",
                    str(out),
                ]
                subprocess.run(run, check=True, timeout=300)
                try:
                    fault = compared(list(read(root)), list(read(out)), domains.count(",") + 1)
                except Exception as error:  # whatever the library says of it
                    fault = f"{type(error).__name__}: {error}"
                results.append(
                    {"kind": kind, "domains": domains, "reader": f"{library} {version}", "fault": fault}
                )
                print(json.dumps(results[-1]), flush=True)
    given.output.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(any(result["fault"] for result in results))


if __name__ == "__main__":
    main()
