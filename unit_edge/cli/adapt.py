"""`unit-edge adapt` and `unit-edge accuracy`: digits without labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unit_edge.cli.options.common import (
    ConfigArgument,
    DataRoot,
    DeviceOption,
    ResumeOption,
    SettingsOption,
    needs,
)
from unit_edge.cli.terminal.say import echo, echo_json
from unit_edge.errors import ConfigError
from unit_edge.files.reading import read_json
from unit_edge.files.writing import write_output

if TYPE_CHECKING:
    from unit_edge.train.adapt.evaluate import Accuracy


def adapt(
    config: ConfigArgument = None,
    run: Annotated[Path | None, typer.Option("--run", metavar="DIR", help="[default: runs/CONFIG]")] = None,
    data: DataRoot = Path(),
    resume: ResumeOption = False,
    device: DeviceOption = "auto",
    settings: SettingsOption = None,
    without_target: Annotated[
        bool,
        typer.Option("--source-only", help="Never look at the target: what to compare an adaptation with."),
    ] = False,
) -> None:
    """Train a digit classifier for a domain without labels.

    It is what UNIT's Table 2 measures. The source's images and labels and the target's images are used; the
    target's test set, where the settings name one, only for the accuracy in the end. The last line is JSON.

    \b
    Examples:
      unit-edge adapt train/configs/mnist-to-usps.toml --data DATA
      unit-edge adapt train/configs/usps-to-mnist.toml --data DATA \\
          --run runs/seed1 --set optim.seed=1
      unit-edge adapt train/configs/mnist-to-usps.toml --data DATA \\
          --source-only --run runs/unadapted
      unit-edge adapt --run runs/seed1 --data DATA --resume
      unit-edge accuracy runs/seed1 my-digits/

    Ctrl-C and SIGTERM write a checkpoint first.
    """
    from unit_edge.config.adapt import source_only
    from unit_edge.settings import load_adapt_config, override_adapt

    with needs("train"):
        from unit_edge.train.adapt.fit import adapt as train
        from unit_edge.train.adapt.state import load_run_settings

    overrides = list(settings or [])
    if config is not None:
        chosen = load_adapt_config(config, overrides)
        run = run if run is not None else Path("runs") / config.stem
    elif run is not None and resume:
        chosen = override_adapt(load_run_settings(run), overrides)
    else:
        raise ConfigError("say what to adapt: a CONFIG.toml, or --run DIR --resume to go on with a run")
    if without_target:
        chosen = source_only(chosen)
    result = train(chosen, run, data_root=data, resume=resume, device=device)
    echo(f"{run}: weights.safetensors, contact-sheet.png" + (", accuracy.json" if result else ""))
    if result is not None:
        write_output(run / "accuracy.json", (_as_json(result) + "\n").encode())
        _show(result, ", ".join(chosen.target.test))


def accuracy(
    run_or_model: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|MODEL.onnx", help="A run of `unit-edge adapt`, or its exported classifier."
        ),
    ],
    digits: Annotated[
        Path,
        typer.Argument(
            metavar="DIGITS", help="A .npz (x, y), an SVHN .mat, or a folder with the folders 0 to 9."
        ),
    ],
) -> None:
    """Measure an adapted classifier on labelled digits.

    Images of any size are stretched to 32x32, as in training. The last line is JSON.

    \b
    Examples:
      unit-edge accuracy runs/mnist-to-usps usps_test.npz
      unit-edge export runs/mnist-to-usps --to digit -o digit.onnx
      unit-edge accuracy digit.onnx my-digits/
    """
    with needs("export" if run_or_model.suffix == ".onnx" else "train"):
        from unit_edge.train.adapt.digits import read_digits
        from unit_edge.train.adapt.evaluate import accuracy as measure
        from unit_edge.train.adapt.evaluate import confusion
        from unit_edge.train.adapt.state import load_adaptation, load_run_settings

        if run_or_model.suffix == ".onnx":
            from unit_edge.export.digits.to_onnx import classify_file

            read = read_digits(digits, channels=3)
            result = confusion(read.labels, classify_file(run_or_model, read))
        else:
            config = load_run_settings(run_or_model)
            nets = load_adaptation(run_or_model, config)
            result = measure(nets, config, [read_digits(digits, config.network.channels)])
    _show(result, str(digits))


def is_adaptation(run: Path) -> bool:
    """Whether a folder is a run of `unit-edge adapt`, as far as its settings tell."""
    try:
        settings = read_json(run / "config.json")
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and settings.get("preset") == "digits"


def export(
    run: Path,
    to: str,
    *,
    output: Path | None,
    batch: int,
    frames: Path | None,
    overwrite: bool,
    unfit: Mapping[str, object],
) -> None:
    """`unit-edge export` of an adaptation; of `unfit` options none may be given."""
    _refuse(run, unfit)
    with needs("export"):
        from unit_edge.export.digits.to_onnx import export_digits

    exported = export_digits(run, to, output=output, batch=batch, frames=frames, overwrite=overwrite)
    echo(f"{exported.model}: {exported.model.stat().st_size / 2**20:.1f} MiB")
    echo(exported.report)


def verify(model: Path, run: Path, frames: Path | None, unfit: Mapping[str, object]) -> None:
    """`unit-edge verify` against an adaptation."""
    _refuse(run, unfit)
    with needs("export"):
        from unit_edge.export.digits.to_onnx import verify_digits

    echo(verify_digits(model, run, frames))


def _refuse(run: Path, unfit: Mapping[str, object]) -> None:
    given = [name for name, value in unfit.items() if value]
    if given:
        raise ConfigError(f"{run}: is an adaptation of digits; leave out {', '.join(given)}")


def _show(result: Accuracy, what: str) -> None:
    echo(f"accuracy {result.share:.4f} on {result.images} images of {what}")
    by_class = result.by_class()
    shares = (f"{digit}: {'-' if share is None else f'{share:.3f}'}" for digit, share in enumerate(by_class))
    echo("by digit " + "  ".join(shares))
    echo_json(_as_json(result))


def _as_json(result: Accuracy) -> str:
    return json.dumps({"accuracy": result.share, "images": result.images, "by_digit": result.by_class()})
