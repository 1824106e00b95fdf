"""Pictures out: whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from doubles import files_in, picture

from unit_edge.errors import SinkError
from unit_edge.frames import Frame
from unit_edge.runtime.sinks.images import ImageSink, write_image


def test_the_sink_makes_its_folder_and_takes_it_back_if_it_stays_empty(tmp_path: Path) -> None:
    with ImageSink([tmp_path / "out" / "a.png"]) as sink:
        sink.write(Frame(picture(1), 0, Fraction(0)))
    assert files_in(tmp_path / "out") == {"a.png"}
    with pytest.raises(RuntimeError), ImageSink([tmp_path / "other" / "a.png"]):
        raise RuntimeError
    assert files_in(tmp_path) == {"out"}


def test_unknown_formats(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"expected one of \.png"):
        write_image(tmp_path / "a.heic", picture(0))


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; import numpy as np\n"
        "from unit_edge.errors import SinkError; from unit_edge.runtime.sinks.images import write_image\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_image(Path(sys.argv[1]), np.random.randint(0, 256, (64, 64, 3), np.uint8))\n"
        "except SinkError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "can't be written" in done.stdout
    assert files_in(tmp_path) == set()
