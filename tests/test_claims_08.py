"""The numbered equations and quantitative sentences of chapter 08."""

import math

import torch
import torch.nn.functional as functional
from small import SMALL

from tfrgan_lite.audio import decibels
from tfrgan_lite.config import Architecture
from tfrgan_lite.generator import Decision, Generator, pan_gains, render
from tfrgan_lite.mel import mel_points, mel_to_bins
from tfrgan_lite.mix import mix_song
from tfrgan_lite.prepare import LEVEL
from tfrgan_lite.studio import song


def decision(tracks=2, frames=3, mels=80):
    source = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=source)

    shape = (1, tracks, frames)
    fine = (1, tracks, 2, frames, mels)
    return Decision(
        draw(*shape), draw(*shape).tanh(), draw(*shape, mels), draw(*shape).exp(), draw(*fine), draw(*fine), []
    )


def test_eq_08_wet():
    """At a bin that is a band's centre, rendering is the equation with that band's values, by scalar arithmetic."""
    d = decision()
    # A sample rate at which the centre of band 20 falls on bin 64 exactly.
    centre = float(mel_points(80)[21])
    rate, n_fft, bin_ = centre * 2048 / 64, 2048, 64
    to_bins = mel_to_bins(rate, n_fft)
    assert abs(to_bins[20, bin_] - 1) < 1e-4
    dry, reverb = (torch.randn(1, 2, 2, 3, 1025, dtype=torch.complex64) for _ in range(2))
    wet = render(d, dry, reverb, to_bins)
    for n in range(2):
        for c in range(2):
            for t in range(3):
                g = float(d.gain[0, n, t] + d.bands[0, n, t, 20])
                f, phase = float(d.fine_gain[0, n, c, t, 20]), float(d.fine_phase[0, n, c, t, 20])
                p = float(pan_gains(d.pan[0, n, t])[c])
                s, r = complex(dry[0, n, c, t, bin_]), complex(reverb[0, n, c, t, bin_])
                expected = math.exp(g + f) * p * complex(math.cos(phase), math.sin(phase)) * s
                expected += math.exp(g) * float(d.send[0, n, t]) * r
                assert abs(complex(wet[0, n, c, t, bin_]) - expected) < 1e-3 * max(1, abs(expected))


def test_eq_08_mix():
    raw = song(1, "pop", 1.0)
    mix, wet = mix_song(raw.stems, raw.sample_rate, "pop", generator=Generator(SMALL))
    torch.testing.assert_close(mix, wet.sum(0), atol=1e-6, rtol=0)


def test_eq_08_pan():
    for position in (-1.0, -0.3, 0.0, 0.7, 1.0):
        left, right = pan_gains(torch.tensor(position)).tolist()
        assert math.isclose(left, math.sqrt(2) * math.cos(math.pi / 4 * (1 + position)), abs_tol=1e-6)
        assert math.isclose(right, math.sqrt(2) * math.sin(math.pi / 4 * (1 + position)), abs_tol=1e-6)
        assert math.isclose(left**2 + right**2, 2, abs_tol=1e-5)  # "always add up to 2"


def test_eq_08_start():
    """The start token of the package is the equation's MLP, and it is what the decoder sees first."""
    torch.manual_seed(0)
    generator = Generator(SMALL).eval()
    z, style = torch.randn(1, 4), torch.tensor([2])
    joined = torch.cat([z, generator.style.weight[style]], dim=-1)
    first, _, last = generator.start
    expected = functional.gelu(joined @ first.weight.T + first.bias) @ last.weight.T + last.bias
    seen = []
    generator.decoder.register_forward_pre_hook(lambda _, given: seen.append(given[0][:, :, 0]))
    generator.position = Plain()
    generator(torch.zeros(1, 3, 64, 80), torch.zeros(1, 3, dtype=int), style, z, torch.ones(1, 3, dtype=bool))
    torch.testing.assert_close(seen[0], expected[:, None].expand(1, 3, -1), rtol=1e-5, atol=1e-5)


class Plain(torch.nn.Module):
    """No position, so that the tokens are seen as they are."""

    def forward(self, tokens, roles):
        return tokens


def test_level_is_minus_20_dbfs():
    assert abs(float(decibels(torch.tensor(LEVEL))) + 20) < 1e-5


def test_a_window_has_33_decoder_tokens_and_160_of_memory():
    generator = Generator(Architecture(d_model=16, heads=2, encoder_layers=1, decoder_layers=1, latent=4, z=4))
    seen = []
    generator.decoder.register_forward_pre_hook(lambda _, given: seen.extend(x.shape for x in given[:2]))
    present, roles = torch.ones(1, 5, dtype=bool), torch.zeros(1, 5, dtype=int)
    generator(torch.zeros(1, 5, 512, 80), roles, torch.tensor([0]), torch.zeros(1, 4), present)
    sequence, memory = seen
    assert sequence[2] == 33
    assert memory[1] * memory[2] == 160
