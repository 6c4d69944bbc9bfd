"""One fit for every objective: schedule, precision, and a loop whose killed runs go on."""

from tulip_lite.training.loop import Run as Run
from tulip_lite.training.loop import clean_error as clean_error
from tulip_lite.training.loop import fit as fit
from tulip_lite.training.precision import choose_precision as choose_precision
from tulip_lite.training.precision import default_device as default_device
from tulip_lite.training.precision import has_bfloat16 as has_bfloat16
from tulip_lite.training.schedule import Schedule as Schedule
