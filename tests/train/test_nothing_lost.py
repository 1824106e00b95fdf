"""Real processes, really killed: what a run has learnt is never lost, and never half-written."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from unit_edge.config import RunConfig, as_dict
from unit_edge.train import fit

CHILD = Path(__file__).parent / "helpers" / "child.py"
LAST = Path("checkpoints", "step-0000030", "training.safetensors")


@pytest.fixture
def long(config: RunConfig) -> RunConfig:
    optim = replace(config.optim, steps=30, batch=2, warmup_steps=5)
    log = replace(config.log, sample_every=7, checkpoint_every=4, tensorboard=False)
    return replace(config, optim=optim, log=log)


def start(
    config: RunConfig, run: Path, images: Path, *options: str, processes: int = 1
) -> subprocess.Popen[str]:
    settings = images / "settings.json"
    settings.write_text(json.dumps(as_dict(config)))
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.Popen(
        [*command, str(CHILD), str(settings), str(run), str(images), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )


def finish(child: subprocess.Popen[str], code: int = 0) -> str:
    _, errors = child.communicate(timeout=120)
    assert child.returncode == code, errors
    assert "Traceback" not in errors
    return errors


def wait_for(run: Path, step: int, child: subprocess.Popen[str]) -> None:
    """Until the run has logged a step."""
    log, ended = run / "log.jsonl", False
    while not (log.exists() and f'"step": {step},' in log.read_text()):
        if ended:
            pytest.fail(f"the run ended before step {step}: {child.communicate()[1]}")
        ended = child.poll() is not None
        time.sleep(0.002)


def same(a: Path, b: Path) -> bool:
    first, second = load_file(a / LAST), load_file(b / LAST)
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_sigkill_at_random_moments_changes_not_a_bit(long: RunConfig, images: Path) -> None:
    fit.fit(long, images / "whole", data_root=images, device="cpu")
    rng = np.random.default_rng()
    run = images / "killed"
    for number, options in enumerate(((), ("--resume",))):
        child = start(long, run, images, *options)
        wait_for(run, int(rng.integers(2, 12)) + 14 * number, child)
        time.sleep(rng.uniform(0, 0.02))
        child.send_signal(signal.SIGKILL)
        child.communicate()
    fit.fit(long, run, data_root=images, resume=True, device="cpu")
    assert same(images / "whole", run)
    assert (images / "whole" / "log.jsonl").read_text() == (run / "log.jsonl").read_text()
    assert not list(run.rglob(".*"))


def test_sigterm_saves_and_ends_cleanly(long: RunConfig, images: Path) -> None:
    run = images / "run"
    child = start(replace(long, log=replace(long.log, checkpoint_every=1000)), run, images)
    wait_for(run, 3, child)
    child.send_signal(signal.SIGTERM)
    errors = finish(child, 128 + signal.SIGTERM)
    assert "is saved; go on with --resume" in errors
    (saved,) = (run / "checkpoints").iterdir()
    assert saved.name >= "step-0000003"
    fit.fit(long, images / "whole", data_root=images, device="cpu")
    fit.fit(long, run, data_root=images, resume=True, device="cpu")
    assert same(images / "whole", run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_warm_up_saves_it(long: RunConfig, images: Path, number: signal.Signals) -> None:
    """With dropout, whose masks must go on as well."""
    optim = replace(long.optim, steps=3, warmup_steps=60)
    log, network = replace(long.log, checkpoint_every=1000), replace(long.network, dropout=0.3)
    settings, run = replace(long, optim=optim, log=log, network=network), images / "run"
    child = start(settings, run, images)
    while not (run / "samples").exists() and child.poll() is None:  # made just before the warm-up
        time.sleep(0.002)
    child.send_signal(number)
    errors = finish(child, 128 + number)
    (saved,) = (run / "checkpoints").iterdir()
    state = json.loads((saved / "state.json").read_text())
    assert (state["step"], saved.name) == (0, "step-0000000") and 1 <= state["warm_up"] < 60
    assert f"step {state['warm_up']} of the warm-up is saved; go on with --resume" in errors
    assert not (run / "log.jsonl").exists() and not (run / "weights.safetensors").exists()
    fit.fit(settings, images / "whole", data_root=images, device="cpu")
    fit.fit(settings, run, data_root=images, resume=True, device="cpu")
    last = Path("checkpoints", "step-0000003", "training.safetensors")
    whole, resumed = load_file(images / "whole" / last), load_file(run / last)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_full_disk_leaves_the_checkpoint_before(long: RunConfig, images: Path) -> None:
    """A limit on the size of files stands for the full disk: writing fails in the middle of a file."""
    run = images / "run"
    short = replace(long, optim=replace(long.optim, steps=4))
    fit.fit(short, run, data_root=images, device="cpu")
    before = {path.name: path.read_bytes() for path in (run / "checkpoints" / "step-0000004").iterdir()}
    limit = max(map(len, before.values())) // 2
    settings = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, settings[1]))
    try:
        child = start(long, run, images, "--resume")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, settings)
    errors = finish(child, 1)
    assert "step-0000008: can't be written" in errors
    assert "earlier checkpoints are untouched" in errors
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert names == ["step-0000000", "step-0000004"]  # the former is the warm-up's
    for name, content in before.items():
        assert (run / "checkpoints" / "step-0000004" / name).read_bytes() == content
    fit.fit(long, run, data_root=images, resume=True, device="cpu")


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_and_one_goes_on(long: RunConfig, images: Path) -> None:
    """Rounding differs, as sums are taken in another order, so the weights are close, not equal."""
    half = replace(long, optim=replace(long.optim, steps=12, decay_from=1.0, lr=1e-4))
    fit.fit(half, images / "one", data_root=images, device="cpu")
    errors = finish(
        start(replace(half, optim=replace(half.optim, steps=8)), images / "two", images, processes=2)
    )
    assert "error" not in errors
    log = [json.loads(line) for line in (images / "two" / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == list(range(1, 9))
    fit.fit(half, images / "two", data_root=images, resume=True, device="cpu")
    one, two = (load_file(images / name / "weights.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=2e-4, msg=name)
