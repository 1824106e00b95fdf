"""UNIT (Liu, Breuel, Kautz, NIPS 2017) from a PyTorch checkpoint to a video on a small board."""

import os

# onnxruntime 1.29 and newer reports models and machines over the network unless this is set before it loads
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
