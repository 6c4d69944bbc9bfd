"""What every attack for the smallest perturbation promises; a test file of one attack subclasses `Contract` and adds its own."""

import pytest
import torch
from conftest import LinearModel, SmoothNet
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from tulip_lite import norms, results
from tulip_lite.attacks.adversarial import CLEAN, Adversarial, fooled
from tulip_lite.data import originals
from tulip_lite.losses import cross_entropy
from tulip_lite.models import PocketNet, Scaled

NORMS = ("l2", "linf")
both_norms = pytest.mark.parametrize("norm", NORMS)


def linear(seed, spread=0.05, shape=(3, 4, 4), count=5):
    """A linear model in float64 and `count` images around the middle of the box, all classified correctly."""
    generator = torch.Generator().manual_seed(seed)
    model = LinearModel(torch.randn(shape, generator=generator, dtype=torch.float64))
    x = (0.5 + spread * torch.randn(count, *shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    return model, x, (model(x)[:, 0] < 0).long()


def distance_in_box(model, x, y, norm):
    """The exact distance (B,) to the boundary of a linear model inside [0, 1]: x + t · steepest(±w), clipped, for the smallest t
    that reaches it, by bisection in t; in that direction each pixel moves until it meets the box."""
    sign = torch.where(y == 0, -1.0, 1.0).view(-1, 1, 1, 1)
    direction = sign * norms.get(norm).steepest(model.weight.detach()[None])
    low, high = torch.zeros_like(x[:, :1, :1, :1]), torch.full_like(x[:, :1, :1, :1], 1e3)
    for _ in range(80):
        middle = (low + high) / 2
        reached = (sign.flatten() * model((x + middle * direction).clamp(0, 1))[:, 0] >= 0).view_as(low)
        low, high = torch.where(reached, low, middle), torch.where(reached, middle, high)
    return norms.get(norm).size((x + high * direction).clamp(0, 1) - x)


def seen_by(model, attack, *arguments, **options):
    """The result, and the sizes of the batches whose gradient was asked for."""
    sizes = []
    hook = model.register_forward_pre_hook(
        lambda _, inputs: sizes.append(len(inputs[0])) if inputs[0].requires_grad else None
    )
    found = attack(model, *arguments, **options)
    hook.remove()
    return found, sizes


class Bowl(nn.Module):
    """Score 1 − ‖x − ½‖^power against 0: misclassified outside a ball of ℓ2 radius 1 around the middle of the box. For power > 1
    the boundary seems farther than it is from inside, to first order, for power < 1 nearer."""

    def __init__(self, power):
        super().__init__()
        self.power = power

    def forward(self, x):
        score = 1 - ((x - 0.5).flatten(1) ** 2).sum(1) ** (self.power / 2)
        return torch.stack([score, torch.zeros_like(score)], 1)


class Cliff(nn.Module):
    """Misclassified where the mean is at least 0.8, with scores that are the same everywhere before and behind that."""

    def forward(self, x):
        mean = x.flatten(1).mean(1)
        return torch.stack([torch.where(mean < 0.8, 1.0, -1.0) + 0 * mean, 0 * mean], 1)


class Wrong(nn.Module):
    """Returns `value` for every score."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return torch.full((len(x), 3), self.value) + 0 * x.sum()


def curved(images, seed=0):
    """A small smooth network and images that it classifies correctly."""
    torch.manual_seed(seed)
    model, x = SmoothNet(), torch.rand(images, 3, 2, 2, dtype=torch.float64)
    return model, x, model(x).argmax(1)


class Contract:
    """attack: the function; bad_options: (option, value, message) that it refuses; tolerance: of distances, relative, the box
    being out of the way; tolerance_in_box: where most pixels meet it."""

    attack = None
    bad_options = ()
    tolerance = 0.01
    tolerance_in_box = 0.01

    @both_norms
    @settings(max_examples=15)
    @given(seed=st.integers(0, 2**31))
    def test_finds_the_exact_distance_of_a_linear_model(self, norm, seed):
        model, x, y = linear(seed)
        exact = model(x)[:, 0].detach().abs() / norms.get(norm).dual(model.weight.detach()[None])
        direction = exact.view(-1, 1, 1, 1) * norms.get(norm).steepest(model.weight.detach()[None])
        assume((x - direction.abs()).min() > 0 and (x + direction.abs()).max() < 1)  # the box is not in the way
        found = self.attack(model, x, y, norm)
        torch.testing.assert_close(found.distance, exact, rtol=self.tolerance, atol=1e-6)
        assert (found.distance >= exact * (1 - 1e-6)).all()

    @both_norms
    @settings(max_examples=15)
    @given(seed=st.integers(0, 2**31))
    def test_finds_the_exact_distance_where_the_box_matters(self, norm, seed):
        """From near a corner of the box most pixels can move one way only, far further than the free distance."""
        model, x, y = linear(seed, spread=1.0)
        exact = distance_in_box(model, x, y, norm)
        found = self.attack(model, x, y, norm)
        torch.testing.assert_close(found.distance, exact, rtol=self.tolerance_in_box, atol=1e-6)

    @both_norms
    @settings(max_examples=15)
    @given(power=st.floats(0.2, 3), share=st.floats(0.05, 0.9), signs=st.integers(0, 2**12 - 1))
    def test_finds_the_exact_distance_where_the_margin_is_curved(self, norm, power, share, signs):
        """From a point on a diagonal, `share` of the way to the surface, the nearest point of it is straight ahead."""
        diagonal = torch.tensor([1.0 if signs >> bit & 1 else -1.0 for bit in range(12)], dtype=torch.float64) / 12**0.5
        x = 0.5 + share * diagonal.view(1, 3, 2, 2)
        found = self.attack(Bowl(power), x, torch.tensor([0]), norm)
        exact = norms.get(norm).size((1 - share) * diagonal.view(1, 3, 2, 2))
        torch.testing.assert_close(found.distance, exact, rtol=self.tolerance, atol=1e-6)

    @both_norms
    def test_infinite_where_nothing_in_the_box_is_misclassified(self, norm):
        model, x, _ = linear(0)
        model.bias.data += model.weight.abs().sum() + 1
        found = self.attack(model, x, torch.zeros(len(x), dtype=torch.long), norm)
        assert found.distance.isinf().all() and found.attack == ("",) * len(x)
        assert torch.equal(found.x_adv, x)

    @both_norms
    def test_nothing_to_do_where_the_clean_image_is_wrong(self, norm):
        model, x, y = linear(1)
        y[1:3] = 1 - y[1:3]
        found, sizes = seen_by(model, self.attack, x, y, norm)
        assert found.distance[1:3].eq(0).all() and found.distance[[0, 3, 4]].gt(0).all()
        assert [name == CLEAN for name in found.attack] == [False, True, True, False, False]
        assert torch.equal(found.x_adv[1:3], x[1:3])
        assert max(sizes) == 3
        all_wrong, sizes = seen_by(model, self.attack, x, 1 - (model(x)[:, 0] < 0).long(), norm)
        assert all_wrong.distance.eq(0).all() and not sizes

    @both_norms
    def test_results_are_misclassified_inside_the_box_and_at_their_distance(self, norm, sample):
        model = results.load("undefended").model
        x, y = sample.test.subset(8).tensors()
        y = model(x).argmax(1)  # other images than it was trained on: what it says counts as true
        found = self.attack(model, x, y, norm)
        assert found.distance.isfinite().all()
        assert found.x_adv.min() >= 0 and found.x_adv.max() <= 1 and found.x_adv.is_contiguous()
        with torch.no_grad():
            assert fooled(model(found.x_adv), y).all()
        torch.testing.assert_close(norms.get(norm).size(found.x_adv - x), found.distance)
        again = self.attack(model, x.contiguous(memory_format=torch.channels_last), y, norm)
        assert torch.equal(again.x_adv, found.x_adv)

    @both_norms
    def test_a_saturated_softmax_changes_nothing(self, norm):
        """On scores multiplied by 100 the cross-entropy's gradient is zero in float32; that of their margin is not."""
        model = results.load("undefended").model
        x, y = originals.cifar10().subset(6).tensors()
        scaled = Scaled(model, 100.0)
        at = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(cross_entropy(scaled(at), y).sum(), at)
        assert (gradient.flatten(1).norm(dim=1) == 0).any()
        plain, masked = (self.attack(network, x, y, norm).distance for network in (model, scaled))
        torch.testing.assert_close(masked, plain, rtol=0.01, atol=0)

    @both_norms
    def test_an_image_does_not_feel_the_batch_it_is_in(self, norm):
        model, x, y = curved(6)
        together = self.attack(model, x, y, norm)
        alone = torch.cat([self.attack(model, x[i : i + 1], y[i : i + 1], norm).x_adv for i in range(6)])
        assert together.distance.isfinite().all()
        torch.testing.assert_close(together.x_adv, alone, rtol=0, atol=1e-7)

    @both_norms
    def test_finished_images_leave_the_batch(self, norm):
        """As many gradients are taken for a batch as for its images one by one, and none for those wrong from the start."""
        model, x, y = curved(6)
        y[0] = (y[0] + 1) % 4
        _, together = seen_by(model, self.attack, x, y, norm)
        alone = [sum(seen_by(model, self.attack, x[i : i + 1], y[i : i + 1], norm)[1]) for i in range(6)]
        assert alone[0] == 0 and sum(together) == sum(alone) > 0

    @both_norms
    def test_a_warm_start_is_never_left_for_something_farther(self, norm):
        model, x, y = curved(8, seed=1)
        y[7] = (y[7] + 1) % 4
        generator = torch.Generator().manual_seed(0)
        others = torch.rand(400, 3, 2, 2, generator=generator, dtype=torch.float64)
        labels = model(others).argmax(1)
        far = torch.stack([others[(labels != label).nonzero()[0, 0]] for label in y])
        size = norms.get(norm).size(far - x)
        known = Adversarial(far, size, ("noise",) * 8)
        known.distance[6] = torch.inf  # one that failed: its image is the clean one
        known.x_adv[6] = x[6]
        found = self.attack(model, x, y, norm, start=known)
        assert (found.distance <= known.distance).all() and found.distance.isfinite().all()
        assert (found.distance[:6] < size[:6]).any() and found.distance[7] == 0 and found.attack[7] == CLEAN
        cold = self.attack(model, x, y, norm)
        assert (self.attack(model, x, y, norm, start=cold).distance <= cold.distance).all()

    @both_norms
    def test_what_cannot_be_bettered_keeps_its_name(self, norm):
        x = torch.full((2, 3, 2, 2), 0.6, dtype=torch.float64)
        known = x + 0.2 * (1 + 1e-9)
        start = Adversarial(known, norms.get(norm).size(known - x), ("cliff", "edge"))
        found = self.attack(Cliff(), x, torch.tensor([0, 0]), norm, start=start)
        assert found.attack == ("cliff", "edge") and torch.equal(found.x_adv, known)

    def test_a_start_that_is_none_is_not_believed(self):
        """Distances are recomputed in the norm asked for: a start that is classified correctly is worth nothing."""
        model, x, y = linear(2)
        lie = Adversarial(x.clone(), torch.full((5,), 1e-6, dtype=x.dtype), ("lie",) * 5)
        found = self.attack(model, x, y, "l2", start=lie)
        torch.testing.assert_close(found.distance, distance_in_box(model, x, y, "l2"), rtol=self.tolerance, atol=1e-6)
        assert "lie" not in found.attack

    def test_leaves_mode_and_weights_as_they_were_also_on_error(self):
        model = PocketNet().train()
        model.head.eval()
        model.head.bias.requires_grad_(False)
        mean = model.features[0].norm.running_mean.clone()
        x, y = torch.rand(2, 3, 16, 16), torch.tensor([0, 1])
        self.attack(model, x, y, "l2")
        with pytest.raises(ValueError, match=r"\[0, 10\)"):
            self.attack(model, x, y + 9, "l2")
        assert model.training and model.features.training and not model.head.training
        assert torch.equal(model.features[0].norm.running_mean, mean)
        assert all(p.grad is None and p.requires_grad == (p is not model.head.bias) for p in model.parameters())

    @pytest.mark.parametrize(("change", "error", "complaint"), [
        ({"norm": "l1"}, ValueError, "unknown norm"),
        ({"x": 255 * torch.rand(2, 3, 4, 4)}, ValueError, r"images must lie in \[0, 1\]"),
        ({"y": torch.tensor([0.0, 1.0])}, TypeError, "integer"),
        ({"y": torch.tensor([0])}, ValueError, r"shape \(2,\)"),
        ({"model": Wrong(torch.nan)}, ValueError, "NaN"),
    ])  # fmt: skip
    def test_bad_images_labels_norms_and_models_get_one_clear_line(self, change, error, complaint):
        self._refused(error, complaint, **change)

    def test_bad_options_get_one_clear_line(self):
        for option, value, complaint in self.bad_options:
            self._refused(ValueError, complaint, **{option: value})

    def _refused(self, error, complaint, **change):
        arguments = {"model": Wrong(0.0), "x": torch.rand(2, 3, 4, 4), "y": torch.tensor([0, 1]), "norm": "l2"} | change
        with pytest.raises(error, match=complaint) as caught:
            self.attack(**arguments)
        assert "\n" not in str(caught.value)
