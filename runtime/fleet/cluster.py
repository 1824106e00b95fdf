"""Ray: started on this machine, or joined. Nothing of it is told to its makers."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from unit_edge.errors import BackendError, ConfigError
from unit_edge.runtime.fleet.storage.scratch import private_folder
from unit_edge.runtime.fleet.storage.stores import shown
from unit_edge.text.printable import one_line
from unit_edge.text.redaction import redact

_OBJECT_STORE = 100 * 2**20  # items and outcomes only, and the model once
_LOOPBACK = "127.0.0.1"
_HOME_BEFORE = "UNIT_EDGE_HOME_BEFORE_RAY"
_PREFIX = "ue-ray-"  # short, for sockets are in it
_SETTINGS = {
    "worker_niceness": 0,  # Ray's is 15, and workers would get what all else on the machine leaves
    "enable_worker_prestart": False,  # a process a core that nobody works in, and the start waits for them
    "prestart_worker_first_driver": False,
    "task_events_report_interval_ms": 0,  # these two are for the dashboard
    "event_stats": False,
}
_REACHED_S = 5
_HOST_PORT = re.compile(r"(?:ray://)?([^/@]+):([0-9]+)/?", re.IGNORECASE)
_NOT_REACHED = (
    "--address {}: no Ray cluster can be reached there ({}); expected ray://HOST:10001, HOST:6379 or auto"
)


def importable() -> None:
    """Raises ModuleNotFoundError if Ray isn't installed; importing it comes later."""
    if find_spec("ray") is None:
        raise ModuleNotFoundError("No module named 'ray'", name="ray")


@contextmanager
def joined(address: str | None, *, cpus: int | None = None) -> Iterator[bool]:
    """Within it, this process is a driver of a cluster; says whether that was started here.

    One that is started here listens on loopback alone, and everything of it is gone at the end. A program
    that is a driver already stays one.

    Args:
        address: of a cluster: ray://HOST:10001, HOST:6379, auto; None to start one.
        cpus: of one that is started; None for as many as there are.

    Raises:
        ConfigError: there is no cluster at the address.
        BackendError: Ray can't be started.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read by what Ray starts
    if address is None:
        # the one way to have all of it on loopback; read when Ray is imported
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    if ray.is_initialized():
        yield False
        return
    if address is not None:
        _reach(address)
        # what joins through Ray's client sends no folders
        job = {} if address.lower().startswith("ray://") else {"job_config": _job()}
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=False,
                **job,
            )
        except Exception as error:  # connection errors of several kinds
            raise ConfigError(_NOT_REACHED.format(shown(address), _said(error))) from None
        try:
            yield False
        finally:
            ray.shutdown()
        return
    folder, lock = private_folder(Path(tempfile.gettempdir()), _PREFIX)
    try:
        try:
            with _home_elsewhere(folder):
                ray.init(
                    address="local",
                    num_cpus=cpus,
                    object_store_memory=_OBJECT_STORE,
                    include_dashboard=False,
                    job_config=_job(),
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _node_ip_address=_LOOPBACK,
                    _temp_dir=str(folder),
                    _system_config=dict(_SETTINGS),
                )
        except Exception as error:
            raise BackendError(f"Ray can't be started on this machine ({_said(error)})") from None
        try:
            if any(node["NodeManagerAddress"] != _LOOPBACK for node in _alive()):
                raise BackendError(
                    "Ray would listen on more than loopback, for it was imported before the fleet; call "
                    "ray.init() first if that is wanted"
                )
            yield True
        finally:
            ray.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _reach(address: str) -> None:
    """Raises ConfigError if nobody listens at an address: Ray would try for minutes, and tell of each try."""
    found = _HOST_PORT.fullmatch(address)
    if found is None:
        return
    try:
        socket.create_connection((found[1].strip("[]"), int(found[2])), _REACHED_S).close()
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise ConfigError(_NOT_REACHED.format(shown(address), said)) from None


def _job() -> Any:
    """A job whose workers look for modules where Python does, and not first in the folder we are called in.

    Recordings lie there, and perhaps a `numpy.py` of who knows whom. Ray adds it unless the job has a folder.
    """
    from ray.job_config import JobConfig

    class Job(JobConfig):
        def _runtime_env_has_working_dir(self) -> bool:
            return True

    return Job()


@contextmanager
def _home_elsewhere(folder: Path) -> Iterator[None]:
    """Within it, HOME is a folder that goes at the end, which is what Ray's processes then have.

    Ray leaves a token in its home, and asks the network whether it is in a cloud unless a description of its
    cluster lies there; it has no switch for either.
    """
    (folder / "ray_bootstrap_config.yaml").write_text("{}\n")
    before = os.environ.get("HOME", "")
    os.environ[_HOME_BEFORE], os.environ["HOME"] = before, str(folder)
    try:
        yield
    finally:
        user_home()


def user_home() -> None:
    """Gives a process that Ray has started the user's HOME again: stores have their keys there."""
    before = os.environ.pop(_HOME_BEFORE, None)
    if before:
        os.environ["HOME"] = before
    elif before is not None:
        del os.environ["HOME"]


def _alive() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def room_for(cpus: float, gpus: float) -> int:
    """How many workers of a size the nodes have room for, those that work already included."""
    return sum(
        min(
            int((has.get("CPU", 0) + 1e-6) // cpus),
            int((has.get("GPU", 0) + 1e-6) // gpus) if gpus else 2**31,
        )
        for has in (node["Resources"] for node in _alive())
    )


def has_gpus() -> bool:
    """Whether any node has a GPU."""
    return any(node["Resources"].get("GPU", 0) for node in _alive())


def nodes_alive() -> set[str]:
    """The IDs of the nodes that are there."""
    return {node["NodeID"] for node in _alive()}


def _said(error: BaseException) -> str:
    return redact(one_line(error, 300))
