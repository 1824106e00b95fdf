"""Which images a domain's settings lead to, and which of them are held out."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from unit_edge.config import DataConfig, DomainConfig
from unit_edge.errors import DataError
from unit_edge.train.data.decode import ImageItem, read_image
from unit_edge.train.data.sources import domain_images, gap_images, list_images, natural_order, split

DATA = DataConfig(validation=0.2, gap=0.1)
Names = list[str]
Load = Callable[..., tuple[Names, Names]]


def touch(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def numbers(count: int, prefix: str = "") -> Names:
    return [f"{prefix}{index:02d}.png" for index in range(count)]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """load(*paths, **settings of the domain) → names for training and names held out."""

    def names(*paths: str, data: DataConfig = DATA, **values: Any) -> tuple[Names, Names]:
        domain = DomainConfig(name="day", paths=paths, **values)
        training, held_out = domain_images(domain, tmp_path, data)
        return [i.path.name for i in training], [i.path.name for i in held_out]

    return names


def fails(load: Load, *paths: str, **values: Any) -> str:
    with pytest.raises(DataError) as error:
        load(*paths, **values)
    assert "\n" not in str(error.value)
    return str(error.value)


# folders


def test_folders_without_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        list_images(tmp_path / "missing")
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match="no images"):
        list_images(tmp_path)


def test_images_of_subfolders_count_whatever_the_case_of_their_suffix(tmp_path: Path) -> None:
    touch(tmp_path, ["b.JPG", "deep/er/a.PNG", "a.webp", "c.TIFF", "readme.md", "table.csv"])
    assert [path.name for path in list_images(tmp_path)] == ["a.webp", "b.JPG", "c.TIFF", "a.PNG"]


def test_numbers_in_names_count_as_numbers(tmp_path: Path) -> None:
    touch(tmp_path, ["f_10.png", "f_9.png", "f_100.png", "f_1.png", "2/1.png", "10/1.png"])
    found = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert found == ["2/1.png", "10/1.png", "f_1.png", "f_9.png", "f_10.png", "f_100.png"]


def test_zero_padded_names_are_in_the_order_of_their_characters() -> None:
    rng = random.Random(0)
    paths = [
        Path(f"{rng.choice('ab')}{rng.randrange(100):02d}/{rng.choice(['x-', 'x', 'y_'])}"
             f"{rng.randrange(10**6):06d}{rng.choice(['', 'D', '_left'])}.png")
        for _ in range(2000)
    ]  # fmt: skip
    assert sorted(paths, key=natural_order) == sorted(paths)


def test_loops_of_links_end_and_a_folder_is_searched_once(tmp_path: Path) -> None:
    touch(tmp_path, ["data/one/1.png", "elsewhere/2.png"])
    (tmp_path / "data" / "one" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "self").symlink_to(".")
    (tmp_path / "data" / "broken.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "linked-again").symlink_to(tmp_path / "elsewhere")
    assert sorted(path.name for path in list_images(tmp_path / "data")) == ["1.png", "2.png"]


# the split


def test_the_last_by_name_are_held_out(tmp_path: Path, load: Load) -> None:
    touch(tmp_path, [*numbers(20, "a/a"), *numbers(10, "b/b")])
    training, held_out = load("a", "b")
    assert held_out == ["a16.png", "a17.png", "a18.png", "a19.png", "b08.png", "b09.png"]
    assert training == [*numbers(14, "a"), *numbers(7, "b")]  # 2 and 1 are in the gap
    gap = gap_images(DomainConfig(name="day", paths=("a", "b")), tmp_path, DATA)
    assert [item.path.name for item in gap] == ["a14.png", "a15.png", "b07.png"]
    # what another path trains on is not unseen
    overlapping = DomainConfig(name="day", paths=("a", "b", "a/a14.png", "a/a00.png"))
    assert [item.path.name for item in gap_images(overlapping, tmp_path, DATA)] == ["a15.png", "b07.png"]


@pytest.mark.parametrize(
    ("count", "validation", "gap", "expected"),
    [
        (100, 0.1, 0.02, (88, 2, 10)),
        (94, 0.1, 0.02, (84, 1, 9)),
        (20, 0.1, 0.02, (17, 1, 2)),  # one image at least
        (9, 0.1, 0.02, (9, 0, 0)),  # nothing is held out, so nothing is next to it
        (20, 0.1, 0.0, (18, 0, 2)),
        (20, 0.0, 0.5, (20, 0, 0)),
        (3, 0.4, 0.02, (1, 1, 1)),
        (2, 0.5, 0.02, (1, 0, 1)),  # not enough for a gap
        (10, 0.5, 0.49, (1, 4, 5)),
        (1, 0.9, 0.05, (1, 0, 0)),
    ],
)
def test_shares(count: int, validation: float, gap: float, expected: tuple[int, int, int]) -> None:
    group = [Path(f"{index:03d}.png") for index in range(count)]
    parts = split(group, DataConfig(validation=validation, gap=gap))
    assert tuple(len(part) for part in parts) == expected
    assert [path for part in parts for path in part] == group


@pytest.mark.parametrize("folder", ["street-day/msrs", "street-night/msrs", "road-snow", "street-dusk"])
def test_held_out_images_of_real_folders_are_those_of_earlier_versions(data_root: Path, folder: str) -> None:
    domain = DomainConfig(name="a", paths=(folder,))
    training, held_out = domain_images(domain, data_root, DataConfig())
    by_characters = sorted((data_root / folder).rglob("*.jpg"))
    assert [item.path for item in held_out] == by_characters[-int(len(by_characters) * 0.1) :]
    gap = max(1, int(len(by_characters) * 0.02))
    assert [item.path for item in training] == by_characters[: -len(held_out) - gap]


def test_an_image_that_two_paths_lead_to_is_on_one_side(tmp_path: Path, load: Load) -> None:
    touch(tmp_path, [*numbers(10, "drive/a"), *numbers(10, "drive/z/")])
    (tmp_path / "link").symlink_to(tmp_path / "drive")
    training, held_out = load("drive", "link/z", "link")
    assert not set(training) & set(held_out)
    assert len(set(training)) == len(training)
    assert len(set(held_out)) == len(held_out) == 4


# lists and single files


def test_a_list(tmp_path: Path, load: Load) -> None:
    touch(tmp_path, [*numbers(10, "lists/near/n"), *numbers(5, "far/f"), *numbers(10, "folder/x")])
    lines = ["# the winter drive", "", *[f"near/n{i:02d}.png" for i in (3, 1, 2, 0, 4)], "  ../folder  "]
    lines += [str(tmp_path / "far" / name) for name in numbers(5, "f")]
    (tmp_path / "lists" / "a.txt").write_text("\n".join(lines) + "\n")
    training, held_out = load("lists/a.txt")
    assert held_out == ["x08.png", "x09.png", "n03.png", "n04.png"]
    assert training == [*numbers(7, "x"), *numbers(5, "f"), *numbers(2, "n")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_that_windows_wrote(tmp_path: Path, load: Load, encoding: str) -> None:
    touch(tmp_path, ["ä.png", "b.png"])
    (tmp_path / "list.txt").write_bytes("ä.png\r\nb.png\r\n".encode(encoding))
    assert load("list.txt") == (["b.png", "ä.png"], [])


def test_a_list_of_gigabytes_is_refused_before_it_is_read(tmp_path: Path, load: Load) -> None:
    (tmp_path / "list.txt").touch()
    os.truncate(tmp_path / "list.txt", 2**40)  # more than there is memory
    with pytest.raises(DataError, match=r"this list can't be read \(larger than"):
        load("list.txt")


def test_a_list_with_missing_files(tmp_path: Path, load: Load) -> None:
    touch(tmp_path, ["a.png", "b.png"])
    (tmp_path / "list.txt").write_text("a.png\n\ngone.png\nb.png\n" + "x" * 5000 + ".png\n")
    message = fails(load, "list.txt")
    assert "list.txt: 2 of its 4 entries do not exist, the first in line 3: 'gone.png'" in message
    assert str(tmp_path) in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty list"),
        (b"# nothing\n\n", "an empty list"),
        (b"list.txt\n", "line 1: list.txt is a list"),
        (b"\x89PNG\0\0\r\n\xff\xfe\n", "do not exist, the first in line 1"),
    ],
)
def test_lists_of_nothing(tmp_path: Path, load: Load, content: bytes, message: str) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    assert message in fails(load, "list.txt")


def test_single_images_are_one_group(tmp_path: Path, load: Load) -> None:
    touch(tmp_path, numbers(10))
    shuffled = [*numbers(10)[5:], *numbers(10)[:5]]
    assert load(*shuffled, "00.png") == (numbers(7), ["08.png", "09.png"])


def test_paths_may_leave_the_data_root(tmp_path: Path) -> None:
    touch(tmp_path, numbers(4, "pictures/"))
    (tmp_path / "root").mkdir()
    for path in ("../pictures", str(tmp_path / "pictures")):
        training, _ = domain_images(DomainConfig(name="a", paths=(path,)), tmp_path / "root", DATA)
        assert len(training) == 4


@pytest.mark.parametrize("path", ["gone", "gone.png", "gone.txt", "gone.mp4", "x" * 300])
def test_paths_that_lead_nowhere(tmp_path: Path, load: Load, path: str) -> None:
    message = fails(load, path)
    assert "no such folder or file" in message
    assert str(tmp_path) in message


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images(tmp_path: Path, load: Load, count: int) -> None:
    touch(tmp_path, ["day/readme.md", *numbers(count, "day/")])
    message = fails(load, "day")
    assert ("no images" if count == 0 else "domain day: 1 image in day; expected two or more") in message


# attributes and halves


def table(folder: Path, names: Sequence[str], has: Callable[[int], bool]) -> None:
    rows = [f"{name},{1 if has(index) else -1}" for index, name in enumerate(names)]
    (folder / "table.csv").write_text("\n".join(["id,Smiling", *rows]) + "\n")


def test_a_table_makes_two_domains_of_one_folder(tmp_path: Path, load: Load) -> None:
    touch(tmp_path, numbers(40, "faces/"))
    table(tmp_path, numbers(40), lambda index: index % 3 == 0)
    chosen = {"table": "table.csv", "attribute": "Smiling"}
    training, held_out = load("faces", **chosen)
    others, others_held_out = load("faces", without=True, **chosen)
    assert held_out == ["33.png", "36.png", "39.png"]
    # the folder is split before, so no image of one side is in the other domain's other side
    assert sorted(held_out + others_held_out) == numbers(40)[32:]
    assert sorted(training + others) == numbers(28)


def test_a_table_with_paths_that_overlap(tmp_path: Path, load: Load) -> None:
    touch(tmp_path, [*numbers(10, "faces/a"), *numbers(10, "faces/z/")])
    (tmp_path / "link").symlink_to(tmp_path / "faces")
    table(tmp_path, [*numbers(10, "a"), *numbers(10)], lambda _: True)
    for paths in (("faces", "link/z"), ("link/z", "faces")):
        assert load(*paths, table="table.csv", attribute="Smiling") == load(*paths)


def test_images_that_are_not_in_the_table_are_counted(
    tmp_path: Path, load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path, numbers(10, "faces/"))
    table(tmp_path, numbers(7), lambda _: True)
    training, held_out = load("faces", table="table.csv", attribute="Smiling")
    assert (training, held_out) == (numbers(7), [])
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert "3 of 10 images of day are not in" in warning


def test_tables_that_lead_to_no_images(tmp_path: Path, load: Load) -> None:
    touch(tmp_path, numbers(10, "faces/"))
    chosen = {"table": "table.csv", "attribute": "Smiling"}
    table(tmp_path, ["other.png"], lambda _: True)
    assert "none of the 10 images of domain day is in this table" in fails(load, "faces", **chosen)
    table(tmp_path, numbers(10), lambda _: False)
    assert "domain day: no images in faces" in fails(load, "faces", **chosen)
    table(tmp_path, numbers(10), lambda index: index >= 8)
    assert "none of its 2 images is left to train on; lower data.validation" in fails(load, "faces", **chosen)
    assert "did you mean Smiling?" in fails(load, "faces", table="table.csv", attribute="Smilling")


def test_half_of_each_image(tmp_path: Path) -> None:
    for index in range(3):
        pair = np.zeros((8, 20, 3), np.uint8)
        pair[:, :10], pair[:, 10:] = 50 + index, 200 + index
        cv2.imwrite(str(tmp_path / f"{index}.png"), pair)
    for half, level in (("left", 50), ("right", 200)):
        domain = DomainConfig(name="a", paths=(".",), half=half)  # type: ignore[arg-type]
        training, held_out = domain_images(domain, tmp_path, replace(DATA, validation=0.4))
        images = [read_image(item) for item in training + held_out]
        assert {image.shape for image in images} == {(8, 10, 3)}
        assert {int(image.min()) for image in images} <= {level, level + 1, level + 2}
        assert held_out == [ImageItem(tmp_path / "2.png", half)]  # type: ignore[arg-type]


def test_held_out_paths_are_held_out_whole(tmp_path: Path) -> None:
    touch(tmp_path, ["train/1.png", "train/2.png", "val/1.png", "val/2.png"])
    domain = DomainConfig(name="a", paths=("train",), held_out=("val",))
    training, held_out = domain_images(domain, tmp_path, DataConfig(validation=0.5))
    assert [item.path.relative_to(tmp_path).as_posix() for item in training] == ["train/1.png", "train/2.png"]
    assert [item.path.relative_to(tmp_path).as_posix() for item in held_out] == ["val/1.png", "val/2.png"]


def test_an_image_that_is_held_out_is_not_trained_on(tmp_path: Path) -> None:
    touch(tmp_path, ["all/1.png", "all/2.png", "all/val/3.png"])
    domain = DomainConfig(name="a", paths=("all",), held_out=("all/val",))
    training, held_out = domain_images(domain, tmp_path, DataConfig())
    assert [item.path.name for item in training] == ["1.png", "2.png"]
    assert [item.path.name for item in held_out] == ["3.png"]
