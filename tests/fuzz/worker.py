"""Runs commands one after the other: a line of JSON with arguments in, a line with what came of them out."""

from __future__ import annotations

import functools
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from unit_edge.media.limits import PIXELS_AT_MOST


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(PIXELS_AT_MOST))
    for line in sys.stdin:
        order = json.loads(line)
        answer = OTHERS[order[0]](*order[1:]) if order[0] in OTHERS else command(order)
        print(json.dumps(answer), file=answers, flush=True)


@functools.cache
def _made_once(app: Any) -> Any:
    """The tree of commands, which takes as long to make as most of them take to run."""
    from typer.main import get_command

    return get_command(app)


def command(arguments: list[str]) -> dict[str, Any]:
    from typer import testing

    from unit_edge.cli.app import app

    with mock.patch.object(testing, "_get_command", _made_once):
        done = testing.CliRunner().invoke(app, arguments)
    failed = done.exception is not None and not isinstance(done.exception, SystemExit)
    return {
        "code": done.exit_code,
        "said": done.stdout + done.stderr,
        "trace": "".join(traceback.format_exception(done.exception)) if failed else "",
    }


def _answer(said: list[str], *reads: Callable[[], object]) -> dict[str, Any]:
    """What came of all of them, each tried whatever the others do; `said` is what they add to, and errors."""
    from unit_edge.errors import UnitEdgeError

    code = 0
    for read in reads:
        try:
            read()
        except UnitEdgeError as error:
            code = 1
            said.append(f"error: {error}")
        except Exception:
            return {"code": 1, "said": "", "trace": traceback.format_exc()}
    return {"code": code, "said": "\n".join(said), "trace": ""}


def address(text: str) -> dict[str, Any]:
    """What may be shown of an input's and an output's address."""
    from unit_edge.errors import UnitEdgeError
    from unit_edge.runtime.sinks.outputs import parse_output
    from unit_edge.text.address import parse_address
    from unit_edge.text.redaction import redact

    shown = []
    try:
        for parse in (parse_address, parse_output):
            try:
                found: Any = parse(text)
            except UnitEdgeError as error:
                shown.append(redact(str(error)))
            else:
                shown += [repr(found), redact(found.name), str(getattr(found, "stem", ""))]
    except Exception:
        return {"code": 1, "said": "", "trace": traceback.format_exc()}
    return {"code": 0, "said": "\n".join(shown), "trace": ""}


def checkpoint(folder: str) -> dict[str, Any]:
    """A run's folder as `train --resume` opens it."""
    from unit_edge.text.printable import printable
    from unit_edge.train.run.checkpoint import load_checkpoint, load_run_config
    from unit_edge.train.run.log import RunLog

    def load() -> None:
        run = Path(folder)
        load_run_config(run)
        _, state = load_checkpoint(run)
        RunLog(run, int(state["step"]), tensorboard=False).close()

    answer = _answer([], load)
    return {**answer, "said": printable(answer["said"])}


def labels(path: str, picture: str) -> dict[str, Any]:
    """What `check` and `translate` make of labels, without the networks."""
    from unit_edge.runtime.check.datasets.open import read_dataset
    from unit_edge.runtime.check.labels.read import read_clip_labels, read_labels
    from unit_edge.runtime.check.networks.names import read_names
    from unit_edge.text.printable import printable

    file, shown = Path(path), Path(picture)
    clip = shown.with_name("clip.mp4")
    said: list[str] = []

    def of_pictures() -> None:
        found = read_labels(file, [shown], ["person", "car"])
        if (boxes := found.of(shown)) is not None:
            boxes.in_pixels(40, 30)
        said.extend([*found.names(), *found.faults, *found.without_picture([shown])])

    def of_clips() -> None:
        found = read_clip_labels(file, [clip])
        found.of(clip, 0)
        said.extend([*found.names(), *found.faults, *found.without_clip([(clip, 8)])])

    def of_a_set() -> None:
        found = read_dataset(file, shown.parent)
        if found.index is not None:
            found.index.files({one.name: [one.name, one.name.with_name("b.png")] for one in found.pictures})

    answer = _answer(said, of_pictures, of_clips, of_a_set, lambda: said.extend(read_names(file)))
    return {**answer, "said": printable(answer["said"])}


def digits(path: str) -> dict[str, Any]:
    """A set of digits as `adapt` reads it."""
    from unit_edge.train.adapt.digits import read_digits

    return _answer([], lambda: read_digits(Path(path), 1))


def fleet_list(path: str, folder: str) -> dict[str, Any]:
    """What a fleet would translate, and what it makes of a destination that was begun before."""
    from unit_edge.runtime.fleet.storage.destination import Destination
    from unit_edge.runtime.fleet.storage.ledger import Ledger, check_destination
    from unit_edge.runtime.fleet.storage.sources import a_clip, find_items
    from unit_edge.text.printable import printable

    said: list[str] = []

    def find() -> None:
        items, bad = find_items(path)
        for item in items:
            assert not item.output.startswith("/") and ".." not in item.output.split("/"), item.output
            said.extend((repr(item), item.name))
        said.extend(outcome.error for outcome in bad)

    def look() -> None:
        destination = Destination(folder)
        check_destination(destination, overwrite=False, resume=True)
        Ledger(destination).begin({"model": "be" * 32, "crf": "18"}, resume=True)

    answer = _answer(said, find, lambda: a_clip(path), look)
    # names of what is found can be printed as they are; a file's error says what was in it
    return answer if answer["code"] == 0 else {**answer, "said": printable(answer["said"])}


OTHERS = {
    "@address": address, "@checkpoint": checkpoint, "@labels": labels, "@digits": digits, "@list": fleet_list
}  # fmt: skip

if __name__ == "__main__":
    main()
