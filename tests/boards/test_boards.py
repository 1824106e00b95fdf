"""The table of boards against published totals, the prediction against sums by hand, and the command."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import cli_output as cli

from unit_edge.boards.board import PRECISIONS, Board
from unit_edge.boards.find import USUAL, all_boards, find_board
from unit_edge.boards.roofline import BANDWIDTH_SHARE, PEAK_SHARE, precisions_of, predict
from unit_edge.errors import ConfigError, ModelError
from unit_edge.manifests.costs import Costs, CostsAt
from unit_edge.manifests.model import Manifest
from unit_edge.registry import bundled_models

NAMES = [board.name for board in all_boards()]
FIGURES = ("memory_gb", "bandwidth_gb_s", "fp32_tflops", "fp16_tflops", "int8_tops")

# Totals as NVIDIA publishes them: int8 TOPS, sparse, GPU and DLAs together; what the DLAs have of it.
# The one DLA of an Orin NX 8GB is taken for half of the two of a 16GB.
SPARSE_TOTALS = {
    "orin-nano-4gb": (20, 0),
    "orin-nano-8gb": (40, 0),
    "orin-nano-4gb-super": (34, 0),
    "orin-nano-8gb-super": (67, 0),
    "orin-nx-8gb": (70, 20),
    "orin-nx-16gb": (100, 40),
    "orin-nx-8gb-super": (117, 40),
    "orin-nx-16gb-super": (157, 80),
    "agx-orin-64gb": (171 + 105, 105),
}


@pytest.mark.parametrize("name", SPARSE_TOTALS)
def test_dense_peaks_are_half_of_what_is_advertised_for_the_gpu(name: str) -> None:
    total, dla = SPARSE_TOTALS[name]
    board = find_board(name)
    assert board.int8_tops == pytest.approx((total - dla) / 2, rel=0.03)
    assert board.fp16_tflops == pytest.approx((total - dla) / 4, rel=0.03)
    assert (board.dla > 0) == (dla > 0)


def test_fp32_peaks_that_are_published() -> None:
    assert find_board("agx-orin-64gb").fp32_tflops == pytest.approx(5.3, abs=0.05)
    assert find_board("thor-t5000").fp32_tflops == pytest.approx(8.064)
    assert find_board("x86-2-cores").fp32_tflops == pytest.approx(0.160)


def test_bandwidths_are_bus_width_times_rate() -> None:
    """Bits and MT/s as the data sheets have them."""
    buses = {"orin-nano-4gb": (64, 4266), "orin-nano-8gb-super": (128, 6400), "raspberry-pi-5": (32, 4267)}
    for name, (bits, rate) in buses.items():
        assert find_board(name).bandwidth_gb_s == pytest.approx(bits / 8 * rate / 1000, rel=0.01)


def test_names_are_unique_and_cover_what_is_asked_for() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for family in ("orin-nano", "orin-nx", "agx-orin", "xavier-nx", "thor", "rtx", "x86", "raspberry-pi-5"):
        assert any(name.startswith(family) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_a_source_and_every_gap_a_note(name: str) -> None:
    board = find_board(name)
    for figure in FIGURES:
        key = "peaks" if figure.endswith(("flops", "tops")) else figure
        if getattr(board, figure) is None:
            assert any(note.startswith(figure.partition("_")[0]) for note in board.notes), figure
        else:
            assert board.sources[key]
    assert (board.kind == "gpu") == (board.compute_capability is not None)
    for field, value in (
        ("software", board.software),
        ("power_modes", board.power_modes),
        ("dla", board.dla),
    ):
        assert not value or board.sources[field]


def test_an_unknown_board_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown board 'orin_nano_8'; did you mean orin-nano-8gb"):
        find_board("orin_nano_8")
    with pytest.raises(ConfigError, match="unknown board 'toaster'; known: orin-nano-4gb, "):
        find_board("toaster")


def test_a_familys_name_stands_for_one_of_it() -> None:
    assert find_board("orin-nano").name == "orin-nano-8gb"
    for family, name in USUAL.items():
        assert family not in NAMES and find_board(family) is find_board(name)
        assert name.startswith(family) and not name.endswith("-super")


def made_up(**figures: Any) -> Board:
    values: dict[str, Any] = {
        "fp32_tflops": 1.0,
        "fp16_tflops": 4.0,
        "int8_tops": None,
        "bandwidth_gb_s": 10.0,
    }
    return dataclasses.replace(find_board("orin-nano-8gb"), **{**values, **figures})


FRAME_BYTES = 2 * 3 * 640 * 480
BUSY = CostsAt((640, 480), macs=10**10, traffic_bytes=FRAME_BYTES + 1000, activations_bytes=0)
HEAVY = CostsAt((640, 480), macs=1000, traffic_bytes=FRAME_BYTES + 6 * 10**8, activations_bytes=0)


def test_arithmetic_decides_by_hand() -> None:
    """2 x 10^10 operations at a share of 10^12, or of 4 x 10^12, a second."""
    single, half = predict(BUSY, made_up(), "fp32"), predict(BUSY, made_up(), "fp16")
    assert single is not None and half is not None
    assert (single.bound, half.bound) == ("arithmetic", "arithmetic")
    assert single.fps == pytest.approx(50 * PEAK_SHARE["gpu"])
    assert half.fps == pytest.approx(200 * PEAK_SHARE["gpu"])


def test_memory_decides_by_hand() -> None:
    """6 x 10^8 bytes and the frames at a share of 10^10 a second; fp16 halves all but the frames."""
    share = BANDWIDTH_SHARE * 1e10
    for precision, model, moved in (("fp32", "fp32", 6e8), ("fp16", "fp32", 3e8), ("fp16", "fp16", 6e8)):
        prediction = predict(HEAVY, made_up(), precision, model)
        assert prediction is not None and prediction.bound == "memory"
        assert prediction.fps == pytest.approx(share / (moved + FRAME_BYTES))


def test_what_is_unknown_is_not_predicted() -> None:
    assert predict(BUSY, made_up(), "int8") is None
    assert predict(BUSY, made_up(bandwidth_gb_s=None), "fp32") is None
    assert precisions_of("fp32") == PRECISIONS
    assert precisions_of("int8") == ("int8",)


def test_bundled_models_say_what_they_take() -> None:
    for _, manifest in bundled_models():
        assert manifest.costs is not None
        assert [at.frame_size for at in manifest.costs.at] == [(640, 480), (1280, 720), (1920, 1080)]
        vga, hd, full_hd = manifest.costs.at
        assert vga.macs < hd.macs == full_hd.macs  # behind the guided head, only the aspect ratio matters
        assert vga.traffic_bytes < hd.traffic_bytes < full_hd.traffic_bytes


COSTS = Costs(5, 20, (CostsAt((64, 48), 10**9, 10**6, 1000),))


def test_costs_survive_the_manifest_and_old_manifests_are_read(write_model: Callable[..., Path]) -> None:
    path = write_model(costs=COSTS).with_suffix(".json")
    assert Manifest.read(path).costs == COSTS
    raw = json.loads(path.read_text())
    del raw["costs"]
    path.write_text(json.dumps(raw))
    assert Manifest.read(path).costs is None


@pytest.mark.parametrize(
    "damage",
    [{"parameters": -1}, {"parameters": "many"}, {"at": [{"frame_size": [64]}]}, {"at": None}, {"at": [{}]}],
    ids=str,
)
def test_damaged_costs_are_one_error(write_model: Callable[..., Path], damage: dict[str, Any]) -> None:
    path = write_model(costs=COSTS).with_suffix(".json")
    raw = json.loads(path.read_text())
    raw["costs"] |= damage
    path.write_text(json.dumps(raw))
    with pytest.raises(ModelError, match="damaged manifest"):
        Manifest.read(path)


def test_the_command_lists_all() -> None:
    code, output = cli("boards")
    assert code == 0
    rows = {line.split()[0]: line.split()[1:] for line in output.splitlines()}
    assert set(NAMES) <= set(rows)
    assert rows["orin-nano-8gb"][:6] == ["8", "68.3", "1.28", "10.2", "20.5", "8.7"]
    assert rows["xavier-nx"][4] == "-"


def test_the_command_predicts(write_model: Callable[..., Path]) -> None:
    model = write_model(shape=(1, 48, 64, 3), costs=COSTS)
    code, output = cli("boards", model)
    assert code == 0 and "predicted, not measured" in output and "1.00 GMAC" in output
    row = next(line.split() for line in output.splitlines() if line.startswith("raspberry-pi-5"))
    assert float(row[1]) == pytest.approx(PEAK_SHARE["cpu"] * 0.1536e12 / 2e9, rel=0.01)
    assert row[2:] == ["arithmetic", "-", "-"]
    entries = json.loads(cli("boards", model, "--json")[1])
    assert entries["macs"] == 10**9
    pi = next(entry for entry in entries["boards"] if entry["name"] == "raspberry-pi-5")
    assert pi["predicted"]["fp32"]["fps"] == pytest.approx(float(row[1]), rel=0.01)
    assert pi["predicted"]["int8"] is None


def test_one_board_with_its_sources() -> None:
    code, output = cli("boards", "--board", "xavier-nx")
    assert code == 0
    assert "source of bandwidth_gb_s: NVIDIA" in output and "note: int8 peak" in output
    assert "rtx-4090" not in output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--board", "orin-nano-8g"], "did you mean orin-nano-8gb, orin-nano-8gb-super?"),
        (["missing.onnx"], "no such model file"),
        (["--size", "64x48"], "--size without a MODEL"),
        (["MODEL", "--size", "640"], "expected WIDTHxHEIGHT"),
        (["MODEL", "--size", "640x480"], "takes frames of 64x48, not 640x480"),
    ],
)
def test_errors_are_one_line(write_model: Callable[..., Path], arguments: list[str], expected: str) -> None:
    model = str(write_model(shape=(1, 48, 64, 3), costs=COSTS))
    code, output = cli("boards", *[model if argument == "MODEL" else argument for argument in arguments])
    assert code == 1 and output.startswith("error: ") and output.count("\n") == 1
    assert expected in output


def without_onnx(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys\nfor name in ('torch', 'onnx', 'safetensors', 'onnxruntime'): sys.modules[name] = None\n"
        "from unit_edge.cli import main\nsys.argv = ['unit-edge', *sys.argv[1:]]\nmain()"
    )
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


def test_a_board_needs_neither_torch_nor_onnx() -> None:
    done = without_onnx("boards", "day2night-edge-s", "--size", "1920x1080")
    assert (done.returncode, done.stderr) == (0, "")
    assert "orin-nano-8gb" in done.stdout
    done = without_onnx("boards", "day2night-edge-s", "--size", "641x480")
    assert (done.returncode, done.stdout) == (1, "")
    assert "only 640x480, 1280x720, 1920x1080" in done.stderr and "[inspect]" in done.stderr
    assert done.stderr.count("\n") == 1
