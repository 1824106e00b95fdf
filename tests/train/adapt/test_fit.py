"""An adaptation from settings to its run folder: resumed, interrupted, refused, and whether it learns."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from digit_sets import make_data, save, settings, written
from safetensors.numpy import load_file
from scipy.io import savemat

from unit_edge.config import LogConfig, OptimConfig
from unit_edge.config.adapt import AdaptConfig, AdaptLossConfig, DigitNetworkConfig, DigitsConfig, source_only
from unit_edge.errors import CheckpointError, DataError
from unit_edge.interrupt import Interrupted
from unit_edge.train.adapt import state as adapt_state
from unit_edge.train.adapt.digits import read_digits
from unit_edge.train.adapt.evaluate import accuracy, confusion, without_labels
from unit_edge.train.adapt.fit import adapt
from unit_edge.train.adapt.state import load_adaptation, load_run_settings
from unit_edge.train.run.checkpoint import load_run_config


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make_data(tmp_path / "data")
    return tmp_path / "data"


def weights(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "weights.safetensors")


def test_a_run_leaves_what_a_user_needs(root: Path, tmp_path: Path) -> None:
    run, config = tmp_path / "run", settings()
    result = adapt(config, run, data_root=root, device="cpu")
    assert result is not None and result.images == 20
    assert load_run_settings(run) == config
    nets = load_adaptation(run, config)
    again = accuracy(nets, config, [read_digits(root / "thick/test.npz", 1)])
    assert np.array_equal(again.confusion, result.confusion)
    assert cv2.imread(str(run / "contact-sheet.png")).shape[1] > 12 * 64
    assert (run / "samples" / "0000006.png").is_file()
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    terms = {"class1", "gan1_d", "gan2_d", "features", "translated", "consistency"}
    terms |= {f"{name}{domain}" for name in ("kl", "reconstruction", "gan") for domain in (1, 2)}
    assert terms < set(next(line for line in lines if line["step"] == 6))
    assert {"confidence", "agreement", "rarest"} < set(lines[-1])


@pytest.mark.parametrize("stop_at", [1, 4])
def test_resumed_as_if_never_stopped(
    stop_at: int, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(inverted=True)
    adapt(config, tmp_path / "whole", data_root=root, device="cpu")
    advance = adapt_state.AdaptState.advance

    def stopping(state: adapt_state.AdaptState, batch: object) -> dict[str, float]:
        if state.step == stop_at - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return advance(state, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(adapt_state.AdaptState, "advance", stopping)
    with pytest.raises(Interrupted):
        adapt(config, tmp_path / "cut", data_root=root, device="cpu")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    adapt(config, tmp_path / "cut", data_root=root, resume=True, device="cpu")
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert whole.keys() == cut.keys()
    assert all(np.array_equal(whole[name], cut[name]) for name in whole)
    logs = [(tmp_path / name / "log.jsonl").read_text() for name in ("whole", "cut")]
    assert logs[0] == logs[1]


def test_labels_of_the_target_change_nothing(root: Path, tmp_path: Path) -> None:
    adapt(settings(), tmp_path / "a", data_root=root, device="cpu")
    with np.load(root / "thick/train.npz") as file:
        images, labels = file["x"], file["y"]
    save(root / "thick/train.npz", images, labels[::-1])
    adapt(settings(), tmp_path / "b", data_root=root, device="cpu")
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_source_only_never_looks_at_the_target(root: Path, tmp_path: Path) -> None:
    config = source_only(settings())
    adapt(config, tmp_path / "a", data_root=root, device="cpu")
    with np.load(root / "thick/train.npz") as file:
        images, labels = file["x"], file["y"]
    save(root / "thick/train.npz", 255 - images, labels)
    adapt(config, tmp_path / "b", data_root=root, device="cpu")
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_it_learns_to_read_the_unlabelled_domain(root: Path, tmp_path: Path) -> None:
    for name, side, thickness in (("thin", 28, 1), ("thick", 16, 2)):
        save(root / name / "train.npz", *written(400, side, thickness, 5))
        save(root / name / "test.npz", *written(100, side, thickness, 6))
    optim = OptimConfig(steps=120, batch=10, lr=2e-3, ema=0.9, warmup_steps=40)
    config = settings(DigitNetworkConfig(width=4, init="kaiming-half"), optim=optim)
    log = LogConfig(print_every=40, sample_every=120, evaluate_every=120, tensorboard=False)
    config = replace(config, loss=replace(config.loss, confidence=0.8), log=log)
    result = adapt(config, tmp_path / "run", data_root=root, device="cpu")
    assert result is not None and result.share > 0.9


@pytest.mark.parametrize("broken", ["labels", "missing", "truncated", "empty class", "test set"])
def test_bad_data_is_refused_before_anything_is_written(broken: str, root: Path, tmp_path: Path) -> None:
    path = root / ("thick/test.npz" if broken == "test set" else "thick/train.npz")
    images, labels = written(40, 16, 2, 0)
    if broken == "missing":
        path.unlink()
    elif broken == "truncated":
        path.write_bytes(path.read_bytes()[:300])
    elif broken == "empty class":
        save(path, images[labels > 0], labels[labels > 0])
    else:
        save(path, images, labels + 1)
    with pytest.raises(DataError, match=path.name):
        adapt(settings(), tmp_path / "run", data_root=root, device="cpu")
    assert not (tmp_path / "run").exists()


def test_other_runs_are_refused(root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    adapt(settings(), run, data_root=root, device="cpu")
    with pytest.raises(CheckpointError, match="there is a run already"):
        adapt(settings(), run, data_root=root, device="cpu")
    other = settings(DigitNetworkConfig(width=3))
    with pytest.raises(CheckpointError, match=r"network.width 2 there, 3 here"):
        adapt(other, run, data_root=root, resume=True, device="cpu")
    other = settings(inverted=True)
    with pytest.raises(CheckpointError, match=r"source.inverted False there, True here"):
        adapt(other, run, data_root=root, resume=True, device="cpu")
    untested = replace(settings(), target=replace(settings().target, test=()))
    assert adapt(untested, run, data_root=root, resume=True, device="cpu") is None
    with pytest.raises(CheckpointError, match="is a run of `unit-edge adapt`"):
        load_run_config(run)


def svhn_settings() -> AdaptConfig:
    return replace(
        settings(),
        source=DigitsConfig("svhn", ("svhn/train_32x32.mat", "svhn/extra_32x32.mat")),
        target=DigitsConfig("thin", ("thin/train.npz",), ("thin/test.npz",), inverted=True),
        network=DigitNetworkConfig(width=2, channels=3, coordinates=True, discriminator="table-5"),
        loss=AdaptLossConfig(),
        optim=OptimConfig(steps=2, batch=4),
    )


def test_svhn_to_mnist_on_a_stand_in(root: Path, tmp_path: Path) -> None:
    (root / "svhn").mkdir()
    for part in ("train", "extra"):
        images, labels = written(20, 32, 1, 0)
        y = np.where(labels == 0, 10, labels)[:, None]
        savemat(
            root / f"svhn/{part}_32x32.mat", {"X": np.stack([images] * 3, 3).transpose(1, 2, 3, 0), "y": y}
        )
    result = adapt(svhn_settings(), tmp_path / "run", data_root=root, device="cpu")
    assert result is not None and result.images == 20
    shape = weights(tmp_path / "run")["unit.encoders.0.0.weight"].shape
    assert shape == (2, 5, 5, 5), "red, green, blue, x and y"


def test_accuracy_by_hand() -> None:
    result = confusion(np.array([0, 0, 3, 9]), np.array([0, 7, 3, 3]))
    assert result.share == 0.5 and result.images == 4
    assert result.by_class() == [0.5, None, None, 1.0, None, None, None, None, None, 0.0]
    assert result.confusion[0, 7] == 1


def test_what_can_be_said_without_labels(root: Path, tmp_path: Path) -> None:
    adapt(settings(), tmp_path / "run", data_root=root, device="cpu")
    nets = load_adaptation(tmp_path / "run", settings())
    nets.discriminator.digit.weight.data.zero_()
    nets.discriminator.digit.bias.data[:] = 0
    nets.discriminator.digit.bias.data[4] = 2.0  # always a 4, with probability e²/(9 + e²)
    values = without_labels(nets, read_digits(root / "thick/train.npz", 1).images)
    expected = {"confidence": np.e**2 / (9 + np.e**2), "agreement": 1.0, "rarest": 0.0}
    assert values == pytest.approx(expected, rel=1e-5)
