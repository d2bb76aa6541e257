"""The numbered equations and quantitative sentences of chapter 09."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad
from scipy.signal import sosfreqz

from tfrgan_lite.audio import k_weighting
from tfrgan_lite.metrics.distances import energy_distance, gaussian, kernel_width, mmd, spread
from tfrgan_lite.metrics.features import covered
from tfrgan_lite.tally import Tally

COIN = torch.tensor([[-0.8], [0.8]])


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_eq_09_twice(pans):
    """Over all pairs of independent draws: twice the variance; from the best single answer: the variance."""
    y = torch.tensor(pans, dtype=torch.float64)
    variance = float(y.var(unbiased=False))
    assert float((y[:, None] - y).square().mean()) == pytest.approx(2 * variance, abs=1e-9)
    answers = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    errors = (answers[:, None] - y).square().mean(1)
    assert float(errors.min()) == pytest.approx(variance, abs=1e-5)
    assert float(answers[errors.argmin()]) == pytest.approx(float(y.mean()), abs=1e-3)


def expected_energy(x, y):
    """The energy distance of two distributions over equally likely points: every pair, equal ones included."""
    return 2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()


def test_eq_09_energy():
    """The table that the chapter does by hand."""
    assert float(expected_energy(COIN, COIN)) == pytest.approx(0)
    assert float(expected_energy(torch.zeros(1, 1), COIN)) == pytest.approx(0.8)
    assert float(expected_energy(COIN[1:], COIN)) == pytest.approx(0.8)
    for system in (COIN, torch.zeros(1, 1), COIN[1:]):
        assert float(torch.cdist(system, COIN).mean()) == pytest.approx(0.8)  # the error cannot tell them apart


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(1, 6), st.integers(2, 6), st.integers(0, 99))
def test_eq_09_estimate(s, e, seed):
    x, y = noise(s, 3, seed=seed), noise(e, 3, seed=seed + 1)

    def norm(a, b):
        return math.dist(a.tolist(), b.tolist())

    across = sum(norm(a, b) for a in x for b in y) / (s * e)
    within = [sum(norm(a, b) for a in z for b in z) / max(len(z) * (len(z) - 1), 1) for z in (x, y)]
    assert energy_distance(x, y) == pytest.approx(2 * across - sum(within), abs=1e-9)


def folded(m, sx, sy):
    """E|X - Y| of two normal distributions whose means are m apart."""
    s = math.hypot(sx, sy)
    return s * math.sqrt(2 / math.pi) * math.exp(-(m**2) / (2 * s**2)) + m * math.erf(m / (s * math.sqrt(2)))


@pytest.mark.parametrize(("m", "sx", "sy"), [(0.0, 1.0, 1.0), (1.5, 0.5, 1.0), (0.7, 2.0, 1.0)])
def test_eq_09_gaussian(m, sx, sy):
    def integrand(y, x):
        density = math.exp(-((x - m) ** 2) / (2 * sx**2) - y**2 / (2 * sy**2)) / (2 * math.pi * sx * sy)
        return abs(x - y) * density

    value, _ = dblquad(integrand, m - 8 * sx, m + 8 * sx, -8 * sy, 8 * sy, epsabs=1e-4)
    assert folded(m, sx, sy) == pytest.approx(value, abs=1e-3)
    assert folded(0, sx, sx) == pytest.approx(2 * sx / math.sqrt(math.pi))
    estimates = [energy_distance(sx * noise(8, 1, seed=i) + m, sy * noise(8, 1, seed=9999 + i)) for i in range(500)]
    closed = 2 * folded(m, sx, sy) - folded(0, sx, sx) - folded(0, sy, sy)
    assert abs(np.mean(estimates) - closed) < 4 * np.std(estimates) / 500**0.5


def test_eq_09_bias():
    """What counting a mix against itself adds, for a perfect system: (1 / S + 1 / E) E|Y - Y'|."""
    s, e, spread_of_all = 4, 8, 2 / math.sqrt(math.pi)
    biased = [float(expected_energy(noise(s, 1, seed=i), noise(e, 1, seed=9999 + i))) for i in range(2000)]
    assert np.mean(biased) == pytest.approx((1 / s + 1 / e) * spread_of_all, abs=0.02)
    x, y = noise(s, 1), noise(e, 1, seed=1)
    assert float(expected_energy(x, y)) - energy_distance(x, y) == pytest.approx(float(spread(x) / s + spread(y) / e))


def test_eq_09_mmd():
    x, y = noise(5, 3), noise(7, 3, seed=1)
    width = kernel_width(y)
    assert width == pytest.approx(float(torch.pdist(y).median()))

    def k(a, b):
        return math.exp(-(math.dist(a.tolist(), b.tolist()) ** 2) / (2 * width**2))

    within = [sum(k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j) for z in (x, y)]
    across = sum(k(a, b) for a in x for b in y)
    assert mmd(x, y, width) == pytest.approx(within[0] / 20 + within[1] / 42 - 2 * across / 35)
    assert float(gaussian(x, x, width).diagonal().min()) == 1


def test_eq_09_diversity():
    x, y = noise(6, 4), noise(8, 4, seed=1)
    assert float(spread(3 * y) / spread(y)) == pytest.approx(3)
    assert float(spread(x[:1].expand(6, -1)) / spread(y)) == 0
    assert float(spread(x)) == pytest.approx(float(torch.pdist(x).mean()))


def test_eq_09_covered():
    """The two tables that the chapter does by hand, and one of unequal tracks, through the package's powers."""
    bands = torch.tensor([[3.0, 1.0], [1.0, 0.0]])
    expected = [1 - (0.75 * 0.75 + 0.25 * 1), 1 - 1 * 0.25]  # shares 3/4 and 1 of the first, 1/4 of the second
    rate, size = 44100, 4097
    hz = np.linspace(0, rate / 2, size)
    weight = abs(sosfreqz(k_weighting(rate), np.linspace(0, np.pi, size))[1]) ** 2
    low, high = (int(np.argmin(abs(hz - f))) for f in (400, 4000))

    def through_the_package(bands):
        power = torch.zeros(len(bands), 2, size)
        for bin, column in zip((low, high), bands.T, strict=True):
            power[:, :, bin] = column[:, None] / (2 * weight[bin])
        return covered(power, rate).tolist()

    assert through_the_package(bands) == pytest.approx(expected)
    assert through_the_package(torch.eye(2)) == pytest.approx([0, 0])
    assert through_the_package(torch.ones(2, 2)) == pytest.approx([0.5, 0.5])


def test_eq_09_style():
    """The thresholds done by hand, from the package's listener; the formula from what it has learned."""
    bell = np.random.default_rng(0).normal(size=(3000, 1))
    for firsts, threshold in ((1, 2.0), (3, 2 + 0.25 * math.log(3))):
        songs = [(0, bell)] * firsts + [(1, bell + 4)] + [(1, bell[:1])]  # the last one is judged
        tally = Tally.__new__(Tally)  # without all else that it keeps of a song
        tally.scale = torch.ones(1)
        tally.truths = [{"features": torch.from_numpy(x), "style": torch.tensor(style)} for style, x in songs]
        ear = tally._ear(firsts + 1)
        grid = np.linspace(0, 4, 4001)[:, None]
        assert grid[ear.predict(grid).argmax(), 0] == pytest.approx(threshold, abs=0.1)
        sigma, mu, share = ear.covariance_, ear.means_, ear.priors_
        scores = grid @ np.linalg.solve(sigma, mu.T) - 0.5 * np.diag(mu @ np.linalg.solve(sigma, mu.T)) + np.log(share)
        assert (scores.argmax(1) == ear.predict(grid)).all()
    assert round(2 + 0.25 * math.log(3), 2) == 2.27
