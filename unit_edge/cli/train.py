"""The command of training."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unit_edge.cli.options.common import (
    ConfigArgument,
    DeviceOption,
    RememberedData,
    ResumeOption,
    SettingsOption,
    needs,
)
from unit_edge.cli.options.limits import MIB_AT_MOST
from unit_edge.cli.terminal.say import echo
from unit_edge.cli.terminal.threads import settle_threads
from unit_edge.errors import ConfigError, DataError

if TYPE_CHECKING:
    from unit_edge.config import RunConfig

_LOOK_AT = 120
_BLEND = "python -m unit_edge.train.run.blend"


def train(
    config: ConfigArgument = None,
    # torchrun takes --run for an abbreviation of an option of its own
    run: Annotated[
        Path | None, typer.Option("--run", "--run-dir", metavar="DIR", help="[default: runs/CONFIG]")
    ] = None,
    data: RememberedData = None,
    resume: ResumeOption = False,
    device: DeviceOption = "auto",
    settings: SettingsOption = None,
    limit_ram: Annotated[
        int | None,
        typer.Option(
            metavar="MIB", min=0, max=MIB_AT_MOST, help="Memory for decoded images (data.limit_ram_mib)."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show settings, sizes, memory and how long it would take.")
    ] = False,
) -> None:
    """Train UNIT on two domains of images that need not be pairs.

    \b
    Examples:
      unit-edge init day night --data DATA -o my.toml
      unit-edge train my.toml --dry-run
      unit-edge train my.toml
      unit-edge train my.toml --run runs/longer --set optim.steps=40000
      unit-edge train --run runs/longer --resume

    Ctrl-C and SIGTERM write a checkpoint first. torchrun trains on several devices, see docs/training.md.
    """
    from unit_edge.settings import load_config, override

    overrides = list(settings or [])
    if limit_ram is not None:
        overrides.append(f"data.limit_ram_mib={limit_ram}")
    if config is None and (run is None or not resume):
        raise ConfigError("say what to train: a CONFIG.toml, or --run DIR --resume to go on with a run")
    given = None if config is None else load_config(config, overrides)  # mistakes are told before torch loads
    settle_threads()
    with needs("train"):
        from unit_edge.train.fit import fit
        from unit_edge.train.run.checkpoint import data_root_of, load_run_config

    if run is None:
        assert config is not None
        run = Path("runs") / config.stem
    chosen = override(load_run_config(run), overrides) if given is None else given
    root = data if data is not None else data_root_of(run) if resume else Path()
    if min(chosen.data.crop) > chosen.data.short_side[1]:
        crop, side = "{}x{}".format(*chosen.data.crop), chosen.data.short_side[1]
        echo(
            f"warning: data.crop {crop} is above data.short_side {side}: pictures are enlarged to it",
            err=True,
        )
    if dry_run:
        _show_what_it_takes(chosen, root, device)
        return
    fit(chosen, run, data_root=root, resume=resume, device=device)
    if os.environ.get("RANK", "0") == "0":
        show_what_is_there(chosen, run)


def _show_what_it_takes(config: RunConfig, root: Path, device: str) -> None:
    from unit_edge.train.bench.dry_run import describe, estimate
    from unit_edge.train.bench.step_time import measure_steps
    from unit_edge.train.start.survey import survey, warnings

    looked = tuple(survey(one, root, config.data, _LOOK_AT) for one in (config.domain1, config.domain2))
    for text in (*warnings((looked[0], looked[1])), *(one.too_small(config.data.crop) for one in looked)):
        if text:
            echo(f"warning: {text}", err=True)
    for one in looked:
        if all(w < config.data.crop[0] or h < config.data.crop[1] for w, h in one.sizes):
            raise DataError(f"domain {one.name}: no picture is as large as the crop; lower data.crop")
    cost = estimate(config)
    echo(describe(config, root, cost))
    echo(f"\n{measure_steps(config, root, device, cost).summary(config)}")


def show_what_is_there(config: RunConfig, run: Path) -> None:
    """The end of a training: what it left, and what to do with it."""
    # the last steps go without adversaries, which no score that came before them knows
    alone = len(config.guide.alone_at(config.optim.steps, config.optim.steps))
    known = {
        "weights.safetensors": "the networks"
        + ", after the steps of the guide alone: take these" * (alone > 0),
        "best.safetensors": "those that scored best" + ", be it before these steps" * (alone > 0),
        "contact-sheet.png": "held-out pictures and their translations",
        "samples": "the same as it went on",
        "log.jsonl": "losses and scores",
    }
    echo(f"{run}: {config.optim.steps} steps are done")
    for name, about in known.items():
        if (run / name).exists():
            echo(f"  {run / name}: {about}")
    if not config.network.encoders:
        return
    quoted, to = shlex.quote(str(run)), config.domain2.name
    scored = (run / "best.safetensors").exists()
    best = " --best" if scored and not alone else ""
    echo(f"next: unit-edge evaluate {quoted}")
    echo(f"      unit-edge export {quoted} --to {to}{best} -o {shlex.quote(f'{run.name}-{to}.onnx')}")
    if scored and alone == 2:
        blended = shlex.quote(f"{run}-blend")
        echo(f"or halfway between the two, often with the better pictures: {_BLEND} {quoted} -o {blended}")
