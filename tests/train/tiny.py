"""Networks small enough for a test."""

from unit_edge.config import NetworkConfig

TINY = NetworkConfig(front=(4, 6, 8), residual_width=10, residual_blocks=2, discriminator=(4, 4, 4))
