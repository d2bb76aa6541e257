"""tfrgan_lite.losses: against torch's cross entropy, at D = 1/2, and R1 against autograd by hand."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from tfrgan_lite.losses import (
    ADVERSARIAL,
    discriminator_hinge_loss,
    discriminator_log_loss,
    energy_score,
    generator_hinge_loss,
    generator_minimax_loss,
    generator_non_saturating_loss,
    gradient_penalty,
    kl_per_token,
    log_mel_l1,
)

REAL = torch.tensor([3.0, -0.5, 0.1, 40.0])
FAKE = torch.tensor([-2.0, 0.7, 0.0, 60.0])
ONES, ZEROS = torch.ones(4), torch.zeros(4)


def test_log_losses_equal_torchs_cross_entropy():
    bce = binary_cross_entropy_with_logits
    torch.testing.assert_close(discriminator_log_loss(REAL, FAKE), bce(REAL, ONES) + bce(FAKE, ZEROS))
    torch.testing.assert_close(generator_minimax_loss(FAKE), -bce(FAKE, ZEROS))
    torch.testing.assert_close(generator_non_saturating_loss(FAKE), bce(FAKE, ONES))


def test_a_discriminator_that_says_half_gives_minus_log_4():
    value = -discriminator_log_loss(torch.zeros(8), torch.zeros(8))
    assert value.item() == pytest.approx(-math.log(4))
    assert generator_minimax_loss(torch.zeros(8)).item() == pytest.approx(-math.log(2))
    assert generator_non_saturating_loss(torch.zeros(8)).item() == pytest.approx(math.log(2))


def test_sure_of_a_fake_one_gradient_vanishes_and_the_other_does_not():
    for loss, expected in ((generator_minimax_loss, 0.0), (generator_non_saturating_loss, -1.0)):
        logit = torch.tensor([-20.0], requires_grad=True)
        loss(logit).backward()
        assert logit.grad.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_every_loss_is_finite_for_a_sure_discriminator_and_points_the_right_way(name):
    d_loss, g_loss = ADVERSARIAL[name]
    real, fake = (torch.tensor([x], requires_grad=True) for x in (0.2, -0.3))
    d_loss(real, fake).backward()
    assert real.grad.item() < 0 < fake.grad.item()  # D wants real up and fake down
    fake.grad = None
    g_loss(fake).backward()
    assert fake.grad.item() < 0  # G wants fake up
    for x in (-1e4, 1e4):
        assert math.isfinite(d_loss(torch.tensor([x]), torch.tensor([-x])))
        assert math.isfinite(g_loss(torch.tensor([x])))


def test_hinge_stops_at_the_margin():
    assert discriminator_hinge_loss(torch.tensor([1.0, 2.0]), torch.tensor([-1.0, -5.0])).item() == 0
    # real 0.5 lacks 0.5, fake 0.5 is 1.5 too high
    assert discriminator_hinge_loss(torch.tensor([0.5]), torch.tensor([0.5])).item() == pytest.approx(2.0)
    assert generator_hinge_loss(torch.tensor([2.0, -1.0])).item() == pytest.approx(-0.5)


def test_gradient_penalty_equals_autograd_by_hand():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    real = torch.tensor([[1.0, 2.0], [-1.0, 0.5]], requires_grad=True)
    # D(x) = w · x²: its gradient is 2 w x, by hand; two equal patches count as their mean.
    logits = (weight * real.square()).sum(1, keepdim=True).expand(-1, 2)
    penalty = gradient_penalty(logits, real)
    by_hand = [(6 * 1) ** 2 + (8 * 2) ** 2, (6 * -1) ** 2 + (8 * 0.5) ** 2]
    assert penalty.item() == pytest.approx(sum(by_hand) / 2 / 2)
    penalty.backward()  # it can be trained on: d/dw0 of mean (2 w x)² / 2 is 4 w0 mean x0²
    assert weight.grad[0].item() == pytest.approx(4 * 3 * 1.0)


def test_log_mel_l1_and_its_mask():
    a, b = torch.zeros(2, 3, 4, 5), torch.ones(2, 3, 4, 5)
    b[1] = -3.0
    assert log_mel_l1(a, b).item() == pytest.approx(2)
    mask = torch.tensor([[True, True, False], [False, False, True]])
    assert log_mel_l1(a, b, mask).item() == pytest.approx((1 + 3) / 2)  # each song counts alike


def test_the_loss_of_a_batch_is_the_mean_of_its_parts():
    source = torch.Generator().manual_seed(0)
    a, b = (torch.randn(4, 3, 2, 5, generator=source) for _ in range(2))
    mask = torch.tensor([[1, 1, 1], [1, 0, 0], [0, 0, 0], [1, 0, 1]]).bool()
    for loss in (
        lambda part: log_mel_l1(a[part], b[part], mask[part]),
        lambda part: kl_per_token([a[part]], mask[part]),
    ):
        assert loss(slice(0, 4)).item() == pytest.approx((loss(slice(0, 2)) + loss(slice(2, 4))).item() / 2)


def test_kl_per_token_ignores_absent_tracks():
    first, second = torch.ones(1, 2, 3, 4), 3 * torch.ones(1, 2, 3, 4)
    first[:, 1] = second[:, 1] = 99.0
    present = torch.tensor([[True, False]])
    assert kl_per_token([first, second], present).item() == pytest.approx((4 * 1 + 4 * 3) / 2)


def test_the_energy_score_is_least_for_a_model_that_draws_as_the_data_do():
    """Of a unit Gaussian's draws; expected: sqrt(1 + s²) - s in units of E|N(0, 1)|, by the sum of Gaussians."""
    source = torch.Generator().manual_seed(0)
    y, first, second = (torch.randn(200_000, 1, 1, generator=source) for _ in range(3))
    scores = {s: float(energy_score(s * first, s * second, y)) for s in (0.0, 0.7, 1.0, 1.4, 3.0)}
    for s, score in scores.items():
        assert score == pytest.approx(math.sqrt(2 / math.pi) * (math.sqrt(1 + s * s) - s / math.sqrt(2)), abs=0.01)
    assert min(scores, key=scores.get) == 1.0
    assert float(energy_score(first + 2, second + 2, y)) > scores[0.0]  # wide enough, but beside it


def test_the_energy_score_leaves_out_absent_tracks_and_has_a_slope_where_draws_agree():
    source = torch.Generator().manual_seed(0)
    first, second, target = (torch.randn(2, 3, 4, 5, generator=source) for _ in range(3))
    mask = torch.tensor([[True, True, False], [True, True, True]])
    score = energy_score(first, second, target, mask)
    first[0, 2], target[0, 2] = 99, -99
    torch.testing.assert_close(energy_score(first, second, target, mask), score)
    same = torch.zeros(1, 1, 4, requires_grad=True)
    energy_score(same, same, torch.ones(1, 1, 4)).backward()
    assert torch.isfinite(same.grad).all() and same.grad.abs().sum() > 0
