"""The numbered equations and quantitative sentences of chapter 09."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad
from scipy.signal import butter, freqz, sosfilt, sosfreqz
from scipy.stats import binomtest
from scipy.stats import t as student

from tfrgan_lite.audio import k_weighting, limit_true_peak
from tfrgan_lite.judge import described
from tfrgan_lite.lesson import blind_results
from tfrgan_lite.lesson.blind import FORMAT, low_pass
from tfrgan_lite.metrics.bootstrap import mean_and_interval
from tfrgan_lite.metrics.distances import energy_distance, gaussian, kernel_width, mmd, pan_distance, spread
from tfrgan_lite.metrics.features import FEATURES, covered, features
from tfrgan_lite.metrics.mixing import log_mel_distance
from tfrgan_lite.report import VALIDITY
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


def test_claim_09_by_hand():
    """The centre, and another engineer, against an engineer: squared and absolute errors."""
    centre, another = (COIN[:, 0] - 0).abs(), (COIN - COIN.T).abs()
    assert [float(error.square().mean()) for error in (centre, another)] == pytest.approx([0.64, 1.28])
    assert [float(error.mean()) for error in (centre, another)] == pytest.approx([0.8, 0.8])
    assert float((another > 1).double().mean()) == 0.5 and float(another.max()) == pytest.approx(1.6)


@pytest.mark.parametrize("engineers", [2, 4, 8, 100])
def test_claim_09_mean_of_others(engineers):
    """Whatever they do, not only on average."""
    y = noise(engineers, 3)
    others = (y.sum(0) - y) / (engineers - 1)
    of_mean = (y - others).square().sum(1).mean()
    of_another = (y[:, None] - y).square().sum(2).sum() / (engineers * (engineers - 1))
    assert float(of_mean / of_another) == pytest.approx(engineers / (2 * (engineers - 1)))


def test_eq_09_abx():
    """The exact binomial p-value, and the numbers that the chapter gives by hand."""
    for n in (1, 8, 12):
        for r in range(n + 1):
            p = sum(math.comb(n, k) for k in range(r, n + 1)) / 2**n
            assert p == pytest.approx(binomtest(r, n, alternative="greater").pvalue)
    assert [math.comb(12, k) for k in range(9, 13)] == [220, 66, 12, 1]
    assert binomtest(9, 12, alternative="greater").pvalue == pytest.approx(0.073, abs=5e-4)
    assert binomtest(10, 12, alternative="greater").pvalue == pytest.approx(0.019, abs=5e-4)


@pytest.mark.parametrize("rate", [16000, 44100, 96000])
def test_claim_09_anchor(rate):
    pulse = torch.zeros(1, 4001)
    pulse[0, 2000] = 1
    response = low_pass(pulse, rate)[0]
    assert response.argmax() == 2000 and torch.allclose(response, response.flip(0), atol=1e-6)
    frequencies, gains = freqz(response.numpy(), worN=8000, fs=rate)
    level = 20 * np.log10(np.abs(gains) + 1e-9)
    assert np.abs(level[frequencies <= 3500]).max() < 0.1
    assert level[frequencies >= 4000].max() < -25 and level[frequencies >= 4500].max() < -50
    assert low_pass(torch.ones(2, 3), rate).shape == (2, 3)


def rated(listener, *scores):
    """What the page saves of a listener: the scores of each trial."""
    trials = [{"scores": each} for each in scores]
    return {"format": FORMAT, "listener": listener, "reference": "engineer", "mushra": trials, "abx": []}


@pytest.mark.parametrize(("missed", "trials", "out"), [(1, 7, False), (1, 6, True), (3, 20, False), (4, 20, True)])
def test_claim_09_left_out(missed, trials, out):
    """1 of 6 is more than 15 %, 1 of 7 is not; 89 is less than 90, and 90 is not."""
    low, edge = ({"engineer": score, "take": 80} for score in (89, 90))
    read = blind_results([rated("l", *[low] * missed, *[edge] * (trials - missed))])
    assert bool(read.excluded) is out and bool(read.scores) is not out


def test_claim_09_listeners():
    """Of three trials of one listener and one of two others, the interval is over three means."""
    scores = [{"engineer": 100, "take": score} for score in (40, 50, 90, 70, 30)]
    read = blind_results([rated("a", *scores[:3]), rated("b", scores[3]), rated("c", scores[4])])
    means = np.array([60, 70, 30])
    low, high = student.interval(0.95, 2, means.mean(), means.std(ddof=1) / 3**0.5)
    assert read.scores["take"] == pytest.approx((means.mean(), low, high))


def expected_energy(x, y):
    """The energy distance of two distributions over equally likely points: every pair, equal ones included."""
    return 2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()


def test_eq_09_energy():
    """In one dimension it is twice the area between the squared distribution functions (Székely and Rizzo 2013)."""
    x, y = noise(7, 1), 0.5 * noise(5, 1, seed=1) + 1
    edges = torch.cat([x, y]).flatten().sort().values
    F, G = ((points.flatten() <= edges[:-1, None]).double().mean(1) for points in (x, y))
    assert float(expected_energy(x, y)) == pytest.approx(float(2 * ((F - G) ** 2 * edges.diff()).sum()))
    assert float(expected_energy(x, x)) == pytest.approx(0)


def test_claim_09_energy_table():
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
    estimates = [energy_distance(sx * noise(8, 1, seed=i) + m, sy * noise(8, 1, seed=9999 + i)) for i in range(500)]
    closed = 2 * folded(m, sx, sy) - folded(0, sx, sx) - folded(0, sy, sy)
    assert abs(np.mean(estimates) - closed) < 4 * np.std(estimates) / 500**0.5


def test_claim_09_inner():
    for width in (0.5, 1.0, 2.0):
        x, other = width * noise(2, 400_000)
        assert folded(0, width, width) == pytest.approx(2 * width / math.sqrt(math.pi))
        assert float((x - other).abs().mean()) == pytest.approx(2 * width / math.sqrt(math.pi), rel=0.01)


def test_claim_09_numbers():
    """Level, crest, width, left against right, eight bands of the middle, eight of the sides, and loudness range."""
    mix = noise(2, 44100).float() * 0.1
    assert len(FEATURES) == 4 + 8 + 8 + 1 == len(features(mix, 44100))
    kinds = [sum(name.startswith(kind) for name in FEATURES) for kind in ("mid_", "side_")]
    assert kinds == [8, 8]
    louder = features(mix * 10 ** (-6 / 20), 44100) - features(mix, 44100)
    expected = torch.tensor([-6.0, 0, 0, 0] + [-6.0] * 16 + [0])
    torch.testing.assert_close(louder, expected, atol=0.05, rtol=0)


def test_claim_09_mirror():
    mix = torch.tensor([[1.0], [0.4]]) * noise(2, 44100).float() * 0.1
    seen, mirrored = features(mix, 44100), features(mix.flip(0), 44100)
    changes = (seen - mirrored).abs() > 1e-3
    assert [name for name, changed in zip(FEATURES, changes, strict=True) if changed] == [FEATURES[3]]
    assert float(mirrored[3]) == pytest.approx(-float(seen[3]), abs=1e-4)


def test_claim_09_same_mixes():
    """The estimate of the judges' own mixes, and of a copy of one against it alone and against all."""
    y = noise(8, 3)
    assert energy_distance(y, y) == pytest.approx(-2 * float(spread(y)) / 8) and float(spread(y)) > 1
    copies = y[:1].expand(8, -1)
    assert float(torch.cdist(copies, y[:1]).mean()) == 0 and energy_distance(copies, y) > energy_distance(y, y)


def test_claim_09_hiss():
    """Of a mix that is quiet above 16 kHz: noise there moves few of the 21 numbers, and the log-mel."""
    rate = 44100
    below, above = (butter(10, 15500, kind, fs=rate, output="sos") for kind in ("low", "high"))
    mix, hiss = (torch.from_numpy(sosfilt(sos, noise(2, 2 * rate, seed=k).numpy()).copy()).float()
                 for k, sos in enumerate((below, above)))  # fmt: skip
    mix, noisy = 0.1 * mix, 0.1 * mix + 0.002 * hiss
    moved = (features(noisy, rate) - features(mix, rate)).abs()
    assert int((moved > 0.5).sum()) <= 4 and log_mel_distance(noisy, mix, rate) > 0.5


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


def test_claim_09_heaps():
    """Ten songs' takes, perfect or handed to the next song: the same heap, and another distance song by song."""
    songs = 5 * noise(10, 1, 2)
    takes, mixes = songs + noise(10, 4, 2, seed=1), songs + noise(10, 4, 2, seed=2)
    wrong = takes.roll(1, 0)
    heap, width = mixes.flatten(0, 1), kernel_width(mixes.flatten(0, 1))
    assert mmd(takes.flatten(0, 1), heap, width) == pytest.approx(mmd(wrong.flatten(0, 1), heap, width))
    right, moved = (
        np.mean([energy_distance(*each) for each in zip(made, mixes, strict=True)]) for made in (takes, wrong)
    )
    assert abs(right) < 0.5 and moved > 2


def test_claim_09_moves():
    """Of sets of equal size: the mean way from each position to the one of its rank."""
    places, others = np.random.default_rng(0).uniform(-1, 1, size=(2, 50))
    assert pan_distance(places, others) == pytest.approx(np.abs(np.sort(places) - np.sort(others)).mean())
    assert pan_distance(places, places[::-1]) == 0


def test_eq_09_diversity():
    x, y = noise(6, 4), noise(8, 4, seed=1)
    assert float(spread(3 * y) / spread(y)) == pytest.approx(3)
    assert float(spread(x[:1].expand(6, -1)) / spread(y)) == 0
    assert float(spread(x)) == pytest.approx(float(torch.pdist(x).mean()))


def test_claim_09_half_covered():
    """Two tracks of one sound, and two that share no band."""
    power = torch.rand(1, 2, 4097, generator=torch.Generator().manual_seed(0)).expand(2, -1, -1)
    assert covered(power, 44100).tolist() == pytest.approx([0.5, 0.5])


def test_eq_09_covered():
    """Tracks that are unequal, and tracks that share no band, through the package's powers."""
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


def test_claim_09_thresholds():
    """Where the two scores of the equation are equal, found by halving."""
    for share, threshold in ((0.5, 2.0), (0.75, 2.27)):
        low, high = 0.0, 4.0
        for _ in range(40):
            x = (low + high) / 2
            first, second = math.log(share), 4 * x - 4**2 / 2 + math.log(1 - share)
            low, high = (x, high) if first > second else (low, x)
        assert round(low, 2) == threshold


def test_claim_09_valid():
    """What is read of a mix at the limit, of one above it, and of one with two broken samples."""
    loud = 0.5 * noise(1, 2, 44100).float()
    mix, wet = limit_true_peak(loud.sum(0), loud, 44100)
    broken = mix.clone()
    broken[0, 5:7] = torch.nan
    read = [described(x, wet, loud, 44100)["validity"].tolist() for x in (mix, 2 * mix, broken)]
    assert read[0][0] == pytest.approx(-1, abs=0.1) and read[1][0] == pytest.approx(5, abs=0.1)
    assert -20 < read[0][1] < 0 and [each[2] for each in read] == [0, 0, 2]
    assert "permutation_db" in VALIDITY


def test_claim_09_bootstrap():
    """Drawn anew, with another generator."""
    values = np.random.default_rng(1).normal(size=40)
    means = np.random.default_rng(2).choice(values, size=(20_000, 40)).mean(1)
    mean, low, high = mean_and_interval(values)
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(np.percentile(means, (2.5, 97.5)), abs=0.03)
