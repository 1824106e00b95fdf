"""`translate` for a folder of clips: what is printed for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unit_edge.cli.terminal.progress import Progress
from unit_edge.cli.terminal.say import echo
from unit_edge.errors import ConfigError, UnitEdgeError
from unit_edge.text.printable import one_line
from unit_edge.text.redaction import redact

if TYPE_CHECKING:
    from unit_edge.runtime.sinks.outputs import Output


def folder_of(outputs: Sequence[Output], *, show: bool) -> Path:
    """The one folder that clips go to.

    Raises:
        ConfigError: the outputs are something else.
    """
    if show or len(outputs) != 1 or outputs[0].kind != "file":
        raise ConfigError("several clips go to one folder; give that alone with -o")
    return outputs[0].path


def each(
    pairs: Sequence[tuple[Path, Path]],
    translate: Callable[[Path, Path, Progress], None],
    *,
    reason: str,
    quiet: bool,
) -> None:
    """Translates each clip into its folder, which is made; says what became of each.

    Raises:
        PartialError: some failed.
    """
    from unit_edge.runtime.clips import one_by_one

    folder = pairs[0][1].parent
    made = not folder.exists()
    folder.mkdir(exist_ok=True)
    numbers = iter(range(1, len(pairs) + 1))

    def one(clip: Path, output: Path) -> None:
        name = f"[{next(numbers)}/{len(pairs)}] "
        translate(clip, output, Progress(quiet=quiet, reason=reason, prefix=name))

    def failed(clip: Path, error: UnitEdgeError) -> None:
        text = redact(one_line(error))
        echo(f"error: {text if str(clip) in text else f'{clip}: {text}'}", err=True)

    try:
        one_by_one(pairs, one, failed)
    finally:
        if made and not any(folder.iterdir()):
            folder.rmdir()
