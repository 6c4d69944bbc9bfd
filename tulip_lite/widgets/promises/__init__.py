"""What can be promised: lower bounds on the adversarial distance against attacks, image by image (Figure 4, alive)."""

from tulip_lite.widgets.promises.state import PromisesExplorer

__all__ = ["PromisesExplorer"]
