"""What the loss and its derivatives promise about the distance of the nearest misclassified image."""

from tulip_lite.bounds import columns as columns
from tulip_lite.bounds import constants as constants
from tulip_lite.bounds import kinds as kinds
from tulip_lite.bounds import proved as proved
from tulip_lite.bounds import smoothing as smoothing
from tulip_lite.bounds.formulas import curvature_bound as curvature_bound
from tulip_lite.bounds.formulas import lipschitz_bound as lipschitz_bound
from tulip_lite.bounds.formulas import slope_limited_bound as slope_limited_bound
