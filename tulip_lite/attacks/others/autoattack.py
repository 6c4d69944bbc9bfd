"""AutoAttack (Croce and Hein 2020) through the package pyautoattack 0.2.0: the robust error at one radius.

Differences from calling the library: it is handed contiguous float32 images that the network classifies correctly; of what it
hands back only the images are used, pulled to the boundary and judged; random numbers come from `seed`, and the caller's
random state, logging and tracing (which its check for dynamic defences ends) are left as they were; it aims at no more classes
than the network has.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tulip_lite import norms
from tulip_lite.attacks.adversarial import Adversarial, attacking, judged, to_boundary
from tulip_lite.attacks.others.sealed import Seen, plain, sealed
from tulip_lite.checks import check_positive


def autoattack(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    norm: str,
    radius: float,
    *,
    version: str = "standard",
    seed: int = 0,
) -> Adversarial:
    """AutoAttack at a radius: misclassified images with distance ≤ radius · (1 + 1e-4), distance ∞ where it found none.

    `distance < torch.inf` is the robust error at the radius, image by image; distances below the radius are upper bounds that
    nothing minimised.

    Args:
        x: (B, C, H, W) in [0, 1], at least 5 × 5 pixels.
        radius: Pixel units, > 0.
        version: ``"standard"``, ``"plus"`` or ``"rand"`` (for networks that draw random numbers).

    Raises:
        ValueError: For fewer than 4 classes, which its targeted loss needs.
        ImportError: Naming what to install, without pyautoattack.
    """
    norms.get(norm)
    check_positive(radius=radius)
    if version not in ("standard", "plus", "rand"):
        raise ValueError(f"unknown version {version!r} of AutoAttack: choose 'standard', 'plus' or 'rand'")
    try:
        import pyautoattack
    except ImportError as error:
        raise ImportError("AutoAttack needs pyautoattack: pip install 'tulip_lite[autoattack]'") from error
    with attacking(model, x, y) as (clean, wrong), torch.enable_grad():
        if x.dim() != 4 or min(x.shape[2:]) < 5:
            raise ValueError(f"AutoAttack needs images (B, C, H, W) of at least 5 × 5 pixels, got {tuple(x.shape)}")
        with torch.no_grad():
            classes = model(clean[:1]).shape[1]
        if classes < 4:
            raise ValueError(f"AutoAttack needs at least 4 classes, got {classes}: use attacks.pgd.smallest_radius")
        x_adv = clean.clone()
        if not wrong.all():
            with sealed(seed, x.device):
                ensemble = pyautoattack.AutoAttack(
                    Seen(model, x.dtype).eval(),
                    norm={"l2": "L2", "linf": "Linf"}[norm],
                    eps=float(radius),
                    version=version,
                    device=x.device,
                    seed=seed,
                )
                ensemble.fab.n_target_classes = ensemble.apgd_targeted.n_target_classes = min(9, classes - 1)
                proposed = ensemble.run_standard_evaluation(plain(clean[~wrong]), y[~wrong].long())[0]
                x_adv[~wrong] = proposed.to(clean).clamp(0, 1)
        found = judged(model, clean, y, to_boundary(model, clean, y, x_adv), norm, "autoattack")
        return _within(found, clean, radius * (1 + 1e-4))


def _within(found: Adversarial, clean: Tensor, radius: float) -> Adversarial:
    far = found.distance > radius
    return Adversarial(
        norms.where(far, clean, found.x_adv).contiguous(),
        found.distance.masked_fill(far, torch.inf),
        tuple("" if f else name for f, name in zip(far.tolist(), found.attack, strict=True)),
    )
