"""`translate` for a labelled data set: pictures translated, labels and splits kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unit_edge import __version__
from unit_edge.cli.options.common import chosen_model, needs
from unit_edge.cli.options.dataset import INDEX_SUFFIXES
from unit_edge.cli.subjects.checked import open_detector
from unit_edge.cli.terminal.progress import Line
from unit_edge.cli.terminal.say import echo
from unit_edge.errors import ConfigError, SinkError, TruncatedError
from unit_edge.text.printable import printable

if TYPE_CHECKING:
    from unit_edge.runtime.check.datasets.dataset import DataSet
    from unit_edge.runtime.check.datasets.translate import Outcome, Translator
    from unit_edge.runtime.check.pairs import Image

_CONFIDENCE, _IOU = 0.3, 0.5  # as of `unit-edge check`
_NAMED_AT_MOST = 5


@dataclass(frozen=True)
class DatasetOptions:
    """What the user asked for; see `options.dataset`."""

    images: Path | None
    mix: float | None
    suffix: str | None
    detector: Path | None
    decode: str | None
    preprocess: str | None
    classes: Path | None
    min_kept: float | None
    flag: bool
    seed: int

    def __post_init__(self) -> None:
        if (self.detector is None) != (self.min_kept is None):
            raise ConfigError("--min-kept SHARE and --detector FILE.onnx go together: give both, or neither")
        if self.flag and self.min_kept is None:
            raise ConfigError("--flag needs --min-kept SHARE and --detector FILE.onnx")
        if self.detector is None and (self.decode, self.preprocess, self.classes) != (None, None, None):
            raise ConfigError(
                "--decode, --preprocess and --classes are of a --detector FILE.onnx; give that too"
            )

    @property
    def given(self) -> bool:
        """Whether any of them is, which only data sets take."""
        return self != DatasetOptions(
            images=None,
            mix=None,
            suffix=None,
            detector=None,
            decode=None,
            preprocess=None,
            classes=None,
            min_kept=None,
            flag=False,
            seed=0,
        )


def is_dataset(source: str, dataset: bool) -> bool:
    """Whether an argument of `translate` names a data set."""
    return dataset or Path(source).suffix.lower() in INDEX_SUFFIXES


def translate_dataset(
    source: str,
    folder: Path,
    domains: list[str],
    from_: str | None,
    model: str | None,
    precision: str,
    options: DatasetOptions,
    *,
    backend: str,
    threads: int | None,
    overwrite: bool,
    resume: bool,
    quiet: bool,
) -> None:
    """Translates a data set into a folder, and says what became of it.

    Raises:
        TruncatedError: something of it could not be read; the rest is finished.
    """
    with needs("check"), ExitStack() as stack:
        from unit_edge.interrupt import PATIENCE_S, Interrupted, watch_signals
        from unit_edge.runtime.check.datasets.open import read_dataset
        from unit_edge.runtime.check.datasets.translate import DatasetRequest, translate_dataset

        if len(set(domains)) < len(domains) or "" in domains:
            raise ConfigError(f"--to {','.join(domains)}: expected domains, each once, with commas between")
        _check_folder(Path(source), folder, overwrite=overwrite, resume=resume)
        found = read_dataset(Path(source), options.images)
        _check_apart(found, folder)
        translators = _translators(domains, from_, model, precision, backend, threads, stack)
        suffix = options.suffix
        if suffix is None:
            suffix = "_{to}" if len(translators) > 1 and options.mix is None else ""
        if len(translators) > 1 and options.mix is None and "{to}" not in suffix:
            raise ConfigError(
                f"--suffix {suffix!r}: with several domains it must have {{to}} in it, as _{{to}}"
            )
        request = DatasetRequest(
            mix=options.mix,
            suffix=suffix,
            seed=options.seed,
            kept=_kept(options, threads, stack),
            min_kept=options.min_kept or 0,
            flag=options.flag,
        )
        about: dict[str, Any] = {
            "made_by": f"unit-edge {__version__}",
            "source": source,
            "kind": found.kind,
            "mix": options.mix,
            "seed": options.seed,
            "detector": None if options.detector is None else str(options.detector),
            "min_kept": options.min_kept,
        }
        line = Line(len(found.pictures), "pictures", quiet=quiet)
        with watch_signals(PATIENCE_S) as wish:
            outcome = translate_dataset(
                found, folder, translators, request, about, resume=resume, progress=line.draw, wish=wish
            )
        line.clear()
    if wish:
        echo(f"{folder}: {len(outcome.entries)} pictures so far; --resume goes on from there", err=True)
        raise Interrupted(wish.signal_number)
    if not quiet:
        echo(f"{folder}: {found.kind}, {_said(outcome)}")
        if outcome.others and resume:
            one = printable(str(outcome.others[0].file))
            echo(
                f"note: {len(outcome.others)} pictures that an earlier run made under other names, such as "
                f"{one}, are still there; --overwrite instead of --resume removes them"
            )
        if found.left:
            some = ", ".join(map(printable, map(str, found.left[:_NAMED_AT_MOST])))
            some += ", ..." if len(found.left) > _NAMED_AT_MOST else ""
            echo(f"note: {len(found.left)} files belong to no picture and stay behind: {some}")
    if outcome.faults:
        named = "; ".join(outcome.faults[:_NAMED_AT_MOST])
        more = len(outcome.faults) - _NAMED_AT_MOST
        named += f"; and {more} more" if more > 0 else ""
        raise TruncatedError(f"{len(outcome.faults)} faults, the rest is finished: {named}")


def _said(outcome: Outcome) -> str:
    made = [entry for entry in outcome.entries if entry.file is not None]
    parts = [f"{sum(entry.target is not None for entry in made)} translated"]
    parts += [f"{count} as they were"] if (count := sum(entry.target is None for entry in made)) else []
    failed = sum(not entry.passed for entry in outcome.entries)
    if failed:
        flagged = sum(not entry.passed for entry in made)
        parts.append(f"{flagged} flagged" if flagged else f"{failed} left out, which keep too few boxes")
    parts += [f"{outcome.reused} of them before"] if outcome.reused else []
    return ", ".join(parts)


def _check_folder(source: Path, folder: Path, *, overwrite: bool, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise SinkError(f"{folder}: is a file; the output for a data set is a folder")
    if not folder.absolute().parent.is_dir():
        raise SinkError(f"{folder}: there is no folder {folder.parent}; make it first")
    own = (source if source.is_dir() else source.parent).resolve()
    if folder.resolve() in (own, *own.parents) or (source.is_dir() and own in folder.resolve().parents):
        raise SinkError(f"{folder}: is in the data set, or has it; give a folder beside it with -o")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite and not resume:
        raise SinkError(
            f"{folder}: exists already and isn't empty; add --resume to make what is missing, --overwrite "
            "to make all anew, or give another -o"
        )


def _check_apart(found: DataSet, folder: Path) -> None:
    """Refuses a folder in which translations, or copies of labels, would replace what they are made of."""
    files = [(picture.path, picture.name) for picture in found.pictures]
    files += [label for picture in found.pictures for label in picture.labels]
    read = {path.parent for path, _ in files}
    written = {(folder / name).parent for _, name in files}
    both = {path.resolve() for path in read} & {path.resolve() for path in written}
    if both:
        raise SinkError(
            f"{folder}: pictures and labels of the data set, in {min(both)}, would be replaced; give another "
            "folder with -o"
        )


def _translators(
    domains: list[str],
    from_: str | None,
    model: str | None,
    precision: str,
    backend: str,
    threads: int | None,
    stack: ExitStack,
) -> list[Translator]:
    from unit_edge.runtime.backends.open import open_runner
    from unit_edge.runtime.check.datasets.translate import Translator
    from unit_edge.runtime.check.translator import translator

    wanted: list[str] | list[None] = domains if model is None else [None]
    paths = [chosen_model(model, domain, from_, precision) for domain in wanted]
    found = []
    for path in paths:
        runner = stack.enter_context(open_runner(path, backend, threads=threads))
        manifest = runner.manifest
        found.append(
            Translator(
                translate=translator(runner),
                target=manifest.target,
                model=manifest.name,
                sha256=manifest.sha256,
            )
        )
    if model is not None and domains and domains != [found[0].target]:
        raise ConfigError(
            f"{model}: translates to {found[0].target}, not to {', '.join(domains)}; leave --to out"
        )
    return found


def _kept(
    options: DatasetOptions, threads: int | None, stack: ExitStack
) -> Callable[[Image, Image], float | None] | None:
    if options.detector is None:
        return None
    from unit_edge.runtime.check.extra import require
    from unit_edge.runtime.check.kept import kept_share

    require("scipy")
    detector = stack.enter_context(
        open_detector(
            options.detector, options.decode, options.preprocess, options.classes, None, None, threads
        )
    )
    return lambda before, after: kept_share(
        detector, before, after, confidence=_CONFIDENCE, iou_threshold=_IOU
    )
