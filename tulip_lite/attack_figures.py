"""Pictures of attacks: error against radius (the form of Figures 2 and 3), and what a perturbation looks like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from tulip_lite.figures import COLORS

if TYPE_CHECKING:
    import matplotlib.figure
    import plotly.graph_objects

SYMBOL = {"l2": "ℓ₂", "linf": "ℓ∞"}
UNIT = {"l2": lambda r: f"{r:.3g}", "linf": lambda r: f"{255 * r:.3g}/255"}


def error_against_radius(
    errors: Mapping[str, Sequence[float]], radii: Sequence[float], norm: str
) -> plotly.graph_objects.Figure:
    """Curves of the share of misclassified images against the attack's radius, with a slider that reads them off.

    errors: network name -> errors in [0, 1], one for each radius; radii: pixel units; norm: "l2" or "linf".
    ValueError where a curve does not have one error for each radius.
    """
    import plotly.graph_objects as go

    for name, values in errors.items():
        if len(values) != len(radii):
            raise ValueError(f"{name} has {len(values)} errors for {len(radii)} radii")
    scale = 255 if norm == "linf" else 1
    x = [scale * r for r in radii]
    figure = go.Figure()
    for color, (name, values) in zip(COLORS, errors.items(), strict=False):
        figure.add_scatter(x=x, y=[100 * e for e in values], name=name, mode="lines+markers", line_color=color,
                           hovertemplate="%{y:.1f} % wrong")  # fmt: skip
    for color, (_, values) in zip(COLORS, errors.items(), strict=False):
        figure.add_scatter(x=x[:1], y=[100 * values[0]], mode="markers", showlegend=False, hoverinfo="skip",
                           marker={"color": color, "size": 16, "symbol": "circle-open", "line": {"width": 3}})  # fmt: skip
    rings = list(range(len(errors), 2 * len(errors)))
    figure.update_layout(
        xaxis={"title": f"{SYMBOL[norm]} radius of the attack" + (", in 1/255" if norm == "linf" else "")},
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
                        "label": UNIT[norm](radius),
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


def perturbations(
    x: Tensor, y: Tensor, attacked: Mapping[str, tuple[Tensor, Tensor]], classes: Sequence[str]
) -> matplotlib.figure.Figure:
    """A row an image: the clean one, then for each network the perturbation, magnified, and the attacked image.

    x: (B, 3, H, W) in [0, 1]; y: (B,); attacked: network name -> (x_adv (B, 3, H, W), predicted (B,)). A perturbation is shown
    around grey, all of one network's magnified by the same factor so that the largest fills the range.
    """
    from matplotlib import pyplot

    columns = 1 + 2 * len(attacked)
    figure, axes = pyplot.subplots(len(x), columns, figsize=(1.55 * columns, 2 * len(x)), squeeze=False)
    draw = _painter(classes)
    for row in range(len(x)):
        draw(axes[row][0], x[row], f"clean: {classes[y[row]]}", True)
        for k, (name, (x_adv, predicted)) in enumerate(attacked.items()):
            change = x_adv - x
            factor = 0.5 / float(change.abs().max().clamp_min(1e-12))
            right = bool(predicted[row] == y[row])
            draw(axes[row][1 + 2 * k], 0.5 + factor * change[row], f"change × {factor:.0f}", None)
            draw(axes[row][2 + 2 * k], x_adv[row], f"{name}:\n{classes[predicted[row]]}", right)
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
