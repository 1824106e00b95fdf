"""What `unit-edge evaluate` evaluates, a run or a model file, and the images that it does so on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unit_edge.config import DataConfig, DomainConfig, RunConfig
from unit_edge.errors import ConfigError, DataError
from unit_edge.registry import resolve_model
from unit_edge.spread import spread

if TYPE_CHECKING:
    from unit_edge.train.data.decode import ImageItem
    from unit_edge.train.evaluation.evaluate import Errors
    from unit_edge.train.evaluation.luminance import Classes
    from unit_edge.train.evaluation.metrics import Image, Translate


@dataclass(frozen=True)
class Options:
    """What the user asked for, as it is kept in the JSON file."""

    to: str | None
    data: Path
    images: Path | None
    against: Path | None
    run: Path | None
    paired: bool
    clip: Path | None
    frames: int
    head: str
    count: int
    split: str
    device: str
    best: bool
    seed: int
    baselines: bool = False
    fid: bool = False
    detector: Path | None = None
    decode: str | None = None
    preprocess: str | None = None
    classes: Path | None = None


@dataclass(frozen=True)
class Direction:
    """One way of translating, and the names of its domains; `errors` only of a run."""

    source: str
    target: str
    translate: Translate
    errors: Errors | None = None


@dataclass(frozen=True)
class Subject:
    """A run or a model file: `about` goes into the JSON, `title` above the table."""

    name: str
    title: str
    about: dict[str, Any]
    directions: list[Direction]
    config: RunConfig | None
    """Of the run whose held-out images are taken where no others are given."""


def open_subject(given: str, options: Options, stack: ExitStack) -> Subject:
    """A run by its folder, or a model by its file or its bundled name; `stack` closes it.

    Raises:
        ConfigError, CheckpointError, ModelError, BackendError: see their messages.
    """
    if Path(given).is_dir():
        if options.run is not None:
            raise ConfigError(f"--run goes with a model file, and {given} is a folder; leave --run away")
        return _run_subject(Path(given), options)
    return _model_subject(given, options, stack)


def _run_subject(path: Path, options: Options) -> Subject:
    from unit_edge.export.trained import load_run
    from unit_edge.train.evaluation.translate_image import ImageTranslator, short_side
    from unit_edge.train.group import pick_device
    from unit_edge.train.guided import GuidedHead

    if options.head not in ("auto", "guided", "none"):
        raise ConfigError(f"--head {options.head!r}; expected auto, guided or none")
    device = pick_device(options.device)
    trained = load_run(path, options.best)
    config = trained.config
    head = options.head
    if head == "auto":
        head = "guided" if config.loss.discriminator_input == "guided" else "none"
    guided = GuidedHead(config.detail).to(device) if head == "guided" else None
    sources = (0, 1) if options.to is None else (trained.source_of(options.to),)
    side, unit = short_side(config), trained.unit.to(device)
    directions = []
    for index in sources:
        translator = ImageTranslator(unit, index, side, guided, device)
        names = trained.domains[index], trained.domains[1 - index]
        directions.append(Direction(*names, translator, errors=translator.errors))
    about = {
        "kind": "run",
        **trained.provenance(),
        "path": str(path),
        "head": head,
        "network_short_side": side,
    }
    title = (
        f"{path}: step {trained.step}, weights {trained.weights_sha256[:12]}, "
        f"{'through the guided head' if guided else 'without a head'}, network at short side {side}"
    )
    return Subject(name=path.resolve().name, title=title, about=about, directions=directions, config=config)


def _model_subject(given: str, options: Options, stack: ExitStack) -> Subject:
    from unit_edge.runtime.backends.open import open_runner, read_model
    from unit_edge.runtime.batch import infer_images
    from unit_edge.runtime.resize import Fit
    from unit_edge.train.run.checkpoint import load_run_config

    path = resolve_model(given)
    if not path.exists() and not path.suffix:
        raise ConfigError(f"{given}: no such run or model; `unit-edge models` lists the bundled models")
    manifest = read_model(path)
    names = manifest.source, manifest.target
    if options.to not in (None, manifest.target):
        raise ConfigError(f"{path}: translates {names[0]} to {names[1]}, not to {options.to}")
    if options.best:
        raise ConfigError(f"--best goes with a run; {path} is one model")
    if options.head != "auto":
        raise ConfigError(f"--head goes with a run; {path} was exported with detail {manifest.detail}")
    config = None if options.run is None else load_run_config(options.run)
    if config is not None and not {*names} <= {config.domain1.name, config.domain2.name}:
        raise ConfigError(
            f"{options.run}: is of {config.domain1.name} and {config.domain2.name}, but {path} translates "
            f"{names[0]} to {names[1]}"
        )
    runner = stack.enter_context(open_runner(path))
    fit = Fit(runner)

    def translate(image: Image) -> Image:
        height, width = image.shape[:2]
        return fit.back(infer_images(runner, [fit.to_model(image)])[0], width, height)

    about = {
        "kind": "model",
        "name": manifest.name,
        "path": str(path),
        "sha256": manifest.sha256,
        "made_from": manifest.made_from,
        "backend": runner.backend,
    }
    title = f"{manifest.name}: sha256 {manifest.sha256[:12]}, {runner.backend}"
    return Subject(
        name=manifest.name, title=title, about=about, directions=[Direction(*names, translate)], config=config
    )


def check_options(subject: Subject, options: Options) -> None:
    """Raises ConfigError for options that contradict each other or leave nothing to evaluate on."""
    if options.split not in ("validation", "training", "gap"):
        raise ConfigError(f"--split {options.split!r}; expected validation, training or gap")
    if (options.images is None) != (options.against is None):
        raise ConfigError("--images and --against go together: give both, or neither")
    if options.images is not None and options.run is not None:
        raise ConfigError("--run and --images both say what to evaluate on; give one of them")
    if len(subject.directions) > 1 and (options.images is not None or options.clip is not None):
        names = " or ".join(f"--to {direction.target}" for direction in subject.directions)
        raise ConfigError(f"--images and --clip are of one domain; add {names}")
    on_images = options.images is not None or subject.config is not None
    if not on_images and options.clip is None:
        raise ConfigError(
            "say what to evaluate on: --images PATH --against PATH, --run RUN for that run's held-out "
            "images, or --clip VIDEO"
        )
    if options.detector is not None and not on_images:
        raise ConfigError("--detector looks at images: it needs --images and --against, or a run")
    if options.detector is None and (options.decode, options.preprocess, options.classes) != (None,) * 3:
        raise ConfigError("--decode, --preprocess and --classes are of a --detector FILE.onnx; give that too")
    if options.paired and not on_images:
        raise ConfigError("--paired needs --images and --against, or a run")


RIVALS_SEE = 100
"""At most so many images of the target domain teach the baselines its colours."""


def find_images(
    direction: Direction, config: RunConfig | None, options: Options
) -> tuple[list[ImageItem], list[ImageItem]]:
    """Images of the source domain and of the target domain, at most `count` of each, spread over them.

    Raises:
        DataError: they are missing, or no pairs where pairs are expected.
    """
    from unit_edge.train.data.sources import domain_images

    given: list[list[ImageItem]] = []
    if options.images is not None and options.against is not None:
        everything = DataConfig(validation=0, gap=0)
        for name, path in ((direction.source, options.images), (direction.target, options.against)):
            domain = DomainConfig(name=name, paths=(str(path),))
            given.append(list(domain_images(domain, Path(), everything)[0]))
        if options.paired and len(given[0]) != len(given[1]):
            raise DataError(
                f"{options.images} has {len(given[0])} images and {options.against} {len(given[1])}; "
                "--paired needs as many of both"
            )
    elif config is not None:
        domains = {domain.name: domain for domain in (config.domain1, config.domain2)}
        for name in (direction.source, direction.target):
            given.append(_part(domains[name], config.data, options))
            if not given[-1]:
                raise DataError(f"domain {name}: no {options.split} images; give another --split")
        if options.paired:
            given = _halves(given)
    chosen = [spread(items, options.count) for items in given]
    return chosen[0], chosen[1]


def _part(domain: DomainConfig, data: DataConfig, options: Options) -> list[ImageItem]:
    from unit_edge.train.data.sources import domain_images, gap_images

    if options.split == "gap":
        return gap_images(domain, options.data, data)
    training, validation = domain_images(domain, options.data, data)
    return validation if options.split == "validation" else training


def find_baselines(
    direction: Direction, config: RunConfig | None, options: Options, targets: list[ImageItem]
) -> tuple[dict[str, Translate], list[Image]]:
    """What needs no training, by the name of its figure, and a run's own guide where it points that way.

    Returns:
        The ways to translate, and the images of the target domain that they learnt its colours from; none
        where these are what is evaluated.
    """
    from unit_edge.train.data.sources import domain_images
    from unit_edge.train.evaluation.baselines import colour_transfer, guide_itself, histogram_match
    from unit_edge.train.evaluation.evaluate import read_images
    from unit_edge.train.guides import open_guide

    if config is not None:
        names = {domain.name: domain for domain in (config.domain1, config.domain2)}
        targets, _ = domain_images(names[direction.target], options.data, config.data)
    examples = read_images(spread(targets, RIVALS_SEE))
    rivals = {
        "ratio_histogram_match": histogram_match(examples),
        "ratio_colour_transfer": colour_transfer(examples),
    }
    guide = None if config is None else open_guide(config.guide, options.data)
    if config is not None and guide is not None and direction.source == config.domain1.name:
        rivals["ratio_guide"] = guide_itself(guide, options.seed)
    apart = config is not None and options.split in ("validation", "gap")
    return rivals, examples if apart else []


def find_classes(config: RunConfig | None, options: Options) -> Classes | None:
    """What tells sky and road in an image: the segmentation network of a run's guide, if it has one."""
    from unit_edge.train.guides import open_guide

    guide = None if config is None else open_guide(config.guide, options.data)
    return None if guide is None else guide.classes


def _halves(given: list[list[ImageItem]]) -> list[list[ImageItem]]:
    """Of both domains, the items that are two halves of one file, in one order."""
    partners = {item.path: item for item in given[1]}
    pairs = [
        (item, partners[item.path])
        for item in given[0]
        if item.path in partners and {item.half, partners[item.path].half} == {"left", "right"}
    ]
    if not pairs:
        raise DataError("--paired needs a run whose domains are the left and right `half` of the same images")
    return [list(items) for items in zip(*pairs, strict=True)]


def clip_frames(clip: Path, count: int) -> Iterator[Image]:
    """The first `count` frames of a video.

    Raises:
        SourceError: it can't be read.
    """
    from unit_edge.runtime.sources.video import FileSource

    with FileSource(clip) as source:
        yield from (frame.image for frame in islice(source, count))
