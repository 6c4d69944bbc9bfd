"""λ, δ, C: a loss against the quadratic cost of distance, and the bound of Prop. 3.1 that turns infinite."""

from tulip_lite.widgets.cost.state import CostExplorer

__all__ = ["CostExplorer"]
