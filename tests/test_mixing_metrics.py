"""Each measure of mixes on a perfect and on a useless input, and against an oracle where there is one."""

import auraloss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import energy_distance as scipy_energy_distance

from tfrgan_lite.errors import UserError
from tfrgan_lite.metrics import distances, features
from tfrgan_lite.metrics.bootstrap import interval, mean_and_interval, ratio_and_interval, resamples
from tfrgan_lite.metrics.mixing import STFT_SIZES, log_mel_distance, stft_distance, unswapped, view, views
from tfrgan_lite.studio import engineer, song
from tfrgan_lite.studio.console import equalise, pan

RATE = 44100


@pytest.fixture(scope="module")
def raw():
    return song(5, "pop", 2.0)


@pytest.fixture(scope="module")
def mixed(raw):
    return engineer(raw, 0)


@pytest.fixture(scope="module")
def mix(mixed):
    return mixed.mix


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# One mix against one reference


def test_distance_of_a_perfect_and_a_useless_mix(mix):
    assert log_mel_distance(mix, mix, RATE) == 0
    assert log_mel_distance(mix.flip(0), mix, RATE) == 0  # a mirrored mix is as good
    useless = log_mel_distance(noise(*mix.shape), mix, RATE)
    slightly_worse = log_mel_distance(mix + 0.003 * noise(*mix.shape), mix, RATE)
    assert 0 < slightly_worse < 0.5 * useless
    assert log_mel_distance(torch.zeros_like(mix), mix, RATE) > slightly_worse


def test_distance_without_the_swap_sees_the_mirror(mix):
    x = view(mix, RATE)
    assert unswapped(x, x) == 0 and unswapped(x.flip(0), x) > 0.1
    torch.testing.assert_close(unswapped(torch.stack([x, x.flip(0)]), x)[1], unswapped(x.flip(0), x))


def test_distance_is_in_decibels_and_matches_loudness(mix):
    loud = noise(2, RATE, seed=1) * 0.3
    assert log_mel_distance(loud * 10 ** (-6 / 20), loud, RATE, matched=False) == pytest.approx(6, abs=0.02)
    assert log_mel_distance(loud * 10 ** (-6 / 20), loud, RATE) == pytest.approx(0, abs=1e-3)


def test_both_views_are_the_single_ones(mix):
    for made, matched in zip(views(mix, RATE), (True, False), strict=True):
        torch.testing.assert_close(made, view(mix, RATE, matched), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("mid_side", [False, True])
def test_stft_distance_of_a_perfect_and_a_useless_mix(mix, mid_side):
    assert stft_distance(mix, mix, RATE, mid_side) == 0
    assert stft_distance(0.5 * mix, mix, RATE, mid_side) < 0.1 < stft_distance(0.5 * mix, mix, RATE, mid_side, False)
    mirrored = stft_distance(mix.flip(0), mix, RATE, mid_side)
    assert (mirrored == 0) if mid_side else (mirrored > 0.05)
    slightly_worse = stft_distance(mix + 0.001 * noise(*mix.shape), mix, RATE, mid_side)
    for useless in (noise(*mix.shape), torch.zeros_like(mix)):
        assert stft_distance(useless, mix, RATE, mid_side) > 2 * slightly_worse


@pytest.mark.parametrize(
    ("mid_side", "oracle"),
    [(False, auraloss.freq.MultiResolutionSTFTLoss), (True, auraloss.freq.SumAndDifferenceSTFTLoss)],
)
def test_stft_distance_is_that_of_auraloss(mix, mid_side, oracle):
    """Its spectral convergence and log magnitude, on noise as loud as makes the least magnitude not matter."""
    # Silence at both ends: it mirrors the ends, ours has silence there.
    x, y = (torch.nn.functional.pad(noise(2, RATE, seed=i), (8192, 8192)) for i in (1, 2))
    sizes = list(STFT_SIZES)
    loss = oracle(sizes, [n // 4 for n in sizes], sizes)
    if mid_side:  # it takes the mean of two losses; ours has both channels in one norm
        expected = stft_distance(x, y, RATE, True, matched=False)
        sums = [torch.stack([a[0] + a[1], a[0] - a[1]]) for a in (x, y)]
        assert expected == pytest.approx(stft_distance(*sums, RATE, matched=False), rel=1e-5)
        assert expected == pytest.approx(float(loss(x[None], y[None])), rel=0.01)
    else:
        assert stft_distance(x, y, RATE, matched=False) == pytest.approx(float(loss(x[None], y[None])), rel=0.01)


@pytest.mark.parametrize("measure", [log_mel_distance, stft_distance])
def test_distances_refuse_mixes_of_other_lengths(mix, measure):
    with pytest.raises(UserError, match="cut them alike"):
        measure(mix[:, 1:], mix, RATE)


# Features of a mix


def named(mix, rate=RATE):
    return dict(zip(features.FEATURES, features.features(mix, rate).tolist(), strict=True))


def tone(hz, seconds=1.0, level=0.5, rate=RATE):
    return level * torch.sin(2 * torch.pi * hz * torch.arange(round(seconds * rate)) / rate)


def test_features_of_a_tone_on_the_left():
    heard = named(torch.stack([tone(1163), torch.zeros(RATE)]))
    assert heard["rms_db"] == pytest.approx(10 * np.log10(0.25 / 4), abs=0.01)
    assert heard["crest_db"] == pytest.approx(20 * np.log10(2), abs=0.01)
    assert heard["width_db"] == pytest.approx(0, abs=0.01)  # as much side as middle
    assert heard["imbalance_db"] == 60  # nothing on the right
    assert heard["mid_1163_hz_db"] == pytest.approx(10 * np.log10(0.25 / 8), abs=0.05)
    assert heard["side_1163_hz_db"] == pytest.approx(heard["mid_1163_hz_db"], abs=1e-3)
    assert heard["mid_260_hz_db"] < heard["mid_1163_hz_db"] - 30
    assert heard["loudness_range_lu"] < 0.1


def test_features_change_as_the_mix_does(mix):
    plain, mirrored, quiet = named(mix), named(mix.flip(0)), named(0.5 * mix)
    assert mirrored["imbalance_db"] == pytest.approx(-plain["imbalance_db"], abs=1e-3)
    assert mirrored["width_db"] == pytest.approx(plain["width_db"], abs=1e-3)
    assert quiet["rms_db"] == pytest.approx(plain["rms_db"] - 6.02, abs=0.01)
    assert quiet["crest_db"] == pytest.approx(plain["crest_db"], abs=0.01)
    assert named(mix.mean(0).expand(2, -1))["width_db"] == -60


@pytest.mark.parametrize("samples", [1, 100, RATE])
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_features_of_silence_and_one_sample_are_finite(samples, value):
    made = features.features(torch.full((2, samples), value), RATE)
    assert made.shape == (len(features.FEATURES),) and torch.isfinite(made).all()


def test_loudness_range_of_two_levels():
    """EBU Tech 3342, test signal 1: 20 s of a tone at -20 and 20 s at -30 dBFS have 10 LU."""
    levels = torch.cat([tone(1000, 20, 0.1), tone(1000, 20, 0.1 * 10**-0.5)]).expand(2, -1)
    assert float(features.loudness_range(levels, RATE)) == pytest.approx(10, abs=1)
    assert float(features.loudness_range(tone(1000, 10, 0.1).expand(2, -1), RATE)) == pytest.approx(0, abs=0.01)
    assert float(features.loudness_range(torch.zeros(2, 10 * RATE), RATE)) == 0


@pytest.mark.parametrize("rate", [8000, 44100, 192000])
def test_mean_power_adds_up_to_the_mean_square(rate):
    audio = noise(3, 2, rate)
    torch.testing.assert_close(features.mean_power(audio, rate).sum(-1), audio.square().mean(-1), rtol=0.03, atol=0)


# What was done to tracks


def measured(dry, wet):
    return features.settings(features.mean_power(dry, RATE), features.mean_power(wet, RATE), RATE)


def test_settings_of_a_known_console(raw):
    dry = raw.stems[raw.roles.index("bass")].mean(0).expand(3, 2, -1)
    places = torch.tensor([-0.7, 0.0, 0.9])
    wet = pan(dry, RATE, places)
    wet = wet * torch.tensor([1.0, 0.5, 0.25])[:, None, None]
    made = measured(dry, wet)
    torch.testing.assert_close(made[:, features.POSITION], places, atol=0.02, rtol=0)
    plain = measured(dry, dry)
    drop = plain[:, features.LEVEL] - made[:, features.LEVEL]
    torch.testing.assert_close(drop - drop[0], torch.tensor([0.0, 6.02, 12.04]), atol=0.01, rtol=0)
    assert made[:, 2:].abs().max() < 0.01 and plain[:, 2:].abs().max() < 1e-3
    bright = measured(noise(1, 2, RATE), equalise(noise(1, 2, RATE), RATE, high_shelf_db=6.0, high_shelf_hz=3500.0))
    assert bright[0, 5] - bright[0, 2] == pytest.approx(6, abs=1)


def test_settings_of_an_engineer_are_the_console_s(raw, mixed):
    """Pan positions as the console has them, a little nearer to the middle for what the room answers."""
    made = measured(raw.stems, mixed.wet_stems)
    known = features.console_settings(mixed.console)
    assert known.shape == (len(raw.stems), len(features.CONSOLE)) and abs(float(known[:, 0].sum())) < 1e-4
    torch.testing.assert_close(made[:, features.POSITION], known[:, 1], atol=0.2, rtol=0)


def test_settings_of_silence_are_zero(raw):
    dry = torch.cat([raw.stems[:1], torch.zeros_like(raw.stems[:1])])
    made = measured(dry, dry)
    assert torch.isfinite(made).all() and made[1].abs().max() == 0 and made[0, features.LEVEL] == 0
    assert torch.isfinite(measured(dry, torch.zeros_like(dry))).all()
    assert torch.isfinite(measured(dry[..., :1], dry[..., :1])).all()


def test_covered_is_what_lies_under_the_others():
    t = torch.arange(RATE) / RATE
    low, high, quiet = (a * torch.sin(2 * torch.pi * hz * t) for a, hz in ((0.5, 150), (0.5, 3000), (0.05, 3000)))

    def shares(*tracks):
        wet = torch.stack([torch.stack([track, track]) for track in tracks])
        return features.covered(features.mean_power(wet, RATE), RATE).tolist()

    assert shares(low, high) == pytest.approx([0, 0], abs=1e-3)  # each has its bands to itself
    assert shares(low, low) == pytest.approx([0.5, 0.5], abs=1e-3)
    assert shares(high, quiet) == pytest.approx([1 / 101, 100 / 101], abs=1e-3)  # 20 dB under
    assert shares(0.01 * high, 0.01 * quiet) == pytest.approx(shares(high, quiet), abs=1e-3)  # wherever the master is
    assert shares(low, high, torch.zeros(RATE))[2] == 1 and shares(torch.zeros(RATE)) == [1]


def test_presence_change_is_that_of_the_equaliser():
    dry = noise(2, 2, RATE)
    wet = equalise(dry, RATE, high_peak_db=torch.tensor([0.0, -6.0]), high_peak_hz=2000.0, high_peak_q=0.3)
    change = features.presence_change(features.mean_power(dry, RATE), features.mean_power(wet, RATE), RATE)
    assert abs(change[0]) < 1e-3 and -6 < change[1] < -2


# Distributions


def test_energy_distance_is_unbiased_and_sees_a_difference():
    """Near 0 on average for draws of one distribution, 2 E|X - Y| - ... of two points, and SciPy's in one dimension."""
    values = [distances.energy_distance(noise(8, 3, seed=i), noise(8, 3, seed=1000 + i)) for i in range(300)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 300**0.5
    assert min(values) < 0 < max(values)
    shifted = [distances.energy_distance(noise(8, 3, seed=i) + 1, noise(8, 3, seed=1000 + i)) for i in range(50)]
    assert np.mean(shifted) > 0.4
    x, y = noise(2000, 1), noise(2000, 1, seed=1) + 1
    assert distances.energy_distance(x, y) == pytest.approx(scipy_energy_distance(x[:, 0], y[:, 0]) ** 2, abs=0.01)


def test_a_deterministic_system_is_a_point():
    y = torch.tensor([[-1.0], [1.0]])
    assert distances.energy_distance(torch.zeros(1, 1), y) == pytest.approx(2 * 1 - 0 - 2)
    assert distances.energy_distance(torch.tensor([[3.0]]), y) == pytest.approx(2 * 3 - 0 - 2)
    repeated = distances.energy_distance(torch.full((8, 1), 3.0), y)
    assert repeated == pytest.approx(distances.energy_distance(torch.tensor([[3.0]]), y))
    with pytest.raises(UserError, match="at least 2 mixes"):
        distances.energy_distance(y, y[:1])
    with pytest.raises(UserError, match="x: holds NaN"):
        distances.energy_distance(y * torch.nan, y)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(2, 8), st.integers(2, 8), st.integers(1, 5), st.integers(0, 1000), st.floats(-5, 5))
def test_energy_distance_does_not_depend_on_order_or_place(s, e, n, seed, shift):
    x, y = noise(s, n, seed=seed).double(), noise(e, n, seed=seed + 1).double()
    value = distances.energy_distance(x, y)
    assert distances.energy_distance(x.flip(0) + shift, y + shift) == pytest.approx(value, abs=1e-6)
    assert distances.energy_distance(y, x) == pytest.approx(value, abs=1e-9)
    assert distances.energy_distance(2 * x, 2 * y) == pytest.approx(2 * value, abs=1e-6)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(2, 9), st.integers(0, 100))
def test_halves_have_nothing_in_common(count, seed):
    for one, other in distances.halves(count, 5, seed):
        assert len(one) == len(other) == count // 2
        assert len({*one.tolist(), *other.tolist()}) == 2 * (count // 2)


def test_halves_of_engineers_are_at_distance_zero_on_average():
    y = noise(6, 3)
    values = [distances.energy_distance(y[a], y[b]) for a, b in distances.halves(6, 4000)]
    assert abs(np.mean(values)) < 0.03 < np.std(values)
    with pytest.raises(UserError, match="cannot be split"):
        distances.halves(1)


def test_mmd_is_unbiased_and_sees_a_difference():
    width = distances.kernel_width(noise(100, 3))
    values = [distances.mmd(noise(20, 3, seed=i), noise(20, 3, seed=999 + i), width) for i in range(200)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 200**0.5
    assert distances.mmd(noise(100, 3) + 10, noise(100, 3, seed=1), width) > 0.5
    far = distances.mmd(torch.zeros(5, 1), torch.full((5, 1), 100.0), 1.0)
    assert far == pytest.approx(2)  # of two points, never the same
    with pytest.raises(UserError, match="at least 2"):
        distances.mmd(torch.zeros(1, 3), noise(5, 3), width)


def test_scale_never_divides_by_zero():
    scale = distances.scale_of(torch.stack([torch.ones(10), noise(10)], dim=1))
    assert scale[0] == pytest.approx(0.01) and 0.5 < scale[1] < 2


def test_spread():
    assert distances.spread(torch.tensor([[0.0], [1.0], [3.0]])) == pytest.approx(2)
    assert distances.spread(torch.zeros(1, 3)) == 0 and distances.spread(torch.ones(8, 3)) == 0


def test_pan_distance():
    wide = [-0.8, 0.8, -0.8, 0.8]
    assert distances.pan_distance(wide, [0.8, -0.8]) == 0
    assert distances.pan_distance([0.0], wide) == pytest.approx(0.8)  # an averager's
    assert distances.pan_distance([-0.8], wide) == pytest.approx(0.8)  # one side's: half of the tracks must cross


def test_sides_and_centre():
    engineers = torch.tensor([[-0.8, 0.05], [0.8, -0.3], [0.7, 0.1]])
    both, one, none = torch.tensor([[-0.5, 0.0], [0.3, 0.0]]), torch.tensor([[0.6, 0.0]] * 2), torch.zeros(2, 2)
    assert [distances.sides_reached(x, engineers) for x in (both, one, none)] == [True, False, False]
    assert distances.sides_reached(both, engineers.abs()) is None  # all engineers chose one side
    assert distances.sides_reached(both[:, :0], engineers[:, :0]) is None
    assert distances.centred(both, engineers) == (0, 2)  # the second track stands in the centre for engineers, too
    assert distances.centred(none, engineers) == (2, 2)


def test_gain_error():
    engineers = torch.tensor([[0.0, -6.0, -3.0], [0.0, -6.0, -3.0]])
    assert distances.gain_error(engineers - 20, engineers) == pytest.approx(0, abs=1e-6)  # the master is not judged
    assert distances.gain_error(torch.zeros(1, 3), engineers) == pytest.approx(2)


def test_correlation():
    assert distances.correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert distances.correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert distances.correlation([1, 1, 1], [3, 2, 1]) == 0


# Intervals


def test_interval_covers_the_mean_about_as_often_as_it_says():
    source = torch.Generator().manual_seed(0)
    hits = 0
    for _ in range(100):
        mean, low, high = mean_and_interval(torch.randn(40, generator=source).tolist())
        assert low < mean < high
        hits += low < 0 < high
    assert 85 <= hits <= 100
    with pytest.raises(UserError, match="two songs"):
        mean_and_interval([1.0])


def test_the_interval_of_a_ratio_knows_that_songs_are_paired():
    under = noise(40).exp().numpy()
    assert ratio_and_interval(0.5 * under, under) == pytest.approx((0.5, 0.5, 0.5))
    _, low, high = ratio_and_interval(noise(40, seed=1).exp(), under)
    assert low < high
    with pytest.raises(UserError, match="one of each"):
        ratio_and_interval([1.0, 2.0], [1.0])


def test_resamples_begin_with_every_song():
    drawn = resamples(5, 100)
    assert drawn.shape == (101, 5) and drawn[0].tolist() == [0, 1, 2, 3, 4] and set(drawn.ravel()) == set(range(5))
    assert interval(np.array([7.0, *range(101)])) == pytest.approx((7.0, 2.5, 97.5))
