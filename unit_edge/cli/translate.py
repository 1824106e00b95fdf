"""`translate`: one input, or many clips, to wherever they go."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unit_edge.cli import dataset as cli_dataset
from unit_edge.cli.options import dataset as cli_dataset_options
from unit_edge.cli.options import detector as cli_detector_options
from unit_edge.cli.options import live as cli_live
from unit_edge.cli.options import outputs as cli_outputs
from unit_edge.cli.options.common import (
    BackendOption,
    FromOption,
    OwnModelOption,
    PrecisionOption,
    ThreadsOption,
    ToOption,
    checked_model,
    decided,
    refuse_existing,
)
from unit_edge.cli.terminal import clips as cli_clips
from unit_edge.cli.terminal.progress import Progress
from unit_edge.cli.terminal.say import echo
from unit_edge.errors import ConfigError
from unit_edge.files.writing import check_writable
from unit_edge.text.address import LIVE_KINDS, parse_address
from unit_edge.text.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit_edge.runtime.pipeline import Stats


def translate(
    inputs: cli_live.InputsArgument,
    to: ToOption = None,
    from_: FromOption = None,
    model: OwnModelOption = None,
    precision: PrecisionOption = "fp32",
    output: cli_outputs.Outputs = None,
    raw_format: cli_outputs.RawFormat = "yuv4mpegpipe",
    backend: BackendOption = "auto",
    threads: ThreadsOption = None,
    batch: cli_outputs.Batch = None,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace an existing OUTPUT.")] = False,
    resume: cli_outputs.Resume = False,
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Keep the sound.")] = True,
    codec: cli_outputs.Codec = None,
    crf: cli_outputs.Crf = 18,
    preset: cli_outputs.Preset = "auto",
    show: cli_outputs.Show = False,
    side_by_side: cli_outputs.SideBySide = False,
    steady: cli_outputs.Steady = False,
    rain_drops: cli_outputs.RainDrops = 0.0,
    snowflakes: cli_outputs.Snowflakes = 0.0,
    size: cli_outputs.Size = None,
    start: cli_outputs.Start = None,
    duration: cli_outputs.Duration = None,
    sheet_path: Annotated[
        Path | None, typer.Option("--sheet", metavar="PNG", help="Also make a before/after contact sheet.")
    ] = None,
    camera_size: cli_live.CameraSize = None,
    camera_fps: cli_live.CameraFps = None,
    fourcc: cli_live.Fourcc = None,
    raw_size: cli_live.RawSize = None,
    raw_fps: cli_live.RawFps = None,
    reconnect_for: cli_live.ReconnectFor = None,
    dataset: cli_dataset_options.Dataset = False,
    images: cli_dataset_options.Images = None,
    mix: cli_dataset_options.Mix = None,
    suffix: cli_dataset_options.Suffix = None,
    detector: cli_dataset_options.Detector = None,
    decode: cli_detector_options.Decode = None,
    preprocess: cli_detector_options.Preprocess = None,
    classes: cli_detector_options.Classes = None,
    min_kept: cli_dataset_options.MinKept = None,
    flag: cli_dataset_options.Flag = False,
    seed: cli_dataset_options.Seed = 0,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Translate a video, images, or what a camera or stream gives.

    \b
    Examples:
      unit-edge translate drive.mp4 --to night
      unit-edge translate drive.mp4 --to snow -o winter.mp4 --sheet winter.png
      unit-edge translate photo.jpg --to night
      unit-edge translate frames/ --model my-night.onnx -o frames-night/
      unit-edge translate clips/ --to night -o clips-night/ --resume
      unit-edge translate a.mp4 b.mp4 --to night -o clips-night/
      unit-edge translate 0 --camera-size 1280x720 --fourcc MJPG --to night \\
          -o out.mp4
      unit-edge translate rtsp://USER:PASSWORD@HOST/stream --to night \\
          -o out.mp4 --duration 60
      ffmpeg -i drive.mp4 -f rawvideo -pix_fmt bgr24 - \\
          | unit-edge translate - --raw-size 1280x720 --to night
      unit-edge translate drive.mp4 --to night --start 1:30 --duration 10 \\
          --side-by-side
      unit-edge translate drive.mp4 --to night -o night.mp4 \\
          -o udp://192.168.1.5:5000
      unit-edge translate drive.mp4 --to night -o - | ffplay -
      unit-edge translate drive.mp4 --to night --show
      unit-edge translate coco.json --images images/ --to night -o coco-night/
      unit-edge translate data.yaml --to night,rain,snow --mix 0.5 -o data-mixed/
      unit-edge translate cityscapes/ --dataset --to night -o cityscapes-night/

    Frame count, times, size and sound of a video are kept. Codecs need even sizes: an odd width or height
    grows by one pixel. Ctrl-C leaves a playable file with the frames so far; a second one discards it. A
    video that is damaged in the middle is translated up to there, and the exit code is 1. After Ctrl-C, a
    crash or a power cut, the same command with --resume goes on where it ended.

    Of a folder of videos, each is translated; those that can't be are named, the others finished. With
    --resume, those that are finished already are left alone.

    Of a camera or stream it is always the newest frame that is translated, others are dropped. One that is
    lost is connected to again, and the recording goes on with right times.

    Of a labelled data set (COCO, YOLO, Cityscapes, KITTI, BDD100K) pictures are translated, labels and splits
    kept, and dataset.json says what each was made from; docs/datasets.md has the rest.
    """
    source, *more = inputs
    if more and dataset:
        raise ConfigError("--dataset is for one folder; give it alone")
    wanted = cli_dataset.DatasetOptions(
        images=images,
        mix=mix,
        suffix=suffix,
        detector=detector,
        decode=decode,
        preprocess=preprocess,
        classes=classes,
        min_kept=min_kept,
        flag=flag,
        seed=seed,
    )
    if not more and cli_dataset.is_dataset(source, dataset):
        targets = [domain.strip() for domain in to.split(",")] if to else []
        if not targets and model is None:
            raise ConfigError("say what to translate to: --to DOMAIN,..., or --model FILE.onnx")
        for option, value in (
            ("--show", show),
            ("--side-by-side", side_by_side),
            ("--steady", steady),
            ("--rain-drops", rain_drops),
            ("--snowflakes", snowflakes),
            ("--size", size),
            ("--start", start),
            ("--duration", duration),
            ("--sheet", sheet_path),
            ("--batch", batch),
            ("--codec", codec),
        ):
            if value:
                raise ConfigError(
                    f"{option} isn't for data sets, whose pictures are translated as they are; leave it out"
                )
        if output and len(output) > 1:
            raise ConfigError(f"a data set goes to one folder, not to {len(output)}; give -o once")
        name = "-".join(targets) or "translated"
        cli_dataset.translate_dataset(
            source,
            Path(output[0]) if output else Path(f"{Path(source).stem}-{name}"),
            targets,
            from_,
            model,
            precision,
            wanted,
            backend=backend,
            threads=threads,
            overwrite=overwrite,
            resume=resume,
            quiet=quiet,
        )
        return
    if wanted.given:
        raise ConfigError(
            f"{source}: is no data set, which --mix, --suffix, --min-kept and the like are for; give a "
            "COCO .json, a YOLO data.yaml, or --dataset with a folder"
        )
    if show:  # before anything loads PyAV, or the window would hang
        from unit_edge.runtime.window.show import translate_in_window

    from unit_edge.media.images import is_image
    from unit_edge.runtime.backends.open import open_runner
    from unit_edge.runtime.clips import clips_named, clips_of, outputs_of
    from unit_edge.runtime.request import TranslateRequest, default_output, parse_outputs
    from unit_edge.runtime.sheet import contact_sheet
    from unit_edge.runtime.sinks.codecs import Encoding
    from unit_edge.runtime.sinks.look import Look
    from unit_edge.runtime.sinks.weather import Weather
    from unit_edge.runtime.sources.excerpt import Excerpt
    from unit_edge.runtime.translate import RunExtras, carry_out

    run_translation: Callable[..., Stats] = translate_in_window if show else carry_out

    checked = checked_model(model, to, from_, precision)
    model_path, manifest = checked.path, checked.manifest
    if batch not in (None, manifest.batch):
        raise ConfigError(
            f"{model_path}: is made for --batch {manifest.batch}, not {batch}, which is decided at export: "
            f"`unit-edge export RUN --batch {batch}`"
        )
    address, length = parse_address(source), cli_outputs.seconds(duration)
    clips = clips_named([parse_address(text) for text in inputs]) if more else clips_of(address)
    if more and not output:
        raise ConfigError("several clips go to one folder; name it with -o")
    default = [] if show else [str(default_output(address, manifest.target))]
    outputs = parse_outputs(output or default)
    files = [item.path for item in outputs if item.kind == "file"]
    made = ", ".join(item.name for item in outputs) or "shown"
    live = address.kind in LIVE_KINDS
    options = cli_live.source_options(
        camera_size, camera_fps, fourcc, raw_size, raw_fps, reconnect_for, length if live else None
    )
    options.check(address)
    if sheet_path is not None and (address.kind not in ("path", "images") or clips):
        raise ConfigError(f"--sheet needs one file that can be read again; {address.name} is none")
    if sheet_path is not None and not files:
        raise ConfigError("--sheet is made from a video file; give one with -o")
    encoding = Encoding(crf=crf, preset=preset, audio=audio, codec=codec)
    excerpt = Excerpt(cli_outputs.seconds(start) or Fraction(0), None if live else length)
    weather = Weather(rain_drops=rain_drops, snowflakes=snowflakes)
    look = Look(side_by_side=side_by_side, size=parse_size(size), weather=weather)
    if sheet_path is not None:
        if not sheet_path.absolute().parent.is_dir():
            raise ConfigError(f"{sheet_path}: there is no folder {sheet_path.parent}; make it first")
        check_writable(sheet_path)
        refuse_existing(sheet_path, overwrite or resume)
    request = TranslateRequest(
        address=address,
        outputs=outputs,
        model=checked,
        threads=threads,
        encoding=encoding,
        excerpt=excerpt,
        look=look,
        steady=steady,
        overwrite=overwrite,
        resume=resume,
        options=options,
    )
    if not clips:
        request.check(shown=show)
    to_stdout = any(item.kind == "raw" for item in outputs)

    def run(request: TranslateRequest, display: Progress, made: str, raw_to: int = 1) -> None:
        with display.reporting(made, manifest.name):
            run_translation(
                request,
                extras=RunExtras(raw_to=raw_to, raw_format=raw_format, notice=display.warn),
                notice=display.notice,
                started=display.start,
                progress=display.update,
            )

    if clips:
        folder = cli_clips.folder_of(outputs, show=show)
        pairs = list(zip(clips, outputs_of(clips, folder, overwrite=overwrite, resume=resume), strict=True))
        for _, target in pairs:
            if not is_image(target):
                encoding.codec_for(target.suffix)
        decision = decided(backend, manifest, model_path, quiet=quiet)
        with open_runner(checked, decision.backend, threads=threads) as runner:
            of_all = replace(request, model=runner)

            def one(clip: Path, target: Path, display: Progress) -> None:
                pair = replace(of_all, address=parse_address(clip), outputs=parse_outputs(target))
                run(pair, display, str(target))

            cli_clips.each(pairs, one, reason=decision.reason, quiet=quiet)
        return
    decision = decided(backend, manifest, model_path, quiet=quiet)
    resumable = [item.kind for item in outputs] == ["file"]
    display = Progress(quiet=quiet, reason=decision.reason, to_stderr=to_stdout, resumable=resumable)
    with cli_outputs.stdout_for_frames(to_stdout) as raw_to:
        run(replace(request, backend=decision.backend), display, made, raw_to)
    if sheet_path is not None:
        contact_sheet(address.path, files[0], sheet_path, start=excerpt.start)
        if not quiet:
            echo(f"{sheet_path}: before and after", err=to_stdout)
