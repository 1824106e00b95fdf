"""The models that come with the package, found by what they translate to. Standard library only."""

from __future__ import annotations

from pathlib import Path

from unit_edge.errors import ConfigError
from unit_edge.manifests.model import Manifest

_BUNDLED = Path(__file__).parent / "models"
PRECISIONS = ("fp32", "int8")
"""That models are bundled in; the first is taken where nothing else is asked for."""


def bundled_models(folder: Path = _BUNDLED, precision: str = PRECISIONS[0]) -> list[tuple[Path, Manifest]]:
    """Every model file of a folder with its manifest, by name; other precisions have folders of their own.

    Raises:
        ConfigError: no model is bundled in that precision.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision {precision!r}, expected one of: {', '.join(PRECISIONS)}")
    where = folder if precision == PRECISIONS[0] else folder / precision
    return [(path.with_suffix(".onnx"), Manifest.read(path)) for path in sorted(where.glob("*.json"))]


def find_model(
    to: str, source: str | None = None, folder: Path = _BUNDLED, precision: str = PRECISIONS[0]
) -> Path:
    """The bundled model that translates to a domain, from `source` where several do.

    Raises:
        ConfigError: there is none, or more than one.
    """
    models = bundled_models(folder, precision)
    to, source = to.casefold(), None if source is None else source.casefold()
    to_domain = [(path, manifest) for path, manifest in models if manifest.target == to]
    if not to_domain:
        known = ", ".join(sorted({manifest.target for _, manifest in models})) or "none, no model is bundled"
        raise ConfigError(f"unknown domain {to!r}; known: {known}")
    sources = sorted(manifest.source for _, manifest in to_domain)
    if source is None and len(to_domain) > 1:
        names = ", ".join(sorted(manifest.name for _, manifest in to_domain))
        raise ConfigError(
            f"several models translate to {to}; name one: {names}; or, on the command line, add --from "
            f"with one of: {', '.join(sources)}"
        )
    for path, manifest in to_domain:
        if source in (None, manifest.source):
            return path
    raise ConfigError(f"no model translates from {source!r} to {to}; known: from {', '.join(sources)}")


def find_reverse(manifest: Manifest, folder: Path = _BUNDLED) -> Path | None:
    """The bundled model that translates back, in int8 if this one is, if there is one."""
    precision = manifest.precision if manifest.precision in PRECISIONS else PRECISIONS[0]
    for path, other in bundled_models(folder, precision):
        if (other.source, other.target) == (manifest.target, manifest.source):
            return path
    return None


def resolve_model(given: str, folder: Path = _BUNDLED) -> Path:
    """A model by its path or, if there is no such file, by the name of a bundled one."""
    path = Path(given)
    if path.exists() or path.suffix:
        return path
    models = (model for precision in PRECISIONS for model in bundled_models(folder, precision))
    return next((model for model, manifest in models if manifest.name == given), path)
