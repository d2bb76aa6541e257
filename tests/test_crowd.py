"""tfrgan_lite.lesson.crowd: a crowd is so many networks alone, and its measures on perfect and useless draws."""

import math

import pytest
import torch
from torch import nn

from tfrgan_lite.lesson.crowd import Crowd, covered, eight_bells, mean_over_seeds


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def member(crowd: Crowd, index: int) -> nn.Sequential:
    """One of a crowd, as torch's own layers."""
    layers = []
    for weight, bias in zip(crowd.weights, crowd.biases, strict=True):
        linear = nn.Linear(*weight.shape[1:])
        linear.load_state_dict({"weight": weight[index].detach().T, "bias": bias[index, 0].detach()})
        layers += [linear, nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


def test_each_of_a_crowd_is_trained_as_if_it_were_alone():
    crowd = Crowd(3, 2, 4, source(), width=8)
    alone = [member(crowd, index) for index in range(4)]
    optimisers = [torch.optim.Adam(network.parameters(), 1e-2) for network in (crowd, *alone)]
    for step in range(3):
        x = torch.randn(4, 16, 3, generator=source(step))
        answers = [crowd(x), *(network(row) for network, row in zip(alone, x, strict=True))]
        for optimiser, answer in zip(optimisers, answers, strict=True):
            optimiser.zero_grad()
            answer.square().mean((-2, -1)).sum().backward()
            optimiser.step()
    x = torch.randn(16, 3, generator=source(9))
    torch.testing.assert_close(crowd(x), torch.stack([network(x) for network in alone]))


def test_its_weights_are_drawn_as_torchs_are_and_differ_by_seed():
    crowd = Crowd(16, 1, 50, source(), width=16)
    for weight in (*crowd.weights, *crowd.biases):
        assert weight.abs().max() <= 0.25
        assert float(weight.detach().std()) == pytest.approx(0.25 / math.sqrt(3), rel=0.15)
    assert not torch.equal(crowd.weights[0][0], crowd.weights[0][1])


def test_the_data_cover_eight_bells_and_useless_draws_do_not():
    bells, near = covered(eight_bells(3, 20_000, generator=source()))
    assert bells.tolist() == [8, 8, 8]
    assert near.tolist() == pytest.approx([1 - math.exp(-9 / 2)] * 3, abs=0.005)
    assert round(1 - math.exp(-9 / 2), 3) == 0.989
    bells, near = covered(torch.tensor([1.0, 0.0]).expand(100, 2))
    assert (int(bells), float(near)) == (1, 1.0)
    bells, near = covered(torch.zeros(100, 2))
    assert (int(bells), float(near)) == (0, 0.0)


def test_a_bell_with_too_few_draws_is_not_covered():
    draws = torch.tensor([[1.0, 0.0]]).repeat(1000, 1)
    for few, expected in ((31, 1), (32, 2)):  # a quarter of a share of 1000 draws is 31.25
        draws[:few] = torch.tensor([0.0, 1.0])
        assert int(covered(draws)[0]) == expected


def test_the_interval_is_students():
    mean, give = mean_over_seeds(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert mean == pytest.approx(3)
    assert give == pytest.approx(2.776 * math.sqrt(2.5) / math.sqrt(5), rel=1e-3)  # 2.776: a table of t, 4 degrees
    assert mean_over_seeds(torch.ones(3))[1] == 0
