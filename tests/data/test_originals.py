import torch

from tulip_lite import results
from tulip_lite.data import originals
from tulip_lite.measure import predict


def test_they_are_twenty_real_images_that_the_shipped_network_mostly_recognises():
    images = originals.cifar10()
    assert images.images.shape == (20, 3, 32, 32) and images.images.dtype == torch.uint8
    assert len(images.labels.unique()) >= 8
    x, y = images.tensors()
    # wrong labels or colours in the wrong order would leave chance, 2 of 20
    assert (predict(results.load("undefended").model, x) == y).sum() >= 15
