"""Networks that take images in [0, 1], and how any network is looked at."""

from tulip_lite.models.evaluation import Scaled as Scaled
from tulip_lite.models.evaluation import evaluating as evaluating
from tulip_lite.models.evaluation import placed as placed
from tulip_lite.models.pocket import PocketNet as PocketNet
