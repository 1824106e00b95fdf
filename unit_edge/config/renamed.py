"""What has another name now, and is still read under the old one for one version."""

from __future__ import annotations

TENSORS = {
    "average.": "ema.",
}
"""How names of tensors in a run's files begin: old to new. The first that fits counts."""


def tensor_name(name: str) -> str:
    """The name of today for a tensor in a file that may be of an older version."""
    for old, new in TENSORS.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
