"""Pictures of attacks: error against radius or distance (the form of Figures 2 and 3), and what a perturbation looks like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tulip_lite import norms
from tulip_lite.figures.style import COLORS

if TYPE_CHECKING:
    import matplotlib.figure
    import plotly.graph_objects

    from tulip_lite.attacks.watched import Path


def error_against_radius(
    errors: Mapping[str, Sequence[float]], radii: Sequence[float], norm: str
) -> plotly.graph_objects.Figure:
    """Curves of the share of misclassified images against the attack's radius, with a slider that reads them off.

    Args:
        errors: Network name -> errors in [0, 1], one for each radius.
        radii: Pixel units.
        norm: ``"l2"`` or ``"linf"``.

    Raises:
        ValueError: Where a curve does not have one error for each radius.
    """
    import plotly.graph_objects as go

    for name, values in errors.items():
        if len(values) != len(radii):
            raise ValueError(f"{name} has {len(values)} errors for {len(radii)} radii")
    geometry = norms.get(norm)
    x = [geometry.scale * r for r in radii]
    figure = go.Figure()
    for color, (name, values) in zip(COLORS, errors.items(), strict=False):
        figure.add_scatter(x=x, y=[100 * e for e in values], name=name, mode="lines+markers", line_color=color,
                           hovertemplate="%{y:.1f} % wrong")  # fmt: skip
    for color, (_, values) in zip(COLORS, errors.items(), strict=False):
        figure.add_scatter(x=x[:1], y=[100 * values[0]], mode="markers", showlegend=False, hoverinfo="skip",
                           marker={"color": color, "size": 16, "symbol": "circle-open", "line": {"width": 3}})  # fmt: skip
    rings = list(range(len(errors), 2 * len(errors)))
    figure.update_layout(
        xaxis={"title": f"{geometry.symbol} radius of the attack" + (", in 1/255" if norm == "linf" else "")},
        yaxis={"title": "misclassified, %", "range": [-3, 103]},
        title={"text": _reading(errors, 0), "font": {"size": 15}, "x": 0.02, "y": 0.98, "yanchor": "top"},
        margin={"t": 96},
        hovermode="x unified",
        height=420,
        sliders=[
            {
                "currentvalue": {"prefix": "Radius: "},
                "steps": [
                    {
                        "label": geometry.unit(radius),
                        "method": "update",
                        "args": [
                            {"x": [[x[i]] for _ in errors], "y": [[100 * e[i]] for e in errors.values()]},
                            {"title.text": _reading(errors, i)},
                            rings,
                        ],
                    }
                    for i, radius in enumerate(radii)
                ],
            }
        ],
    )
    return figure


def _reading(errors: Mapping[str, Sequence[float]], i: int) -> str:
    return "Wrong: " + " · ".join(f"{name} {100 * values[i]:.0f} %" for name, values in errors.items())


def error_against_distance(
    distances: Mapping[str, Tensor], norm: str, *, log: bool = False, together: str | None = "nearest of all"
) -> matplotlib.figure.Figure:
    """For each attack the share of images it gets misclassified within a distance, in steps, and for all of them together.

    Args:
        distances: attack -> (N,) of the same N images, pixel units, ∞ where it failed: such an image is in no step, and the
            curve ends below 100 %.
        log: The distances logarithmic, for attacks that differ by factors; images wrong unperturbed (distance 0) then lift
            the left end.
        together: What to call the thick curve, of each image's least distance, for two attacks or more (None: for none).

    Raises:
        ValueError: For no attack, another number of images, NaN or negative distances, or more attacks than looks.
    """
    from matplotlib import pyplot

    looks = [(color, line) for line in ("-", "--", ":") for color in COLORS]
    if not distances or len(distances) > len(looks):
        raise ValueError(f"between 1 and {len(looks)} attacks can be told apart in one figure, got {len(distances)}")
    sizes = {name: len(values) for name, values in distances.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"the attacks must be of the same images, got {sizes}")
    for name, values in distances.items():
        if not (values >= 0).all():  # also true where one is NaN
            raise ValueError(f"the distances of {name} must be ≥ 0, got NaN or a negative one")
    scale = norms.get(norm).scale
    curves = {name: scale * values.detach().cpu().double() for name, values in distances.items()}
    reached = torch.cat(list(curves.values()))
    reached = reached[reached.isfinite() & (reached > 0)]
    left, right = (reached.min().item() / 1.2, 1.05 * reached.max().item()) if len(reached) else (0.1, 1.0)
    ends = (left if log else 0.0, right)

    figure, axis = pyplot.subplots(figsize=(7.5, 4.2))
    if together and len(curves) > 1:
        best = torch.stack(list(curves.values())).amin(0)
        axis.step(*_share_within(best, *ends), where="post", color="black", linewidth=3.5, alpha=0.8, label=together)
    for (name, values), (color, line) in zip(curves.items(), looks, strict=False):
        axis.step(*_share_within(values, *ends), where="post", color=color, linestyle=line, linewidth=1.6, label=name)
    axis.set(
        xlabel=(r"$\ell_\infty$ distance, in 1/255" if norm == "linf" else r"$\ell_2$ distance"),
        ylabel="misclassified, %", xscale="log" if log else "linear", xlim=ends, ylim=(-3, 103),
    )  # fmt: skip
    axis.grid(color="#d0d0d0")
    axis.legend(loc="lower right" if not log else "best")
    figure.tight_layout()
    return figure


def _share_within(values: Tensor, left: float, right: float) -> tuple[list[float], list[float]]:
    """The corners of the share of `values` (N,) that are at most x, in %, from x = left to x = right."""
    corners = values[values.isfinite() & (values > left)].sort().values
    start = int((values <= left).sum())
    shares = [100 * (start + i) / len(values) for i in range(len(corners) + 1)]
    return [left, *corners.tolist(), right], [*shares, shares[-1]]


def perturbations(
    x: Tensor, y: Tensor, attacked: Mapping[str, tuple[Tensor, Tensor]], classes: Sequence[str]
) -> matplotlib.figure.Figure:
    """A row an image: the clean one, then for each network the perturbation, magnified, and the attacked image.

    A perturbation is shown around grey, all of one network's magnified by the same factor so that the largest fills the
    range.

    Args:
        x: (B, 3, H, W) in [0, 1].
        y: (B,).
        attacked: Network name -> (x_adv (B, 3, H, W), predicted (B,)).
    """
    from matplotlib import pyplot

    columns = 1 + 2 * len(attacked)
    figure, axes = pyplot.subplots(len(x), columns, figsize=(1.55 * columns, 2 * len(x)), squeeze=False)
    draw = _painter(classes)
    for row in range(len(x)):
        draw(axes[row][0], x[row], f"clean: {classes[int(y[row])]}", True)
        for k, (name, (x_adv, predicted)) in enumerate(attacked.items()):
            change = x_adv - x
            factor = 0.5 / float(change.abs().max().clamp_min(1e-12))
            right = bool(predicted[row] == y[row])
            draw(axes[row][1 + 2 * k], 0.5 + factor * change[row], f"change × {factor:.0f}", None)
            draw(axes[row][2 + 2 * k], x_adv[row], f"{name}:\n{classes[int(predicted[row])]}", right)
    # room for the second line of a title below the row above it
    figure.tight_layout(pad=0.4, h_pad=1.6)
    return figure


def _painter(classes: Sequence[str]) -> Callable:
    def draw(axis, image: Tensor, title: str, right: bool | None) -> None:
        axis.imshow(image.detach().cpu().clamp(0, 1).permute(1, 2, 0).numpy(), interpolation="nearest")
        axis.set_title(title, fontsize=8)
        axis.set_xticks([])
        axis.set_yticks([])
        # colour alone tells nothing in grey: a wrong answer's frame is also dashed
        style = {None: ("#7F7F7F", 0.5, "-"), True: ("#0072B2", 2, "-"), False: ("#D55E00", 2, "--")}[right]
        for spine in axis.spines.values():
            spine.set(color=style[0], linewidth=style[1], linestyle=style[2])

    return draw


WAYS = {
    "loss": "cross-entropy",
    "distance": "distance from the clean image",
    "margin": "logit margin, positive where wrong",
}


def ways(
    paths: Mapping[str, Path], panels: Sequence[str] = ("distance", "margin"), *, log: bool = False
) -> matplotlib.figure.Figure:
    """The way of attacks on one image: what they showed the network, call by call, a panel for each quantity.

    In the first panel dots mark what was misclassified, on paths of at most 60 images; in the margin's it lies above the
    line.

    Args:
        paths: attack -> `attacks.watched.Path`.
        panels: Of ``"distance"``, ``"margin"`` and ``"loss"``.
        log: The distances logarithmic.

    Raises:
        ValueError: For another panel.
    """
    from matplotlib import pyplot

    if unknown := [panel for panel in panels if panel not in WAYS]:
        raise ValueError(f"no panel {unknown[0]!r}: there are {', '.join(map(repr, WAYS))}")
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.2 * len(panels), 3), squeeze=False)
    for axis, panel in zip(axes[0], panels, strict=True):
        for color, line, (name, path) in zip(COLORS, ("-", "--", "-.", ":", "-"), paths.items(), strict=False):
            values = getattr(path, panel).tolist()
            axis.plot(range(len(values)), values, color=color, linestyle=line, linewidth=1.4, label=name)
            if panel == panels[0] and len(values) <= 60:
                wrong = (path.margin > 0).nonzero().flatten().tolist()
                axis.plot(wrong, [values[k] for k in wrong], "o", color=color, markersize=4)
        if panel == "margin":
            axis.axhline(0, color="#7F7F7F", linewidth=1)
        steps_only = all(path.tracked.all() for path in paths.values())
        axis.set(xlabel="gradient step" if steps_only else "image shown to the network", ylabel=WAYS[panel])
        axis.set_yscale("log" if log and panel == "distance" else "linear")
        axis.grid(color="#d0d0d0")
    axes[0][0].legend()
    figure.tight_layout()
    return figure
