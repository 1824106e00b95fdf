"""`init`: settings for a training of one's own; and `configs`: those that come with the program."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from unit_edge.cli.options.common import DeviceOption, OverwriteOption, needs, refuse_existing
from unit_edge.cli.terminal.say import echo, echo_wide
from unit_edge.cli.terminal.threads import settle_threads
from unit_edge.errors import ConfigError, SinkError
from unit_edge.files.writing import replacing, write_output
from unit_edge.text.printable import one_line

_LONG_S = 5 * 3600


def init(
    first: Annotated[
        str,
        typer.Argument(
            metavar="DOMAIN1", help="A folder, list or video below --data; NAME=PATH gives it a name."
        ),
    ],
    second: Annotated[str, typer.Argument(metavar="DOMAIN2", help="The other domain.")],
    data: Annotated[
        Path, typer.Option(metavar="DIR", envvar="UNIT_EDGE_DATA", help="What both are in.")
    ] = Path(),
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="TOML", help="[default: DOMAIN1-DOMAIN2.toml]")
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            metavar="H", min=0.01, max=100_000, help="As many steps as this machine makes in so many hours."
        ),
    ] = None,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
) -> None:
    """Look at two folders of pictures and write settings for them.

    Says how many pictures there are and how large, which are broken, which look like one of the other domain,
    and whether a drive is cut in two between training and held-out pictures. A few training steps are made,
    so that the time it names is measured.

    \b
    Examples:
      unit-edge init day night --data DATA -o my.toml
      unit-edge init clear=2024/june snow=2024/january --data DATA --hours 3
    """
    domains = [_named(first), _named(second)]
    path = output if output is not None else Path("-".join(name for name, _ in domains) + ".toml")
    refuse_existing(path, overwrite)
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; make it first")
    if domains[0][0] == domains[1][0]:
        raise ConfigError(f"both domains are called {domains[0][0]}; name them: NAME=PATH")
    settle_threads()
    with needs("train"):
        from unit_edge.config import DataConfig, DomainConfig
        from unit_edge.settings import load_config
        from unit_edge.train.bench.step_time import measure_steps
        from unit_edge.train.data.sources import domain_images
        from unit_edge.train.group import pick_device
        from unit_edge.train.start.recipe import choose, settings_of, share_held_out, toml_text
        from unit_edge.train.start.survey import survey, warnings
    chosen_device = pick_device(device)
    named = [DomainConfig(name=name, paths=(where,)) for name, where in domains]
    counts = [sum(map(len, domain_images(one, data, DataConfig()))) for one in named]
    held_out = DataConfig(validation=share_held_out(min(counts)))
    looked = survey(named[0], data, held_out), survey(named[1], data, held_out)
    for one in looked:
        echo(one.summary())
    found = list(warnings(looked))
    recipe = choose(looked, chosen_device, held_out.validation)
    found += filter(None, (one.too_small(recipe.crop) for one in looked))
    for text in found:
        echo(f"warning: {text}", err=True)
    echo("timing a few steps ...", err=True)
    steps = measure_steps(settings_of(recipe, domains), data, device)
    if hours is not None:
        recipe = recipe.with_steps(int(3600 * hours / (steps.step_s + steps.warm_up_s / 8)))
    config = settings_of(recipe, domains)
    takes = steps.summary(config)
    command = f"unit-edge train {shlex.quote(str(path))} --data {shlex.quote(str(data))}"
    about = [one_line(one.summary()) for one in looked]
    content = toml_text(recipe, domains, [*about, takes], one_line(command))
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content.encode())
            if load_config(temporary) != config:
                raise ConfigError(f"{path}: these names can't be written as settings; use letters and digits")
    except OSError as error:
        raise SinkError(f"{path}: can't be written ({error.strerror or error})") from None
    if not recipe.features:
        echo(
            'note: `pip install "unit-edge[imagenet]"` adds a discriminator on ImageNet features, without '
            "which translations change colours more than what is seen; then init again",
            err=True,
        )
    echo(f"{path}: {takes}")
    if hours is not None and steps.total_s(config) > 4000 * hours:
        echo(f"note: not {hours:g} h, since fewer than {recipe.steps} steps make no model", err=True)
    if hours is None and steps.total_s(config) > _LONG_S:
        echo("note: --hours 3 makes it a run of three hours; Ctrl-C and --resume part it", err=True)
    echo(f"next: {command}")


def configs(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Which to show, or to copy with -o.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="TOML", help="Copy it there.")
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """List, show or copy the settings that come with the program.

    \b
    Examples:
      unit-edge configs
      unit-edge configs bdd-day-night -o my.toml
    """
    from importlib.resources import files

    folder = files("unit_edge.train") / "configs"
    texts = {
        item.name.removesuffix(".toml"): item.read_text(encoding="utf-8")
        for item in folder.iterdir()
        if item.name.endswith(".toml")
    }
    if name is None:
        if output is not None:
            raise ConfigError("say which settings to copy: a NAME that `unit-edge configs` lists")
        width = max(map(len, texts)) + 2
        for key in sorted(texts):
            echo_wide(f"{key:{width}}{_about(texts[key])}", width)
        return
    key = name.removesuffix(".toml")
    if key not in texts:
        from difflib import get_close_matches

        near = get_close_matches(key, texts, 3) or sorted(texts)
        raise ConfigError(f"no settings called {name!r} come with unit-edge; did you mean {', '.join(near)}?")
    if output is None:
        echo(texts[key].rstrip("\n"))
        return
    refuse_existing(output, overwrite)
    write_output(output, texts[key].encode())
    command = "adapt" if 'preset = "digits"' in texts[key] else "train"
    echo(f"{output}: {_about(texts[key])}")
    echo(f"next: unit-edge {command} {shlex.quote(str(output))} --data DATA")


def _named(given: str) -> tuple[str, str]:
    """ "day=clips/june" → ("day", "clips/june"); "clips/june" → ("june", "clips/june")."""
    name, equals, path = given.partition("=")
    if equals and name and path and "/" not in name:
        return name, path
    return Path(given).stem if Path(given).suffix else Path(given).name, given


def _about(text: str) -> str:
    """The first line of settings; of a sentence that goes on below, the part that is whole."""
    first, second = [*text.split("\n", 2), ""][:2]
    if not first.startswith("# "):
        return ""
    about = first.removeprefix("# ").split("; ")[0]
    goes_on = second.startswith("# ") and not second.startswith("# unit-edge") and not about.endswith(".")
    return re.sub(r"[,.:;] [^,.:;]*$", "", about) if goes_on else about.rstrip(".")
