"""The mean of a run's last weights and of those that scored best, or of another run, as a run of its own.

python -m unit_edge.train.run.blend RUN -o OUT [--share 0.5] [--other RUN]

Two points of one training are mostly near enough for the line between them to hold good networks, with
strengths of both ends (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). It is meant for
runs that end with the guide alone (guide.alone_from): these steps take out the colours that adversaries like,
and with them some of what makes a translation look like the target; halfway there is more of the second and
little of the first. So does a run that began with another's weights (optim.weights): `--other` is that one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from unit_edge.errors import ConfigError, UnitEdgeError
from unit_edge.train.run.checkpoint import (
    BEST,
    WEIGHTS,
    data_root_of,
    load_run_config,
    load_weights,
    refuse_existing,
    save_config,
    save_data_root,
    save_weights,
)
from unit_edge.train.run.discriminators import load_discriminators, save_discriminators


@torch.no_grad()
def blend(run: Path, output: Path, share: float = 0.5, other: Path | None = None) -> None:
    """Writes a run whose weights are share * last + (1 - share) * best, or that of another run's last.

    Discriminators are the first run's, for runs that begin with the new one (`optim.weights`).

    Args:
        run: whose weights; it stays as it is.
        output: folder of the new run, which can be evaluated and exported; not trained on.
        share: of the run's last weights, 0 to 1.
        other: a run of the same networks that has the rest; None for the run's best weights.

    Raises:
        ConfigError: the share isn't between 0 and 1.
        CheckpointError: one of the two is missing or damaged, they are of different networks, or `output`
            holds a run already.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"share {share}, expected 0 (the best weights) to 1 (the last)")
    refuse_existing(output)
    config = load_run_config(run)
    nets = load_weights(run, config, WEIGHTS)
    rest = load_weights(run, config, BEST) if other is None else load_weights(other, config, WEIGHTS)
    for last, left in zip(nets.parameters(), rest.parameters(), strict=True):
        last.copy_(torch.lerp(left, last, share))
    root, learnt = data_root_of(run), load_discriminators(run)
    output.mkdir(parents=True, exist_ok=True)
    save_weights(output, nets, step=config.optim.steps)
    if learnt:
        save_discriminators(output, learnt)
    save_data_root(output, root)
    save_config(output, config)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.5, help="of the last weights (0.5)")
    parser.add_argument("--other", type=Path, help="a run that has the rest, instead of the best weights")
    given = parser.parse_args()
    try:
        blend(given.run, given.output, given.share, given.other)
    except UnitEdgeError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
