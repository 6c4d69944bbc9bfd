import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tulip_lite import losses
from tulip_lite.losses import cross_entropy, margin, soft_margin

seeds = st.integers(0, 2**31)


def draw(seed, batch=6, classes=5, spread=3.0):
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(batch, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, (batch,), generator=generator)


@given(seeds)
def test_cross_entropy_is_minus_the_log_of_the_true_probability(seed):
    logits, y = draw(seed)
    expected = [-math.log(logits[i].softmax(0)[y[i]]) for i in range(len(y))]
    torch.testing.assert_close(cross_entropy(logits, y), torch.tensor(expected, dtype=torch.float64))


def test_cross_entropy_of_bfloat16_logits_is_computed_in_float32():
    assert cross_entropy(torch.zeros(2, 3, dtype=torch.bfloat16), torch.tensor([0, 1])).dtype == torch.float32


@given(seeds)
def test_the_sign_of_the_margin_says_whether_the_image_is_classified_correctly(seed):
    logits, y = draw(seed)
    assert torch.equal(margin(logits, y) < 0, logits.argmax(1) == y)
    assert torch.all(margin(logits, y).abs() <= 1)


def test_the_margin_of_known_probabilities():
    p = torch.tensor([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]], dtype=torch.float64)
    torch.testing.assert_close(margin(p.log(), torch.tensor([0, 1])), torch.tensor([-0.5, 0.5], dtype=torch.float64))


@given(seeds, st.integers(1, 4))
def test_the_sign_of_the_top_k_margin_says_whether_the_label_is_among_the_k_most_probable(seed, k):
    logits, y = draw(seed)
    among = (logits.topk(k, 1).indices == y[:, None]).any(1)
    assert torch.equal(margin(logits, y, k) < 0, among)
    assert torch.all(margin(logits, y, k) <= margin(logits, y, 1))


def test_the_top_two_margin_of_known_probabilities():
    p = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], dtype=torch.float64)
    torch.testing.assert_close(margin(p.log(), torch.tensor([0, 2]), 2), torch.tensor([-0.3, 0.1], dtype=torch.float64))


@pytest.mark.parametrize("k", [0, 3, -1])
def test_a_k_without_meaning_is_refused(k):
    with pytest.raises(ValueError, match=rf"k must lie in \[1, 2\] for 3 classes, got {k}"):
        margin(torch.zeros(1, 3), torch.tensor([0]), k)


@given(seeds, st.floats(1, 1000))
def test_the_papers_soft_margin_is_below_the_margin_and_log_sum_exp_above_it(seed, temperature):
    logits, y = draw(seed)
    true = margin(logits, y)
    above = soft_margin(logits, y, temperature, "logsumexp")
    assert torch.all(soft_margin(logits, y, temperature, "paper") <= true + 1e-12)
    assert torch.all(above >= true - 1e-12)
    assert torch.all(above <= true + math.log(4) / temperature + 1e-12)


@given(seeds, st.floats(1, 100), st.integers(1, 4))
def test_the_soft_top_k_margin_lies_above_the_margin_by_no_more_than_it_says(seed, temperature, k):
    logits, y = draw(seed)
    true = margin(logits, y, k)
    above = soft_margin(logits, y, temperature, "logsumexp", k)
    assert torch.all(above >= true - 1e-12)
    assert torch.all(above <= true + math.log(k * math.comb(4, k)) / temperature + 1e-12)
    if k == 1:
        torch.testing.assert_close(losses._soft_kth_largest(logits, 1), logits.logsumexp(1))


def test_the_soft_top_k_margin_of_known_probabilities():
    p, y = torch.tensor([[0.4, 0.3, 0.2, 0.1]], dtype=torch.float64), torch.tensor([3])
    a, b, c = (math.exp(5 * q) for q in (0.4, 0.3, 0.2))
    expected = math.log(2 * (a * b + a * c + b * c) / (a + b + c)) / 5 - 0.1
    assert soft_margin(p.log(), y, 5, "logsumexp", 2).item() == pytest.approx(expected)


def test_the_soft_top_five_margin_of_a_thousand_classes_is_smooth():
    """First and second derivative by autograd are those of central differences; float32 logits stay float32."""
    logits, y = draw(0, batch=1, classes=1000)
    direction = torch.randn(1, 1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def along(t):
        return soft_margin(logits + t * direction, y, kind="logsumexp", k=5)[0]

    t, h = torch.zeros((), dtype=torch.float64, requires_grad=True), 1e-3
    (first,) = torch.autograd.grad(along(t), t, create_graph=True)
    (second,) = torch.autograd.grad(first, t)
    assert first.item() == pytest.approx(((along(h) - along(-h)) / (2 * h)).item(), rel=1e-4)
    assert second.item() == pytest.approx(((along(h) - 2 * along(0) + along(-h)) / h**2).item(), rel=1e-3)
    assert soft_margin(logits.float(), y, kind="logsumexp", k=5).dtype == torch.float32


def test_the_papers_soft_margin_calls_a_misclassified_image_correct():
    """Why ℓ₀ = 0 is no bound with it: 0.5 against 0.495 is wrong, yet the soft margin is negative."""
    p = torch.tensor([[0.495, 0.5, 0.005]], dtype=torch.float64)
    y = torch.tensor([0])
    assert margin(p.log(), y) > 0 > soft_margin(p.log(), y, kind="paper")
    assert soft_margin(p.log(), y, kind="logsumexp") > 0


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="the paper's soft margin is for k = 1"):
        soft_margin(*draw(0), k=2)
    with pytest.raises(ValueError, match="k must lie in"):
        soft_margin(*draw(0), kind="logsumexp", k=5)
    logits, y = draw(0)
    with pytest.raises(ValueError, match="unknown kind 'hard'"):
        soft_margin(logits, y, kind="hard")
    with pytest.raises(ValueError, match="temperature must be > 0"):
        soft_margin(logits, y, temperature=0)
