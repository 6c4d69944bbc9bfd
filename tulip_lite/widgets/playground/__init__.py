"""The playground: a small network on points of the plane, trained in the reader's browser with the book's objective."""

from tulip_lite.widgets.playground.data import DATA, EDGE, points, tensors
from tulip_lite.widgets.playground.derivatives import constants, margin_derivatives
from tulip_lite.widgets.playground.networks import ACTIVATIONS, HIDDEN, TRAINING, flat, initial_weights, network, train
from tulip_lite.widgets.playground.state import Playground

__all__ = [
    "ACTIVATIONS", "DATA", "EDGE", "HIDDEN", "TRAINING", "Playground", "constants", "flat", "initial_weights",
    "margin_derivatives", "network", "points", "tensors", "train",
]  # fmt: skip
