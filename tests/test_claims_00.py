"""The numbered equations and quantitative sentences of chapter 00."""

import re
from dataclasses import replace

import pytest
import torch
from small import SMALL

from tfrgan_lite import baselines
from tfrgan_lite.audio import Stft, loudness
from tfrgan_lite.data import HELD_OUT
from tfrgan_lite.discriminator import mid_side
from tfrgan_lite.generator import Generator
from tfrgan_lite.metrics.features import FEATURES, features
from tfrgan_lite.metrics.mixing import match_loudness
from tfrgan_lite.mix import mix_song
from tfrgan_lite.studio import engineer, song
from tfrgan_lite.studio.console import pan


def parts(mix):
    """Middle and side as the equation has them."""
    left, right = mix
    return (left + right) / 2, (left - right) / 2


def width(mix):
    m, s = parts(mix)
    return float(s.square().sum() / (m.square().sum() + s.square().sum()))


def swapped(mix):
    return mix * torch.tensor([[1.0], [-1.0]])


@pytest.fixture(scope="module")
def raw():
    return song(1_000_003, "pop", 3.0)


def test_eq_00_mix(raw):
    """Every mixer that the chapter plays gives wet stems whose sum is its mix."""
    made = {
        "raw sum": baselines.raw_sum(raw.stems, raw.sample_rate),
        "rule": baselines.equal_loudness(raw.stems, raw.sample_rate),
        "generator": mix_song(raw.stems, raw.sample_rate, raw.style, generator=Generator(SMALL)),
        "engineer": (engineer(raw, 0).mix, engineer(raw, 0).wet_stems),
    }
    for mix, wet in made.values():
        assert wet.shape == raw.stems.shape
        torch.testing.assert_close(mix, wet.sum(0), atol=1e-4, rtol=0)
    torch.testing.assert_close(made["raw sum"][0], raw.stems.sum(0))


def test_eq_00_mid_side(raw):
    """The package's middle and side are the equation's; a swapped wire exchanges them."""
    mix = engineer(raw, 0).mix
    m, s = parts(mix)
    spectrum = Stft(raw.sample_rate)
    for ours, theirs in zip((m, s), mid_side(spectrum(mix)), strict=True):
        torch.testing.assert_close(spectrum(ours), theirs, atol=1e-3, rtol=1e-3)
    after = parts(swapped(mix))
    assert torch.equal(after[0], s) and torch.equal(after[1], m)


def test_eq_00_width(raw):
    """The package's width in dB says the same share; no matter how loud, and a swapped wire leaves the rest."""
    mix = engineer(raw, 0).mix
    assert 0 < width(mix) < 0.5
    assert width(0.1 * mix) == pytest.approx(width(mix), rel=1e-4)
    assert width(swapped(mix)) == pytest.approx(1 - width(mix), rel=1e-4)
    against_middle = 10 ** (float(features(mix, raw.sample_rate)[FEATURES.index("width_db")]) / 10)
    assert width(mix) == pytest.approx(against_middle / (1 + against_middle), rel=1e-4)


def test_claim_00_all_middle():
    """Equal channels have no side, opposite ones nothing else, and one channel as much side as middle."""
    sound = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    assert width(torch.stack([sound, sound])) == 0 and width(torch.stack([sound, -sound])) == 1
    assert width(torch.stack([sound, sound * 0])) == pytest.approx(0.5)


def test_claim_00_never_met(root):
    """Training songs have the seeds from 0 on, fewer than the chapter's first; the engineer has a seed too."""
    card = Generator.from_pretrained().card["training"]["preset"]
    (notebook,) = (root / "notebooks").glob("00_*.ipynb")
    seeds = [int(seed.replace("_", "")) for seed in re.findall(r"\b1_000_\d+", notebook.read_text(encoding="utf-8"))]
    assert len(seeds) >= 2 and card["songs"] < HELD_OUT <= min(seeds)
    one, again = (engineer(song(min(seeds), "pop", 1.0), 0) for _ in range(2))
    assert torch.equal(one.mix, again.mix) and one.console == again.console


def test_claim_00_pan():
    left, right = (pan(torch.ones(1, 10), 44100, place) for place in (-1.0, 1.0))
    assert left[0].min() > 1 and left[1].abs().max() < 1e-6
    assert right[1].min() > 1 and right[0].abs().max() < 1e-6


def test_claim_00_two_takes(raw):
    """Another seed is another mix, and the same seed the same."""
    generator = Generator(SMALL)
    first, again, other = (mix_song(raw.stems, raw.sample_rate, "pop", seed, None, generator)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_claim_00_ignores_noise(raw):
    """Without noise, and without the coin that mirrors, every seed gives the same mix."""
    deaf = Generator(replace(SMALL, z=0, mirror=False))
    first, other = (mix_song(raw.stems, raw.sample_rate, "pop", seed, None, deaf)[0] for seed in (0, 1))
    assert torch.equal(first, other)


def test_claim_00_average(raw):
    """In squared error, the average of the others is nearer to an engineer than they are, by three tenths and more."""
    mixes = torch.stack([match_loudness(engineer(raw, seed).mix, raw.sample_rate) for seed in range(6)])
    apart = (mixes[:, None] - mixes[None]).square().mean((2, 3))
    average = torch.stack([torch.cat([mixes[:k], mixes[k + 1 :]]).mean(0) for k in range(6)])
    assert (average - mixes).square().mean() < 0.7 * apart.sum() / 30
    assert ((average - mixes).square().mean((1, 2)) < apart.sum(1) / 5).all()


def test_claim_00_one_wire(raw):
    """Each channel keeps its loudness, and the other way round one loudspeaker plays what was the side."""
    mix = engineer(raw, 0).mix
    for channel in (0, 1):
        assert float(loudness(swapped(mix)[channel : channel + 1], raw.sample_rate)) == pytest.approx(
            float(loudness(mix[channel : channel + 1], raw.sample_rate)), abs=1e-3
        )
    assert torch.equal(swapped(mix)[0], mix[0]) and torch.equal(swapped(mix)[1], -mix[1])


def test_claim_00_one_loudspeaker(raw):
    """Bass, kick and voice lose more than 10 dB on one loudspeaker, and tracks at the side less."""
    mixed = engineer(raw, 0)

    def lost(wet):
        before, after = (loudness(x.mean(0, keepdim=True), raw.sample_rate) for x in (wet, swapped(wet)))
        return float(before - after)

    lost_db = {role: lost(wet) for role, wet in zip(raw.roles, mixed.wet_stems, strict=True)}
    assert min(lost_db.pop(role) for role in ("bass", "drums", "voice")) > 10 > max(lost_db.values())


def test_claim_00_spectrograms(raw):
    """The spectrograms of left and right stay; those of middle and side change places."""
    mix, spectrum = engineer(raw, 0).mix, Stft(raw.sample_rate)
    before, after = (spectrum(x) for x in (mix, swapped(mix)))
    torch.testing.assert_close(after.abs(), before.abs())
    torch.testing.assert_close(mid_side(after)[0], mid_side(before)[1])
    assert not torch.allclose(mid_side(after)[0], mid_side(before)[0], atol=1e-2)
