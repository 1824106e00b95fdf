"""The terms of a training step, each a pure function of tensors."""

from unit_edge.train.losses.equations import (
    gan_discriminator,
    gan_generator,
    hinge_discriminator,
    hinge_generator,
    kl,
    r1,
    reconstruction,
)
from unit_edge.train.losses.steady import moved, random_motion, unsteadiness

__all__ = [
    "gan_discriminator",
    "gan_generator",
    "hinge_discriminator",
    "hinge_generator",
    "kl",
    "moved",
    "r1",
    "random_motion",
    "reconstruction",
    "unsteadiness",
]
