"""The numbered equations and quantitative sentences of chapter 00."""

import pytest
import torch
from small import SMALL

from tfrgan_lite import baselines
from tfrgan_lite.audio import Stft, loudness
from tfrgan_lite.discriminator import mid_side
from tfrgan_lite.generator import Generator
from tfrgan_lite.mix import mix_song
from tfrgan_lite.studio import engineer, song


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
    """None for equal channels, all for opposite ones, a half for one channel; no matter how loud."""
    sound = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    assert width(torch.stack([sound, sound])) == 0 and width(torch.stack([sound, -sound])) == 1
    assert width(torch.stack([sound, sound * 0])) == pytest.approx(0.5)
    mix = engineer(raw, 0).mix
    assert 0 < width(mix) < 0.5
    assert width(0.1 * mix) == pytest.approx(width(mix), rel=1e-4)
    assert width(swapped(mix)) == pytest.approx(1 - width(mix), rel=1e-4)


def test_a_swapped_wire_leaves_each_channel_and_takes_the_centre(raw):
    mix = engineer(raw, 0).mix
    for channel in (0, 1):
        assert float(loudness(swapped(mix)[channel : channel + 1], raw.sample_rate)) == pytest.approx(
            float(loudness(mix[channel : channel + 1], raw.sample_rate)), abs=1e-3
        )
    centre = torch.stack([mix[0], mix[0]])
    assert swapped(centre).mean(0).abs().max() == 0
