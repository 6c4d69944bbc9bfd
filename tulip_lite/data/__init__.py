"""Images and labels: where they come from and what happens to them before a network sees them."""

from tulip_lite.data import augmentation as augmentation
from tulip_lite.data import originals as originals
from tulip_lite.data.images import Dataset as Dataset
from tulip_lite.data.images import Split as Split
from tulip_lite.data.sources import download as download
from tulip_lite.data.sources import load as load
