import torch
from torch import nn

from tulip_lite.models import PocketNet, Scaled
from tulip_lite.storage import fingerprints


def test_a_hash_changes_with_any_name_shape_type_or_value_and_with_nothing_else():
    x = torch.arange(24.0).view(1, 2, 3, 4)
    first = fingerprints.of({"x": x})
    assert fingerprints.of({"x": x.contiguous(memory_format=torch.channels_last)}) == first and len(first) == 16
    changed = x.clone()
    changed[0, 1, 2, 3] += 1e-5
    others = [{"y": x}, {"x": x.view(2, 12)}, {"x": x.double()}, {"x": changed}, {"x": x, "z": torch.tensor(1)}]
    assert len({first, *map(fingerprints.of, others)}) == 6


def test_weights_and_architecture_tell_models_apart():
    torch.manual_seed(0)
    relu, smooth = PocketNet(), PocketNet(activation="smooth-relu")
    smooth.load_state_dict(relu.state_dict())
    assert fingerprints.weights(relu) == fingerprints.weights(smooth)
    assert fingerprints.architecture(relu) != fingerprints.architecture(smooth)
    assert fingerprints.architecture(Scaled(relu, 2.0)) != fingerprints.architecture(Scaled(relu, 3.0))
    before = fingerprints.architecture(relu.eval()), fingerprints.weights(relu)
    assert (fingerprints.architecture(relu.train()), fingerprints.weights(relu)) == before
    relu(torch.rand(2, 3, 8, 8))  # in train mode it moves the batch statistics
    assert fingerprints.weights(relu) != before[1] and fingerprints.architecture(relu) == before[0]
    assert fingerprints.architecture(nn.ReLU()) == fingerprints.architecture(nn.ReLU())
