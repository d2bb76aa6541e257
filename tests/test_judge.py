"""A generator's takes with the engineers' jitter: what is drawn is what is heard."""

from dataclasses import replace

import pytest
import torch
from small import SMALL

from tfrgan_lite.audio import decibels
from tfrgan_lite.baselines import Jitter
from tfrgan_lite.generator import Generator
from tfrgan_lite.judge import by_generator, by_jittered
from tfrgan_lite.studio import Song
from tfrgan_lite.studio.ears import by_width, level

RATE = 44100
ZERO = Jitter((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), -0.5, 150.0, 2500.0, {})
LOUD = (1.0, 0.3, 0.6)


@pytest.fixture(scope="module")
def generator():
    """A regression, whose fine head does nothing yet, so that its console is all that is heard."""
    torch.manual_seed(0)
    return Generator(replace(SMALL, z=0)).eval()


@pytest.fixture(scope="module")
def raw():
    """Noise for a second, then silence, in which only the room is heard."""
    stems = 0.1 * torch.randn(3, 1, 2 * RATE, generator=torch.Generator().manual_seed(0)).expand(-1, 2, -1)
    stems = stems * torch.tensor(LOUD)[:, None, None]
    stems[..., RATE:] = 0
    return Song(stems, ("drums", "keys", "voice"), "pop", RATE)


def change(before, after, span, band=(0, 1)):
    """What has changed in each track in dB, less the mean, as the master moves all: (N,). A band is a share of bins."""
    power = [torch.fft.rfft(wet[..., span]).abs().square().sum(1) for wet in (before, after)]
    low, high = (round(share * (power[0].shape[1] - 1)) for share in band)
    both = [x[:, low : high + 1].sum(1) for x in power]
    moved = decibels(both[1] / both[0]) / 2
    return moved - moved.mean()


SOUNDS, ROOM = slice(4410, RATE - 4410), slice(RATE + 4410, RATE + 22050)


def test_no_jitter_is_the_generators_mix(generator, raw):
    for seed in (0, 3):
        plain, still = by_generator(raw, seed, generator), by_jittered(raw, seed, generator, ZERO)
        for one, other in zip(plain, still, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


@pytest.mark.parametrize("seed", [1, 2])
def test_levels_are_heard_as_drawn(generator, raw, seed):
    jitter = replace(ZERO, level_db=(0.0, 2.0))
    drawn = jitter.draw(torch.tensor(LOUD), seed)[0]
    before, after = by_generator(raw, seed, generator)[1], by_jittered(raw, seed, generator, jitter)[1]
    for span in (SOUNDS, ROOM):  # the send is after the fader
        torch.testing.assert_close(change(before, after, span), drawn - drawn.mean(), atol=0.02, rtol=0)


@pytest.mark.parametrize("seed", [1, 2])
def test_sends_are_heard_as_drawn(generator, raw, seed):
    jitter = replace(ZERO, send_db=(1.0, 2.0))
    drawn = jitter.draw(torch.tensor(LOUD), seed)[2]
    before, after = by_generator(raw, seed, generator)[1], by_jittered(raw, seed, generator, jitter)[1]
    torch.testing.assert_close(change(before, after, ROOM), drawn - drawn.mean(), atol=0.1, rtol=0)
    assert change(before, after, SOUNDS).abs().max() < 0.3 * (drawn - drawn.mean()).abs().max()


@pytest.mark.parametrize("seed", [1, 2])
def test_tilts_are_heard_as_drawn_at_the_same_loudness(generator, raw, seed):
    jitter = replace(ZERO, tilt_db=(0.0, 3.0))
    tilt = jitter.draw(torch.tensor(LOUD), seed)[1]
    before, after = by_generator(raw, seed, generator)[1], by_jittered(raw, seed, generator, jitter)[1]
    low, high = (change(before, after, SOUNDS, band) for band in ((0.001, 0.003), (0.5, 0.7)))
    # From 22 to 66 Hz and from 11 to 15 kHz the shelves lie flat, half as much against the other way.
    torch.testing.assert_close(high - low, 1.5 * (tilt - tilt.mean()), atol=0.5, rtol=0)
    loudness = level(by_width(after), RATE) - level(by_width(before), RATE)
    assert float(loudness.max() - loudness.min()) < 0.15  # dB, where the treble moves by several


def test_takes_of_one_song_are_as_many_as_seeds(generator, raw):
    """By the shipped jitter: without it only the sides differ."""
    before = by_generator(raw, 0, generator)[1]
    moved = torch.stack([change(before, by_jittered(raw, seed, generator)[1], SOUNDS) for seed in range(4)])
    own = torch.stack([change(before, by_generator(raw, seed, generator)[1], SOUNDS) for seed in range(4)])
    assert own.abs().max() < 0.05 < 0.2 < moved.std(0).min() < 1
    again = by_jittered(raw, 2, generator)[0]
    assert torch.equal(again, by_jittered(raw, 2, generator)[0])


def test_the_order_of_tracks_does_not_matter(generator, raw):
    order = [2, 0, 1]
    turned = replace(raw, stems=raw.stems[order], roles=tuple(raw.roles[k] for k in order))
    wet, other = by_jittered(raw, 1, generator)[1], by_jittered(turned, 1, generator)[1]
    torch.testing.assert_close(wet[order], other, atol=1e-5, rtol=0)


def test_silence_stays_silent(generator, raw):
    silent = replace(raw, stems=raw.stems * torch.tensor([1.0, 0, 1])[:, None, None])
    mix, wet = by_jittered(silent, 1, generator)
    assert torch.isfinite(mix).all() and mix.abs().max() > 1e-3 and not wet[1].any()
