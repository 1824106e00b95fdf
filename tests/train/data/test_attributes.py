from __future__ import annotations

import os
from pathlib import Path

import pytest

from unit_edge.errors import DataError
from unit_edge.train.data.attributes import AttributeTable

CELEBA = "3\nSmiling Eyeglasses Male \n000001.jpg -1  1 -1\n000002.jpg  1 -1  1\n000003.jpg  1  1 -1\n"
CSV = "image_id,Smiling,Eyeglasses,Male\n000001.jpg,-1,1,-1\n000002.jpg,1,-1,1\n000003.jpg,1,1,-1\n"


def write(folder: Path, text: str, name: str = "table.txt") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(
    "text",
    [
        CELEBA,
        CELEBA.partition("\n")[2],
        "name " + CELEBA.partition("\n")[2],
        CSV,
        CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        CSV.replace("-1", "0"),
        CSV.replace("image_id,", "", 1),
        "\ufeff" + CSV.replace("\n", "\r\n") + "\r\n",
        CSV.replace("000001.jpg", '"000001.jpg"').replace(",1", ", 1"),
    ],
    ids=["celeba", "no count", "name", "csv", ";", "tab", "zeros", "no id", "windows", "quotes"],
)
def test_tables(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    for attribute, expected in (("Smiling", [False, True, True]), ("Eyeglasses", [True, False, True])):
        table = AttributeTable(path, attribute)
        assert [table(Path(f"/data/faces/00000{n}.jpg")) for n in (1, 2, 3)] == expected
        assert table(Path("/data/faces/000004.jpg")) is None


def test_names_go_by_as_much_of_the_path_as_the_table_has(tmp_path: Path) -> None:
    table = AttributeTable(write(tmp_path, "id,night\na/1.png,1\nb/1.png,-1\n./2.png,1\n"), "night")
    assert table(Path("/data/a/1.png")) is True
    assert table(Path("/data/b/1.png")) is False
    assert table(Path("/data/c/1.png")) is None
    assert table(Path("/data/c/2.png")) is True


def test_the_suffix_may_be_another(tmp_path: Path) -> None:
    table = AttributeTable(write(tmp_path, CELEBA), "Smiling")
    assert table(Path("img_align_celeba_png/000002.png")) is True
    ambiguous = AttributeTable(write(tmp_path, "id,x\n1.jpg,1\n1.bmp,-1\n"), "x")
    assert ambiguous(Path("1.png")) is None
    assert ambiguous(Path("1.bmp")) is False


@pytest.mark.parametrize(("given", "nearest"), [("smiling", "Smiling"), ("Eyeglases", "Eyeglasses")])
def test_an_unknown_attribute_brings_up_the_nearest(tmp_path: Path, given: str, nearest: str) -> None:
    with pytest.raises(DataError, match=f"no attribute '{given}'.*did you mean {nearest}\\?") as error:
        AttributeTable(write(tmp_path, CSV), given)
    assert "\n" not in str(error.value)


def test_an_attribute_like_none_brings_up_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it has Smiling, Eyeglasses, Male"):
        AttributeTable(write(tmp_path, CSV), "qqqqqq")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CSV + "000004.jpg,1,1\n", "line 5: 3 cells, the lines before have 4"),
        (CSV + "000004.jpg,1,maybe,1\n", "line 5: 'maybe' for 000004.jpg, expected 1, -1 or 0"),
        (CSV + "000001.jpg,1,-1,1\n", "line 5: 000001.jpg is there twice"),
        (CSV + '"000004.jpg,1,-1,1\n', "line 5: "),
        (CELEBA + "\n000004.jpg 1 1", "line 7: 3 cells"),
        ("id,Eyeglasses\n1.jpg,1,1,1\n", "line 2: 4 cells under a header of 2"),
        ("Eyeglasses\n1.jpg\n", "line 1: no header"),
        ("id,Eyeglasses\n", "no images in it"),
        ("", "line 1: no header"),
        ("3\n", "line 1: no header"),
    ],
)
def test_malformed_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=r"table\.txt: ") as error:
        AttributeTable(write(tmp_path, text), "Eyeglasses")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        AttributeTable(tmp_path / "missing.csv", "x")
    with pytest.raises(DataError, match="can't be read"):
        AttributeTable(tmp_path, "x")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8 text"):
        AttributeTable(tmp_path / "picture.csv", "x")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "table.csv")
    with pytest.raises(DataError, match="no regular file; expected a table"):
        AttributeTable(tmp_path / "table.csv", "Smiling")


def test_the_real_celeba_table(data_root: Path) -> None:
    table = AttributeTable(data_root / "faces-celeba" / "attributes.csv", "Eyeglasses")
    values = [table(path) for path in (data_root / "faces-celeba").glob("*.jpg")]
    assert (len(values), values.count(True), values.count(None)) == (1000, 104, 0)
