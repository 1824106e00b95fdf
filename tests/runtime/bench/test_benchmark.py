"""`unit-edge bench` as a person uses it: rows, failures, files, comparisons, Ctrl-C; no timings."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doubles import picture
from live_servers import LiveServer
from typer.testing import CliRunner

from unit_edge.cli.app import app
from unit_edge.errors import BackendError, ConfigError
from unit_edge.interrupt import StopWish
from unit_edge.runtime.bench import peak
from unit_edge.runtime.bench.benchmark import Settings, benchmark
from unit_edge.runtime.bench.cases import Wanted, cases_of
from unit_edge.runtime.bench.load_model import Load, write_load
from unit_edge.runtime.bench.process import BenchWorker, CaseFailed
from unit_edge.runtime.bench.result import read_report
from unit_edge.runtime.bench.worker.clip import RepeatedClip
from unit_edge.runtime.bench.worker.worker import check_memory

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]
QUICK = ("--frames", "3", "--warm-up", "0", "--no-peak", "--backend", "onnxruntime")
KEPT = Path(__file__).parents[3] / "docs/benchmarks/bundled/bench.json"
MAIN = [sys.executable, "-c", "from unit_edge.cli import main; main()"]
OF_LONG_RUNS = ("rows[].roof.", "rows[].model_only.drift", "peaks", "bandwidth")


def bench(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    done = CliRunner().invoke(app, ["bench", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def measured(*arguments: str | Path) -> dict[str, Any]:
    """The JSON of the last line."""
    code, out, err = bench(*arguments)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def shape(value: Any, at: str = "") -> set[str]:
    """Names and types of all that a report holds, but for what depends on the machine and the settings."""
    if isinstance(value, dict):
        inner = [(f"{at}.{name}".lstrip("."), item) for name, item in value.items()]
        return {
            one for name, item in inner if name not in ("machine", "settings") for one in shape(item, name)
        }
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {one for item in value for one in shape(item, f"{at}[]")}
    return {f"{at} {type(value).__name__}"}


def test_the_old_way_of_calling_it(write_model: WriteModel) -> None:
    report = measured(write_model("invert"), "--size", "32x24", *QUICK)
    (row,) = report["rows"]
    assert (report["kind"], report["schema"]) == ("unit-edge benchmark", 1)
    assert (row["model"], row["backend"], row["precision"]) == ("invert", "onnxruntime", "fp32")
    assert (row["frame_size"], row["batch"], row["failed"]) == ([32, 24], 1, "")
    assert row["model_only"]["calls"] == row["model_only"]["latency_ms"]["count"] == 3
    assert row["model_only"]["warm_up"]["calls"] >= 2
    assert row["first_frame_ms"] >= row["opened_ms"] > 0
    frame_s, timers = row["model_only"]["latency_ms"]["p50"] / 1e3, report["timers"]
    assert timers["share"] == pytest.approx(timers["seconds_a_frame"] / frame_s, rel=1e-3) != 0


def test_what_a_machine_does_not_tell_is_absent(write_model: WriteModel) -> None:
    report = measured(write_model(), "--size", "32x24", *QUICK)
    (row,) = report["rows"]
    assert "upload_ms" not in row["model_only"] and "end_to_end" not in row and "roof" not in row
    assert "null" not in json.dumps(report)
    if not Path("/sys/bus/i2c/drivers/ina3221").exists() and "gpus" not in report["machine"]:
        assert "watts" not in row["resources"] and "joules_per_frame" not in row


def test_a_clip_is_followed_through_all_stages(write_clip: WriteClip, write_model: WriteModel) -> None:
    clip = write_clip(frames=5, size=(96, 64))
    report = measured(write_model("invert"), "--input", clip, *QUICK)
    (row,) = report["rows"]
    whole = row["end_to_end"]
    assert row["frame_size"] == whole["frame_size"] == [96, 64]
    assert whole["frames"] == 3 * whole["ratio"]["rounds"] == whole["account"]["frame_ms"]["count"]
    stages = whole["account"]["stages"]
    assert list(stages) == ["decode", "wait", "compute", "encode"]
    assert sum(stage["time_ms"]["mean"] for stage in stages.values()) == pytest.approx(
        whole["account"]["frame_ms"]["mean"], rel=0.01
    )
    assert sum(stage["share"] for stage in stages.values()) == pytest.approx(1, rel=0.01)
    assert whole["slowest_alone"] == min(whole["alone_fps"], key=whole["alone_fps"].get)
    assert "age_ms" not in whole and "dropped" not in whole
    # names and types are those of a benchmark that is kept, which was longer and measured the peak too
    kept = read_report(KEPT)
    measured_too = {name for name in shape(kept) if name.startswith(OF_LONG_RUNS)}
    assert shape(report) == shape(kept) - measured_too | {"peaks list"}


def test_a_live_source_has_ages_instead(write_model: WriteModel) -> None:
    arguments = [argument for argument in QUICK if argument not in ("--frames", "3")]
    with LiveServer(fps=25, size=(96, 64)) as server:
        report = measured(write_model("invert"), "--input", server.url, *arguments, "--seconds", "1")
    whole = report["rows"][0]["end_to_end"]
    assert whole["frame_size"] == [96, 64] and next(iter(whole["account"]["stages"])) == "capture"
    assert whole["captured"] - whole["dropped"] == whole["frames"] == whole["age_ms"]["count"] > 0
    assert "alone_fps" not in whole and "ratio" not in whole


def test_a_live_source_that_is_not_there(write_model: WriteModel) -> None:
    code, out, err = bench(write_model(), "--input", "rtsp://me:secret@127.0.0.1:9/x", *QUICK)
    (row,) = json.loads(out.splitlines()[-1])["rows"]
    assert code == 1 and err.count("\n") == 1 and "secret" not in out + err
    assert "can't be reached" in row["failed"] and row["model_only"]["calls"] == 3


def test_the_clip_begins_again_with_later_times(write_clip: WriteClip) -> None:
    clip = write_clip(frames=4, fps=25, paint=lambda index: picture(60 * index, (64, 48)))
    with RepeatedClip(clip, frames=10) as source:
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(10))
    assert [float(frame.pts) for frame in frames] == pytest.approx([k / 25 for k in range(10)])
    shades = [int(frame.image.mean()) for frame in frames]
    assert np.abs(np.diff(np.array(shades[:8]).reshape(2, 4), axis=0)).max() <= 1
    with RepeatedClip(clip, seconds=3, clock=iter(range(100)).__next__) as source:
        assert len(list(source)) == 3


def test_every_combination_has_a_row(write_model: WriteModel) -> None:
    model, fixed = write_model("invert"), write_model("invert", (1, 24, 32, 3), name="fixed")
    wanted = Wanted([str(model), str(fixed)], ["all"], [1, 4], [(32, 24), (64, 48)])
    cases = cases_of(wanted)
    assert len({(c.name, c.backend, c.batch, c.size) for c in cases}) == len(cases) == 2 * 6 * 2 * 2
    refused = {(c.batch, c.size): c.refused for c in cases if c.name == "fixed" and c.backend == "openvino"}
    assert refused.pop((1, (32, 24))) == ""
    assert "--batch 4" in refused[4, (32, 24)] and "32x24 only" in refused[1, (64, 48)]
    assert not any(case.refused for case in cases if case.name == "invert")
    with pytest.raises(ConfigError, match="known: auto"):
        Wanted(["m.onnx"], ["cuda"])


def test_a_batch_is_counted_in_frames(write_model: WriteModel) -> None:
    report = measured(write_model("invert"), "--size", "32x24", "--batch", "1,4", *QUICK)
    one, four = report["rows"]
    assert (one["batch"], four["batch"], four["model_only"]["calls"]) == (1, 4, 3)
    spent_s = four["model_only"]["latency_ms"]["mean"] * 3 / 1e3
    assert four["model_only"]["fps"] <= 12 / spent_s * 1.001


def test_a_model_that_fails_in_the_middle(write_clip: WriteClip, write_model: WriteModel) -> None:
    clip = write_clip(frames=6, paint=lambda index: picture(20 if index < 3 else 240, (64, 48)))
    brittle, sound = write_model("fails"), write_model("invert")
    report = measured(brittle, sound, "--input", clip, *QUICK, "--frames", "4")
    failed, row = report["rows"]
    assert "failed:" in failed["failed"] and "\n" not in failed["failed"]
    assert failed["first_frame_ms"] > 0 and "model_only" not in failed
    assert row["failed"] == "" and row["end_to_end"]["frames"] > 0


def test_nothing_to_measure_is_one_line(write_model: WriteModel, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    text.with_suffix(".md").write_text("dear")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "bench.json").write_text("dear")
    model = write_model()
    for arguments, wanted in (
        ([tmp_path / "none.onnx"], "no such model file"),
        ([model, "--input", tmp_path / "none.mp4"], "none.mp4"),
        ([model, "--input", text], "text.mp4"),
        ([model, "--input", text, "--size", "32x24"], "--size"),
        ([model, "--size", "12"], "expected WIDTHxHEIGHT"),
        ([model, "--batch", "1,x"], "expected whole numbers"),
        ([model, "--backend", "cuda"], "unknown backend 'cuda'"),
        ([model, "--backend", "tensorrt", "--no-peak"], "unit-edge build"),
        ([model, "-o", "out.txt"], "expected a .json, .csv or .md file"),
        ([model, "-o", tmp_path / "none" / "out.json"], "make it first"),
        ([model, "-o", text.with_suffix(".md")], "exists already; add --overwrite"),
        ([model, "-o", tmp_path / "folder"], "bench.json: exists already; add --overwrite"),
        ([], "give MODELs"),
        ([model, "--from", "x.json"], "just one"),
        (["--from", tmp_path / "none.json"], "no such file"),
        (["--from", text], "JSON"),
        (["--from", model.with_suffix(".json")], "not a benchmark"),
    ):
        code, out, err = bench(*arguments)
        assert code == 1 and wanted in err and err.startswith("error: ") and err.count("\n") == 1, err
        assert out == ""


def test_streams_that_do_not_fit() -> None:
    check_memory(5, opened=2, each=100, free=400)
    with pytest.raises(BackendError, match=r"9 streams need 0\.7 GiB .*--streams 5"):
        check_memory(9, opened=2, each=100 << 20, free=400 << 20)


def test_several_streams(write_model: WriteModel, write_clip: WriteClip) -> None:
    report = measured(write_model("invert"), "--input", write_clip(frames=4), *QUICK, "--streams", "2")
    (row,) = report["rows"]
    assert row["model_only"]["calls"] == 6 and row["streams"] == 2
    assert row["end_to_end"]["frames"] == 2 * 3 * 6 and "ratio" not in row["end_to_end"]


def test_a_process_that_dies_is_a_failed_row() -> None:
    with BenchWorker(StopWish()) as worker, pytest.raises(CaseFailed, match="killed"):
        os.kill(worker.pid, signal.SIGKILL)
        worker.ask("calls", seconds=0, calls=1)


def test_two_things_take_turns(write_model: WriteModel) -> None:
    slow, model = write_model("slow"), write_model("invert")
    report = measured(slow, "--vs", model, "--size", "64x48", *QUICK)
    (pair,) = report["versus"]
    ratio = pair["time_ratio"]
    assert [row["model"] for row in report["rows"]] == ["slow", "invert"]
    assert "slow" in pair["row"] and "invert" in pair["against"] and ratio["rounds"] == 12
    assert 1 < ratio["low"] <= ratio["median"] <= ratio["high"]  # sixteen 31x31 blurs against one subtraction
    pytest.importorskip("openvino")
    report = measured(model, "--vs", "openvino", "--size", "64x48", *QUICK)
    assert [row["backend"] for row in report["rows"]] == ["onnxruntime", "openvino"]


def test_every_file(write_clip: WriteClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="plots need the bench extra")
    pytest.importorskip("onnx", reason="counting what a model takes needs the export extra")
    folder = tmp_path / "results"
    model, clip = tmp_path / "load.onnx", write_clip(frames=4)
    load = Load(kernel=3, layers=2, channels=32, side=64)
    write_load(model, "fp32", load)
    monkeypatch.setitem(peak.LOADS, "cpu", (load,))  # smaller than what fills a processor
    arguments = [argument for argument in QUICK if argument != "--no-peak"]
    report = measured(model, "--input", clip, *arguments, "--seconds", "0.1", "-o", folder)
    assert {path.name for path in folder.iterdir()} == {
        *("bench.json", "bench.csv", "README.md"),
        *("latency.png", "stages.png", "fps.png", "roofline.png"),
    }
    roof, fps = report["rows"][0]["roof"], report["rows"][0]["model_only"]["fps"]
    assert roof["operations"] == load.operations
    assert roof["tflops"] == pytest.approx(load.operations * fps / 1e12, rel=1e-4)
    assert roof["share"] == pytest.approx(roof["tflops"] / report["peaks"][0]["tflops"], rel=1e-4)
    assert json.loads((folder / "bench.json").read_text()) == report
    (line,) = csv.DictReader((folder / "bench.csv").open())
    assert float(line["model_only.latency_ms.p99"]) == report["rows"][0]["model_only"]["latency_ms"]["p99"]
    page = (folder / "README.md").read_text()
    assert "| load | onnxruntime | fp32 | 1 | 64x48 |" in page and "![stages](stages.png)" in page
    assert all(path.read_bytes()[1:4] == b"PNG" for path in folder.glob("*.png"))
    again = tmp_path / "again.json"
    assert measured("--from", folder / "bench.json", "-o", again) == json.loads(again.read_text()) == report
    known = (Path(__file__).parents[3] / "docs" / "bench.md").read_text()
    undocumented = {name for name in names_in(report) if f"`{name}`" not in known}
    assert not undocumented


def names_in(value: Any) -> set[str]:
    """Every key of the JSON, but those of the settings' and machine's own."""
    if isinstance(value, dict):
        return {str(name) for name in value} | {name for item in value.values() for name in names_in(item)}
    return {name for item in value for name in names_in(item)} if isinstance(value, list) else set()


def scaled(report: dict[str, Any], factor: float) -> None:
    alone = report["rows"][0]["model_only"]
    alone["fps"] *= factor
    alone["latency_ms"] = {name: value / factor for name, value in alone["latency_ms"].items()}


def test_comparing(write_model: WriteModel, tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    measured(write_model("invert"), write_model(), "--size", "32x24", *QUICK, "-o", old)

    def compared(change: Callable[[dict[str, Any]], object], *options: str) -> tuple[int, str]:
        report = json.loads(old.read_text())
        change(report)
        new.write_text(json.dumps(report))
        code, out, _ = bench("--compare", old, new, *options)
        return code, out

    code, out = compared(lambda report: None)
    assert code == 0 and json.loads(out.splitlines()[-1])["regressions"] == 0
    code, out = compared(lambda report: scaled(report, 0.01))
    assert code == 3 and "slower   invert on onnxruntime" in out and "0.010 x the FPS" in out
    assert json.loads(out.splitlines()[-1])["changes"][0]["verdict"] == "slower"
    assert compared(lambda report: scaled(report, 100))[0] == 0
    assert compared(lambda report: scaled(report, 0.01), "--tolerance", "0.995")[0] == 0
    # what scatters more than it changed is no proof
    code, out = compared(lambda report: report["rows"][0]["model_only"].update(fps=0.001))
    assert code == 0 and "same     invert" in out and "slower" not in out

    code, out = compared(lambda report: report["rows"].pop())
    assert code == 0 and "missing  identity" in out
    code, out = compared(lambda report: report["rows"][1].update(model="other"))
    assert code == 0 and "new      other" in out

    def fail(report: dict[str, Any]) -> None:
        del report["rows"][1]["model_only"]
        report["rows"][1]["failed"] = "broken"

    code, out = compared(fail)
    assert code == 3 and "failed   identity" in out

    def elsewhere(report: dict[str, Any]) -> None:
        report["rows"][1]["spoilers"] = ["the machine runs on its battery"]
        report["rows"][0]["spoilers"] = []
        report["machine"]["cores"] = 128
        report["rows"][0]["sha256"] = "another"

    _, out = compared(elsewhere)
    assert re.search(r"mind: cores: \d+ then, 128 now", out) and "another model file" in out
    assert "mind: new: 1 of 2 rows spoilt: the machine runs on its battery" in out


def _as_from_a_terminal() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ctrl_c_prints_what_it_has(write_model: WriteModel, tmp_path: Path) -> None:
    model, slow = write_model("invert"), write_model("slow")
    command = [*MAIN, "bench", str(model), str(slow), *QUICK, "--frames", "200", "--size", "320x240"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_as_from_a_terminal
    ) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert first.startswith("invert on onnxruntime")
    report = json.loads(out.splitlines()[-1])
    assert process.returncode == 130 and "stopped" in err and "Traceback" not in err
    assert report["interrupted"] is True
    done, cut = report["rows"]
    assert done["model_only"]["calls"] == 200 and "stopped" in cut["failed"]


def test_folders_of_killed_measurements_go_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, days in (("unit-edge-bench-old", 2), ("unit-edge-bench-new", 0), ("mine", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "load.onnx").write_bytes(b"x")
        then = time.time() - days * 86_400
        os.utime(tmp_path / name, (then, then))
    benchmark([], Settings(peak=False), StopWish())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "unit-edge-bench-new"]
