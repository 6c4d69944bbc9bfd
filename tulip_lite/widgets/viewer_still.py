"""The attack viewer's picture for readers without JavaScript: the present image, attack and radius in one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot

from tulip_lite.attack_figures import SYMBOL, UNIT
from tulip_lite.figures import COLORS
from tulip_lite.widgets.viewer_state import direction

if TYPE_CHECKING:
    import matplotlib.figure

    from tulip_lite.widgets.viewer import AttackViewer


def still(viewer: AttackViewer) -> matplotlib.figure.Figure:
    """Original, attacked image, magnified perturbation and probabilities, at the stop of the slider nearest to the radius."""
    block, image, names = viewer._blocks[viewer.key], viewer.image, viewer.classes
    radii = np.array([*viewer.grids[viewer.norm], block.distances[image]])
    row = int(np.abs(radii - viewer.radius).argmin())
    radius, label = float(radii[row]), viewer.labels[image]
    before, now = block.answers[image, 0], block.answers[image, row]
    clean = viewer._x[image].cpu().numpy()
    change = radius * direction(block.levels[image], viewer.norm)
    # as in viewer.mjs: a few bright pixels would leave the rest grey
    peak = min(float(np.abs(change).max()), 2.5 * float(np.sqrt((change**2).mean())))
    factor = 0.5 / max(peak, 1e-12)

    figure, axes = pyplot.subplots(1, 4, figsize=(8.6, 2.7), layout="constrained", width_ratios=(1, 1, 1, 1.25))
    size = f"{SYMBOL[viewer.norm]} {UNIT[viewer.norm](radius)}"
    pictures = (
        (clean, f"original:\n{names[before[0]]}", before[0] == label),
        ((clean + change).clip(0, 1), f"{size} by {viewer.attack}:\n{names[now[0]]}", now[0] == label),
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
    bars, places = axes[3], np.arange(len(names))
    colors = [COLORS[0] if k == label else COLORS[1] for k in places]
    bars.barh(places - 0.18, now[1:] / 255, 0.5, color=colors)
    bars.barh(places + 0.28, before[1:] / 255, 0.22, color=COLORS[4], label="original")
    bars.set(xlim=(0, 1), xticks=[0, 0.5, 1], xticklabels=["0", "½", "1"], title=f"{viewer.network}: probabilities")
    bars.title.set_fontsize(10)
    bars.set_yticks(places, [f"{name} (true)" if k == label else name for k, name in enumerate(names)], fontsize=8)
    bars.invert_yaxis()
    bars.legend(fontsize=8, loc="lower right")
    return figure
