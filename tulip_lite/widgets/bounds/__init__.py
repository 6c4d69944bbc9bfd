"""Figure 1, alive: a loss along one direction, the L-cone and the C-parabola above it, and where each meets ℓ₀."""

from tulip_lite.widgets.bounds.state import BoundsExplorer, measured

__all__ = ["BoundsExplorer", "measured"]
