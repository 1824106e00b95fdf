"""One Ray cluster on loopback for all tests of a session, and an S3 server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from unit_edge.runtime.fleet.cluster import joined


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """Ray with room for two workers; it is started as `unit-edge fleet` does it."""
    if find_spec("ray") is None:
        pytest.skip("needs the fleet extra")
    before = os.environ.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")
    with joined(None, cpus=2) as here:
        assert here
        yield
    if before is None:
        os.environ.pop("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", None)
