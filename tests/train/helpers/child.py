"""A training process of its own: python child.py CONFIG.json RUN DATA [--resume]."""

import json
import sys
from pathlib import Path

import torch

from unit_edge.errors import UnitEdgeError
from unit_edge.settings import from_dict
from unit_edge.train.fit import fit

if __name__ == "__main__":
    torch.set_num_threads(1)
    settings, run, data = map(Path, sys.argv[1:4])
    try:
        config = from_dict(json.loads(settings.read_text()))
        fit(config, run, data_root=data, resume="--resume" in sys.argv, device="cpu")
    except UnitEdgeError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as error:
        sys.exit(128 + getattr(error, "signal_number", 2))
