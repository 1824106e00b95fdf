"""UNIT (Liu, Breuel, Kautz, NIPS 2017) from a PyTorch checkpoint to a video on a small board."""

__version__ = "0.1.0"
