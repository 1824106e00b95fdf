"""The `[loss]` table: the weights of the terms."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from unit_edge.errors import require


@dataclass(frozen=True)
class LossConfig:
    """The weights of equations 3-8. All terms are means over their elements, see train/losses.py."""

    gan: float = 10.0
    """λ0, of the adversarial terms."""
    kl: float = 0.1
    """λ1, of KL(q(z|x) || N(0, I)) in the VAE terms."""
    reconstruction: float = 100.0
    """λ2, of -log p(x|z), the L1 reconstruction."""
    cycle_kl: float = 0.1
    """λ3, of the KL terms in the cycles."""
    cycle: float = 100.0
    """λ4, of the L1 cycle reconstruction."""
    gan_loss: Literal["bce", "least_squares"] = "bce"
    """Binary cross-entropy (paper), or least squares."""
    r1: float = 0.0
    """Weight γ of the R1 penalty γ/2 |∇D(x)|² on real images (Mescheder et al. 2018)."""
    feature_gan: float = 0.0
    """Weight of the adversarial terms on ImageNet features, if network.feature_discriminator names any."""
    feature_colours: float = 1.0
    """Share of images' colours that these see. At 0 they see brightness alone: then the guide alone teaches
    colours, and lights stay white where discriminators would have them red."""
    feature_colours2: float | None = None
    """The same where these look at domain 2; as domain 1 if left out."""
    steady: float = 0.0
    """Weight of the difference between a moved translation and the translation of the moved image."""
    adversaries_from: int = 0
    """Steps before which there are no adversarial terms: the rest finds the way first."""
    vae_every: int = 1
    """Steps from one that has the VAE, cycle and steadiness terms to the next; these weigh so much more
    (lazy regularisation, Karras et al., CVPR 2020)."""
    discriminator_input: Literal["translation", "guided"] = "translation"
    """What the adversaries see of a translation: the network's output (paper), or what the exported
    model's guided head makes of it."""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float):
                require(value >= 0, f"loss.{item.name}", value, "0 or more")
        for name, share in (
            ("feature_colours", self.feature_colours),
            ("feature_colours2", self.feature_colours2 or 0.0),
        ):
            require(share <= 1, f"loss.{name}", share, "0 to 1")
        require(self.adversaries_from >= 0, "loss.adversaries_from", self.adversaries_from, "0 or more")
        require(self.vae_every >= 1, "loss.vae_every", self.vae_every, "1 or more")
