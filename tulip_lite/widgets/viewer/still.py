"""The attack viewer's picture for readers without JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tulip_lite.figures.style import COLORS

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure


def in_one_row(
    clean: np.ndarray,
    change: np.ndarray,
    before: np.ndarray,
    now: np.ndarray,
    classes: Sequence[str],
    label: int,
    *,
    attack: str,
    network: str,
) -> matplotlib.figure.Figure:
    """Original, attacked image, magnified perturbation and probabilities.

    Args:
        clean: the image, (3, H, W) in [0, 1].
        change: the perturbation, of that shape.
        before: the network's answer at the image, 1 + K bytes: the predicted class, the probabilities in 1/255.
        now: its answer at the image with the perturbation, likewise.
        classes: the names of the K classes.
        label: the true one.
        attack: size and name of the perturbation in words, such as "ℓ₂ 0.5 by PGD".
        network: its name.
    """
    from matplotlib import pyplot

    # as in maths.mjs: a few bright pixels would leave the rest grey
    peak = min(float(np.abs(change).max()), 2.5 * float(np.sqrt((change**2).mean())))
    factor = 0.5 / max(peak, 1e-12)
    figure, axes = pyplot.subplots(1, 4, figsize=(8.6, 2.7), layout="constrained", width_ratios=(1, 1, 1, 1.25))
    pictures = (
        (clean, f"original:\n{classes[before[0]]}", before[0] == label),
        ((clean + change).clip(0, 1), f"{attack}:\n{classes[now[0]]}", now[0] == label),
        (
            (0.5 + factor * change).clip(0, 1),
            f"perturbation\n× {factor:.0f}" if change.any() else "no perturbation\n",
            None,
        ),
    )
    for axis, (picture, title, right) in zip(axes, pictures, strict=False):
        axis.imshow(picture.transpose(1, 2, 0), interpolation="nearest")
        axis.set_title(title, fontsize=10)
        axis.set(xticks=[], yticks=[])
        # colour alone tells nothing in grey: a wrong answer's frame is also dashed
        color, style = {None: (COLORS[4], "-"), True: (COLORS[0], "-"), False: (COLORS[1], "--")}[right]
        for spine in axis.spines.values():
            spine.set(color=color, linestyle=style, linewidth=0.8 if right is None else 2.5)
    _bars(axes[3], before, now, classes, label, network)
    return figure


def _bars(
    bars: matplotlib.axes.Axes, before: np.ndarray, now: np.ndarray, classes: Sequence[str], label: int, network: str
) -> None:
    places = np.arange(len(classes))
    colors = [COLORS[0] if k == label else COLORS[1] for k in places]
    bars.barh(places - 0.18, now[1:] / 255, 0.5, color=colors)
    bars.barh(places + 0.28, before[1:] / 255, 0.22, color=COLORS[4], label="original")
    bars.set(xlim=(0, 1), xticks=[0, 0.5, 1], xticklabels=["0", "½", "1"], title=f"{network}: probabilities")
    bars.title.set_fontsize(10)
    bars.set_yticks(places, [f"{name} (true)" if k == label else name for k, name in enumerate(classes)], fontsize=8)
    bars.invert_yaxis()
    bars.legend(fontsize=8, loc="lower right")
