"""Every error that unit-edge raises on purpose.

The message of each says in one line what was given, what was expected and how to mend it; the
command line prints it without a traceback and exits with a non-zero code.

    UnitEdgeError
    ├── ConfigError(ValueError)        a setting, option or TOML file
    ├── DataError(ValueError)          training or evaluation images
    │   └── ImageError                 an image file that can't be read; a SourceError too
    ├── ModelError(ValueError)         a model file or its manifest
    ├── BackendError(RuntimeError)     an inference backend that is missing or failed
    ├── SourceError(OSError)           frames could not be read
    │   └── TruncatedError             reading broke off after some good frames
    ├── SinkError(OSError)             frames could not be written
    │   └── PartialError               some outputs failed; the others are finished
    ├── CheckpointError(ValueError)    a training run that can't be saved or loaded
    ├── TrainingError(RuntimeError)    training went wrong (NaN, Inf)
    └── VerifyError(RuntimeError)      an exported file computes something else than its checkpoint
"""

_GIVEN_AT_MOST = 120


class UnitEdgeError(Exception):
    """Base of all errors that are the user's to mend."""


class ConfigError(UnitEdgeError, ValueError):
    """A setting is unknown, contradictory or out of range."""


class DataError(UnitEdgeError, ValueError):
    """Training or evaluation images are missing or unusable."""


class ModelError(UnitEdgeError, ValueError):
    """A model file or its manifest is missing, damaged or made for something else."""


class BackendError(UnitEdgeError, RuntimeError):
    """An inference backend is missing or failed."""


EngineError = BackendError
"""The name that it had; until 0.2."""


class SourceError(UnitEdgeError, OSError):
    """Frames could not be read."""


class ImageError(DataError, SourceError):
    """An image file can't be read: training's images and the runtime's frames come from one decoder."""


class TruncatedError(SourceError):
    """Reading broke off after some good frames."""


class SinkError(UnitEdgeError, OSError):
    """Frames could not be written."""


class PartialError(SinkError):
    """Some of several outputs failed; the others are finished."""


class CheckpointError(UnitEdgeError, ValueError):
    """A training run can't be saved or loaded."""


class TrainingError(UnitEdgeError, RuntimeError):
    """Training can't go on."""


class VerifyError(UnitEdgeError, RuntimeError):
    """An exported file computes something else than the checkpoint it came from."""


def require(condition: bool, key: str, given: object, expected: str) -> None:
    """Raises ConfigError, which names the key, unless the condition holds."""
    if not condition:
        text = repr(given)
        shown = text if len(text) <= _GIVEN_AT_MOST else f"{text[:_GIVEN_AT_MOST]}…"
        raise ConfigError(f"{key} = {shown}, expected {expected}")
