"""What is to be translated, into what and how: parsed and checked once, before anything is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unit_edge.errors import ConfigError, SinkError, SourceError
from unit_edge.files.writing import what_else
from unit_edge.manifests.model import Manifest
from unit_edge.media.containers import refuse_pipe
from unit_edge.media.images import IMAGE_SUFFIXES, is_image
from unit_edge.runtime.backends.base import Runner
from unit_edge.runtime.backends.open import CheckedModel
from unit_edge.runtime.resume import check_resume, making_of, refuse_interrupted
from unit_edge.runtime.sinks.codecs import VIDEO_OUTPUTS, Encoding
from unit_edge.runtime.sinks.look import Look
from unit_edge.runtime.sinks.outputs import Output, check_others, parse_output
from unit_edge.runtime.sources.excerpt import Excerpt
from unit_edge.runtime.sources.images import matching_images
from unit_edge.runtime.sources.open import SourceOptions
from unit_edge.text.address import LIVE_KINDS, Address, parse_address


@dataclass(frozen=True, kw_only=True)
class TranslateRequest:
    """What one translation is asked for.

    Attributes:
        address: where frames come from.
        outputs: where they go; none if they are only shown.
        model: a model file, one that is checked already, or a runner that is open and stays so.
        backend: what runs the model, one of `BACKENDS`.
        threads: of the inference on a CPU; None for as many as there are cores.
        encoding: of videos.
        excerpt: of a video file, the part that is translated.
        look: what is done to frames on their way out.
        steady: take flicker out.
        overwrite: replace what is there.
        resume: go on with what an interrupted run has left, or begin if there is nothing.
        options: of cameras, streams and raw frames.
    """

    address: Address
    outputs: tuple[Output, ...]
    model: Path | CheckedModel | Runner
    backend: str = "auto"
    threads: int | None = None
    encoding: Encoding = field(default_factory=Encoding)
    excerpt: Excerpt = field(default_factory=Excerpt)
    look: Look = field(default_factory=Look)
    steady: bool = False
    overwrite: bool = False
    resume: bool = False
    options: SourceOptions = field(default_factory=SourceOptions)

    @property
    def many(self) -> bool:
        """Whether the output is a folder of images."""
        return _many(self.address)

    @property
    def pictures(self) -> bool:
        """Whether images are translated, and no video."""
        return _many(self.address) or _picture(self.address)

    @property
    def live(self) -> bool:
        """Whether frames that nobody takes are lost."""
        return self.address.kind in LIVE_KINDS

    def check(self, *, shown: bool = False) -> None:
        """Refuses what could only fail, or destroy something, after the work is done.

        Args:
            shown: a window shows the frames.

        Raises:
            ConfigError: the input is no file and nothing else that is known, or has no such excerpt.
            SourceError: there is no input.
            SinkError: see `check_output`; or an output can't take what the input has.
        """
        self.options.check(self.address)
        check_outputs(
            self.address,
            self.outputs,
            overwrite=self.overwrite,
            encoding=self.encoding,
            resume=self.resume,
        )
        if self.pictures and shown:
            raise SinkError("only videos can be shown in a window; images go to a file or folder")
        if self.excerpt and (self.pictures or self.address.kind != "path"):
            raise ConfigError(
                f"{self.address.name}: only video files have a start and a duration; "
                "leave --start and --duration out"
            )

    def making(self, output: Path, manifest: Manifest) -> dict[str, str]:
        """What a video is made from, see `making_of`."""
        return making_of(
            self.address,
            output,
            manifest,
            encoding=self.encoding,
            excerpt=self.excerpt,
            look=self.look,
            steady=self.steady,
        )


def parse_outputs(given: Path | str | Sequence[Path | str]) -> tuple[Output, ...]:
    """What one or several output arguments mean; a Path is a file or folder whatever its name.

    Raises:
        ConfigError, SinkError: see `parse_output`.
    """
    return tuple(parse_output(item) for item in ([given] if isinstance(given, (Path, str)) else given))


def default_output(source: Path | str | Address, target: str) -> Path:
    """Where a translation goes if nobody says: `clip-night.mp4` in the current folder."""
    address = parse_address(source)
    if _many(address):
        return Path(f"{address.stem}-{target}")
    suffix = address.path.suffix.lower() if _picture(address) else ".mp4"
    return Path(f"{address.stem}-{target}{suffix}")


def check_outputs(
    source: Path | str | Address,
    outputs: Sequence[Output],
    *,
    overwrite: bool,
    encoding: Encoding,
    resume: bool = False,
) -> None:
    """Refuses outputs that could only fail, or destroy something, after the work is done.

    Args:
        source: the input, or its address.
        outputs: where the translation shall go.
        overwrite: files that are there may be replaced.
        encoding: of videos.
        resume: what is there may be gone on with.

    Raises:
        ConfigError: the input is no file and nothing else that is known.
        SourceError: there is no input.
        SinkError: see `check_output`; or an output can't take what the input has.
    """
    address = parse_address(source)
    pictures = _many(address) or _picture(address)
    if address.kind == "path":
        _check_there(address)
        refuse_pipe(address.path)
    check_others(outputs, pictures=pictures)
    if resume:
        check_resume(address, outputs)
    for output in outputs:
        if output.kind == "file":
            check_output(address, output.path, overwrite=overwrite or resume)
            if not pictures and not overwrite and not resume:
                refuse_interrupted(output.path)
            if not pictures:
                encoding.codec_for(output.path.suffix)


def check_output(source: Path | str | Address, output: Path, *, overwrite: bool) -> None:
    """Refuses what could only fail, or destroy something, after the work is done.

    Raises:
        ConfigError: the input is no file and nothing else that is known.
        SourceError: there is no input.
        SinkError: the output is the input, exists, is of another kind, or has no folder.
    """
    address = parse_address(source)
    inputs: list[Path] = []
    if address.kind == "path":
        inputs = [address.path]
        _check_there(address)
    elif address.kind == "images":
        inputs = sorted({path.parent for path in matching_images(address.target)})
    if output.exists() and any(output.samefile(path) for path in inputs):
        raise SinkError(f"{output}: is the input; give another output with -o")
    if not output.absolute().parent.is_dir():
        raise SinkError(f"{output}: there is no folder {output.parent}; make it first")
    if _many(address):
        if output.exists() and not output.is_dir():
            raise SinkError(f"{output}: is a file; the output for a folder of images is a folder")
        if output.is_dir() and any(output.iterdir()) and not overwrite:
            raise SinkError(f"{output}: exists already and isn't empty; add --overwrite, or give another -o")
        return
    if output.is_dir():
        raise SinkError(f"{output}: is a folder; give the name of a file with -o")
    if other := what_else(output):
        raise SinkError(f"{output}: is {other}; give the name of a file with -o")
    kind, suffixes = ("an image", IMAGE_SUFFIXES) if _picture(address) else ("a video", VIDEO_OUTPUTS)
    if output.suffix.lower() not in suffixes:
        raise SinkError(f"{output}: the output for {kind} must be named {', '.join(suffixes)}")
    if output.exists() and not overwrite:
        raise SinkError(
            f"{output}: exists already; add --overwrite (overwrite=True) to replace it, or name another"
        )


def _check_there(address: Address) -> None:
    if not address.path.exists():
        raise SourceError(f"{address.name}: no such file; expected a video, an image or a folder of images")


def _many(address: Address) -> bool:
    """Whether the output is a folder of images."""
    return address.kind == "images" or (address.kind == "path" and address.path.is_dir())


def _picture(address: Address) -> bool:
    return address.kind == "path" and is_image(address.path)
