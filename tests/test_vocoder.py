"""Vocoders: log-mel in, a waveform out; and training, which learns, does so twice alike, and teaches the critic too."""

import auraloss
import pytest
import torch
from torchaudio.functional import griffinlim

from tfrgan_lite.audio import Stft
from tfrgan_lite.errors import UserError
from tfrgan_lite.mel import LogMel
from tfrgan_lite.vocoder import (
    GriffinLim,
    MultiPeriodDiscriminator,
    NeuralVocoder,
    by_period,
    critic_loss,
    stft_distance,
    train_vocoder,
)

RATE, HOP = 16000, 160


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tones(count: int, seed: int, frames: int = 24) -> torch.Tensor:
    """Plucked notes (count, frames * HOP) of five partials, of random pitch and decay, and a little noise."""
    source = torch.Generator().manual_seed(seed)
    hz, decay, turns = torch.rand(3, count, 1, 1, generator=source)
    clock = torch.arange(frames * HOP) / RATE
    partials = torch.arange(1, 6)[:, None]
    waves = torch.sin(2 * torch.pi * (partials * 80 * 2 ** (4 * hz) * clock + turns)) / partials
    noise = 0.005 * torch.randn(count, len(clock), generator=source)
    return 0.3 * (waves * torch.exp(-clock * (2 + 30 * decay))).sum(1) + noise


def small(seed: int = 0) -> NeuralVocoder:
    torch.manual_seed(seed)
    return NeuralVocoder(width=32)


@pytest.mark.parametrize("shape", [(12,), (3, 12), (2, 3, 12), (1,)])
@pytest.mark.parametrize(("rate", "hop", "rates"), [(16000, 160, (8, 5, 4)), (44100, 441, (9, 7, 7))])
def test_log_mel_in_waveform_out(shape, rate, hop, rates):
    x = torch.randn(*shape, 80, generator=torch.Generator().manual_seed(0)) - 4
    for vocoder in (GriffinLim(rate, rounds=2), NeuralVocoder(rate, rates=rates, width=16)):
        with torch.no_grad():
            audio = vocoder(x)
        assert audio.shape == (*shape[:-1], shape[-1] * hop) and torch.isfinite(audio).all()
        if len(shape) == 3 and isinstance(vocoder, NeuralVocoder):
            torch.testing.assert_close(audio[1, 2], vocoder(x[1, 2]).detach())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sample_rate": 44100}, "make 160 samples a frame; give factors of the hop, 441"),
        ({"rates": (8, 5)}, "make 40 samples"),
        ({"width": 20}, "give a multiple of 8"),
    ],
)
def test_a_vocoder_that_cannot_be_built(options, said):
    with pytest.raises(UserError, match=said) as error:
        NeuralVocoder(**options)
    assert "\n" not in str(error.value)


def test_griffin_lim_rounds_come_nearer_and_its_seed_decides():
    sounds = tones(3, seed=1)
    x = LogMel(RATE)(sounds)
    state = torch.get_rng_state()
    apart = [float((LogMel(RATE)(GriffinLim(RATE, rounds=n)(x)) - x).abs().mean()) for n in (0, 4, 32)]
    assert apart[2] < 0.9 * apart[1] < 0.9 * 0.9 * apart[0], apart
    assert torch.equal(torch.get_rng_state(), state)
    one, again, other = (GriffinLim(RATE, rounds=2, seed=seed)(x) for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.allclose(one, other, atol=1e-3)


def test_griffin_lim_ends_as_near_as_torchaudios():
    x = tones(1, seed=1, frames=60)[0]
    vocoder = GriffinLim(RATE, rounds=32)
    stft, log_mel = vocoder.log_mel.stft, vocoder.log_mel
    X = log_mel(x)
    torch.manual_seed(0)
    sizes = (stft.n_fft, stft.hop_length, stft.win_length)
    theirs = griffinlim(vocoder.magnitude(X).mT, stft.window, *sizes, 1.0, 32, 0.99, None, True)
    gaps = [float((log_mel(wave) - X[: len(log_mel(wave))])[5:40].abs().mean()) for wave in (vocoder(X), theirs)]
    assert gaps[0] == pytest.approx(gaps[1], rel=0.15)


def test_griffin_lim_never_moves_away_from_the_magnitudes():
    stft, x = Stft(RATE), tones(1, seed=1, frames=60)[0]
    magnitude = stft(x).abs()
    phase = 2 * torch.pi * torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(2))
    spectrum, gaps = torch.polar(magnitude, phase), []
    for _ in range(8):
        heard = stft(stft.inverse(spectrum, len(x)))
        gaps.append(float((heard.abs() - magnitude).norm()))
        spectrum = torch.polar(magnitude, heard.angle())
    assert all(after < before for before, after in zip(gaps, gaps[1:], strict=False))


def test_griffin_lim_of_silence_is_silent():
    x = LogMel(RATE)(torch.zeros(1600))
    assert float(GriffinLim(RATE)(x).abs().max()) < 1e-4


def test_momentum_helps():
    x = LogMel(RATE)(tones(4, seed=2))
    plain, fast = (
        float((LogMel(RATE)(GriffinLim(RATE, rounds=32, momentum=m)(x)) - x).abs().mean()) for m in (0.0, 0.99)
    )
    assert fast < plain


def test_training_beats_the_mean_spectrum_and_silence_on_new_sounds():
    """Trivial baselines: always the training sounds' mean log-mel, and silence."""
    learnt, new = tones(64, seed=3), tones(16, seed=4)
    x = LogMel(RATE)(new)
    mean = float((LogMel(RATE)(learnt).mean((0, 1)) - x).abs().mean())
    silence = float((LogMel(RATE)(torch.zeros_like(new)) - x).abs().mean())

    def apart(vocoder):
        with torch.no_grad():
            return float((LogMel(RATE)(vocoder(x)) - x).abs().mean())

    vocoder = small()
    untrained = apart(vocoder)
    losses = train_vocoder(vocoder, learnt, steps=60, batch=4)
    assert len(losses) == 60
    assert apart(vocoder) < 0.85 * min(mean, silence, untrained)


def trained(critic: MultiPeriodDiscriminator | None, seed: int = 0) -> tuple[NeuralVocoder, list[float]]:
    vocoder = small()
    return vocoder, train_vocoder(vocoder, tones(8, seed=5, frames=8), steps=4, seed=seed, critic=critic, batch=2)


@pytest.mark.parametrize("with_critic", [False, True])
def test_two_trainings_are_equal_to_the_bit(with_critic):
    def critic():
        torch.manual_seed(9)
        return MultiPeriodDiscriminator((2, 3)) if with_critic else None

    (one, losses), (two, again), (_, others) = trained(critic()), trained(critic()), trained(critic(), seed=1)
    assert losses == again != others
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_the_critic_learns_and_is_listened_to():
    torch.manual_seed(9)
    critic = MultiPeriodDiscriminator((2, 3))
    before = [p.clone() for p in critic.parameters()]
    (alone, _), (told, _) = trained(None), trained(critic)
    assert all(not torch.equal(a, b) for a, b in zip(before, critic.parameters(), strict=True))
    assert all(p.requires_grad for p in critic.parameters())
    assert not torch.equal(alone.last.weight, told.last.weight)


def test_a_critic_learns_to_tell_sound_from_noise():
    torch.manual_seed(0)
    critic = MultiPeriodDiscriminator((2, 5))
    optimiser = torch.optim.Adam(critic.parameters(), 4e-3)
    source = torch.Generator().manual_seed(6)

    def heard(seed):
        real = tones(8, seed, frames=12)
        return critic(real), critic(torch.randn(real.shape, generator=source) * real.std())

    for seed in range(40):
        optimiser.zero_grad()
        critic_loss(*heard(seed)).backward()
        optimiser.step()
    real, noise = heard(100)
    assert all(r[-1].mean() > n[-1].mean() + 0.3 for r, n in zip(real, noise, strict=True))


def test_a_row_holds_the_samples_that_are_a_period_apart():
    x = torch.arange(7.0)[None]
    assert by_period(x, 3).tolist() == [[[0, 3, 6], [1, 4, 0], [2, 5, 0]]]


def test_stft_distance_of_a_perfect_and_of_useless_sounds():
    real = tones(4, seed=7)
    assert stft_distance(real, real).tolist() == [0, 0, 0, 0]
    near = real + 1e-3 * torch.randn(real.shape, generator=torch.Generator().manual_seed(0))
    assert (stft_distance(near, real) < stft_distance(torch.zeros_like(real), real)).all()
    assert (stft_distance(near, real) < stft_distance(real.flip(0), real)).all()


def test_stft_distance_is_auralosss():
    made, real = tones(1, seed=8), tones(1, seed=9)
    sizes = [512, 1024, 2048]
    theirs = auraloss.freq.MultiResolutionSTFTLoss(sizes, [s // 4 for s in sizes], sizes, eps=1e-5)
    assert float(stft_distance(made, real)) == pytest.approx(float(theirs(made[None], real[None])), rel=1e-4)
