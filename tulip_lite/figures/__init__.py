"""From arrays to pictures, and how one gets into a notebook with its text alternative and its caption."""

from tulip_lite.figures import attacks as attacks
from tulip_lite.figures import bounds as bounds
from tulip_lite.figures.display import show as show
from tulip_lite.figures.style import COLORS as COLORS
