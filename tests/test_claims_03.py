"""Chapter 03: every numbered equation, and every quantitative sentence of its prose."""

import ast
import math

import numpy as np
import pytest
import torch
from torchaudio.functional import melscale_fbanks

from tfrgan_lite.audio import Stft
from tfrgan_lite.config import PRESETS
from tfrgan_lite.errors import UserError
from tfrgan_lite.mel import FLOOR, LogMel, hz_to_mel, mel_filter_bank, mel_points
from tfrgan_lite.serialize import PatchEmbedding, TokenEmbedding, patchify, strips, unpatchify, unstrips
from tfrgan_lite.studio import song
from tfrgan_lite.vocoder import (
    GriffinLim,
    MultiPeriodDiscriminator,
    NeuralVocoder,
    by_period,
    critic_loss,
    stft_distance,
    train_vocoder,
    vocoder_loss,
)

RATE = 44100


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("samples", [1, 440, 441, 442, 44100, 441000])
def test_eq_03_frames(samples):
    assert LogMel(RATE)(torch.zeros(samples)).shape == (math.ceil(samples / 441), 80)


def test_claim_03_short_frames():
    """A 25 ms frame has moved on by 30 ms: what lies in it differs less than half as much as a second later."""
    for seed in range(3):
        made = song(seed, seconds=5.0)
        X = LogMel(made.sample_rate)(made.stems.sum(0).mean(0))
        soon, late = (float((X[frames:] - X[:-frames]).abs().mean()) for frames in (3, 100))
        assert soon < late / 2


def test_claim_03_ten_seconds():
    stft = Stft(RATE)
    assert (1000 * stft.win_length / RATE, 1000 * stft.hop_length / RATE) == pytest.approx((25, 10), abs=0.02)
    assert mel_filter_bank(RATE, 2048).shape[1] == 80
    for rate in (16000, RATE, 48000):
        assert LogMel(rate)(torch.zeros(10 * rate)).shape == (1000, 80)


def test_eq_03_dft():
    x = np.array([1.0, 0, -1, 0, 1, 0, -1, 0])
    by_sum = [sum(x[n] * np.exp(-2j * np.pi * k * n / 8) for n in range(8)) for k in range(8)]
    np.testing.assert_allclose(by_sum, np.fft.fft(x), atol=1e-12)
    np.testing.assert_allclose(np.abs(by_sum), [0, 0, 4, 0, 0, 0, 4, 0], atol=1e-12)


def test_claim_03_row():
    row = np.exp(-2j * np.pi * 2 * np.arange(8) / 8)
    np.testing.assert_allclose(row, [1, -1j, -1, 1j, 1, -1j, -1, 1j], atol=1e-12)
    assert row @ [1, 0, -1, 0, 1, 0, -1, 0] == pytest.approx(4)


def test_claim_03_mirror():
    x = noise(16).numpy()
    spectrum = np.fft.fft(x)
    np.testing.assert_allclose(spectrum[1:], spectrum[:0:-1].conj(), atol=1e-6)
    np.testing.assert_allclose(np.fft.rfft(x), spectrum[: 16 // 2 + 1], atol=1e-6)


def test_claim_03_fft():
    """The fast transform, written to count its multiplications."""

    def fft(x):
        if len(x) == 1:
            return x, 0
        (even, one), (odd, other) = fft(x[0::2]), fft(x[1::2])
        turned = np.exp(-2j * np.pi * np.arange(len(odd)) / len(x)) * odd
        return np.concatenate([even + turned, even - turned]), one + other + len(odd)

    for N in (8, 2048):
        x = noise(N).numpy()
        spectrum, count = fft(x)
        np.testing.assert_allclose(spectrum, np.fft.fft(x), atol=1e-5)
        assert N < count <= N * math.log2(N)


def test_eq_03_hann():
    window = Stft(RATE).window
    assert len(window) == 1102
    by_hand = torch.tensor([math.sin(math.pi * n / 1102) ** 2 for n in range(1102)])
    torch.testing.assert_close(window, by_hand)


def test_eq_03_stft():
    stft, x = Stft(RATE), noise(3000)
    window = np.zeros(2048)
    window[473 : 473 + 1102] = stft.window.numpy()
    spectrum = stft(x)
    for t in (0, 3, 6):
        for k in (0, 7, 500, 1024):
            total = 0j
            for n in range(2048):
                place = t * 441 + n - 1024
                if 0 <= place < 3000:
                    total += window[n] * float(x[place]) * np.exp(-2j * np.pi * k * n / 2048)
            assert complex(spectrum[t, k]) == pytest.approx(total, abs=2e-4)


def test_eq_03_ola():
    """For a spectrum that no signal has, too: the result is the nearest signal, and moving a sample makes it worse."""
    stft, samples = Stft(RATE), 2205
    generator = torch.Generator().manual_seed(1)
    spectrum = torch.randn(5, 1025, dtype=torch.complex64, generator=generator)
    window = torch.zeros(2048)
    window[473 : 473 + 1102] = stft.window
    top, bottom = torch.zeros(2, samples + 4096)
    for t, y in enumerate(torch.fft.irfft(spectrum)):
        top[t * 441 : t * 441 + 2048] += window * y
        bottom[t * 441 : t * 441 + 2048] += window**2
    by_hand = (top / bottom.clamp_min(1e-8))[1024 : 1024 + samples]
    got = stft.inverse(spectrum, samples)
    torch.testing.assert_close(got, by_hand, rtol=1e-4, atol=1e-5)

    def distance(x):
        gap = (stft(x) - spectrum).abs().square()
        return float((gap[:, 0] + 2 * gap[:, 1:-1].sum(1) + gap[:, -1]).double().sum())

    nearest = distance(got)
    for place in (100, 1000, 2000):
        for step in (-0.5, 0.5):
            moved = got.clone()
            moved[place] += step
            assert distance(moved) > nearest


@pytest.fixture(scope="module")
def chapter(notebooks):
    """The functions that chapter 03 defines, as it defines them, by name."""
    cells = ["".join(c["source"]) for c in notebooks["03_mel_serialization"]["cells"] if c["cell_type"] == "code"]
    wanted = [node for text in cells for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    names = {"torch": torch, "L": 1102, "FLOOR": FLOOR}
    exec(compile(ast.Module(wanted, []), "chapter 03", "exec"), names)
    return names


def test_eq_03_cola(chapter):
    """The sum of Hann windows is constant at half a window, and not at the package's hop."""
    window = Stft(RATE).window
    for hop, constant in ((551, True), (441, False)):
        total = torch.zeros(1102 + 20 * hop)
        for start in range(0, 20 * hop, hop):
            total[start : start + 1102] += window
        inside = total[1102 : 20 * hop - 1102]
        assert (float(inside.max() - inside.min()) < 1e-5) is constant
        spread = float((inside.max() - inside.min()) / inside.mean())
        assert chapter["ripple"](window, hop) == pytest.approx(spread, abs=1e-3)


def test_eq_03_mel():
    assert float(hz_to_mel(torch.tensor(1000.0))) == pytest.approx(1000, abs=0.1)
    for hz in (20.0, 440.0, 20000.0):
        assert float(hz_to_mel(torch.tensor(hz))) == pytest.approx(2595 * math.log10(1 + hz / 700), rel=1e-5)


def test_eq_03_triangle():
    points, filters = mel_points(80), mel_filter_bank(RATE, 2048)
    for band in (1, 40, 80):
        low, peak, high = (float(p) for p in points[band - 1 : band + 2])
        for k in range(1025):
            f = k * RATE / 2048
            want = max(0.0, min((f - low) / (peak - low), (high - f) / (high - peak)))
            assert float(filters[k, band - 1]) == pytest.approx(want, abs=1e-5)
    torch.testing.assert_close(filters, melscale_fbanks(1025, 20.0, 20000.0, 80, RATE), rtol=1e-4, atol=1e-4)


def test_eq_03_log():
    x, log_mel = noise(4410), LogMel(RATE)
    power = log_mel.stft(x).abs().square()
    by_hand = torch.log((power[:, :, None] * mel_filter_bank(RATE, 2048)).sum(1) + 1e-5)
    torch.testing.assert_close(log_mel(x), by_hand, rtol=1e-4, atol=1e-4)


def test_claim_03_floor():
    assert float(LogMel(RATE)(torch.zeros(4410)).unique()) == pytest.approx(-11.5, abs=0.02)


def test_claim_03_powers_add():
    """Of two independent sounds, in the mean over frames and bands."""
    one, two = noise(RATE, 1), noise(RATE, 2)
    power = [Stft(RATE)(x).abs().square() for x in (one, two, one + two)]
    assert float(power[2].mean() / (power[0] + power[1]).mean()) == pytest.approx(1, abs=0.02)
    amplitude = [each.sqrt().mean() for each in power]
    assert float(amplitude[2] / (amplitude[0] + amplitude[1])) == pytest.approx(math.sqrt(0.5), abs=0.02)


def test_claim_03_points():
    steps = hz_to_mel(mel_points(80)).diff()
    assert len(mel_points(80)) == 82 and mel_points(80)[[0, -1]].tolist() == pytest.approx([20, 20000], rel=1e-4)
    torch.testing.assert_close(steps, steps.mean().expand(81), rtol=1e-3, atol=0)


def test_claim_03_three_ways():
    X = torch.randn(1000, 80, generator=torch.Generator().manual_seed(0))
    ways = (strips(X, 1), strips(X, 16), patchify(X))
    assert [way.shape for way in ways] == [(1000, 80), (63, 16 * 80), (63 * 5, 16 * 16)]
    back = (unstrips(ways[0], 1000, 1), unstrips(ways[1], 1000, 16), unpatchify(ways[2], 1000, 80))
    assert all(torch.equal(each, X) for each in back)
    for embed, count in ((TokenEmbedding(80, 64, 16), 63), (PatchEmbedding(64), 315)):
        assert embed(X).shape == (count, 64)


def test_claim_03_patches_by_hand():
    small = torch.arange(16.0).reshape(4, 4)
    assert patchify(small, 2).tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


@pytest.mark.parametrize(("frames", "mels", "tokens"), [(1000, 80, 315), (16, 16, 1), (17, 17, 4), (1, 80, 5)])
def test_eq_03_patch(frames, mels, tokens):
    assert patchify(torch.zeros(frames, mels)).shape == (tokens, 256)
    assert math.ceil(frames / 16) * math.ceil(mels / 16) == tokens


def test_eq_03_kept(chapter):
    """By singular values: the share of the largest; and of new tokens, what is left when a basis is taken out."""
    draw = torch.Generator().manual_seed(0)
    learnt, new = (torch.randn(n, 6, generator=draw).double() @ torch.diag(torch.arange(6.0, 0, -1)).double() + 3
                   for n in (50, 20))  # fmt: skip
    same = torch.linalg.svdvals(learnt - learnt.mean(0)) ** 2

    def identity(x):
        return x

    assert chapter["kept"](identity, [learnt[:30], learnt[30:]], [learnt], 2)[0] == pytest.approx(
        float(same[:2].sum() / same.sum())
    )
    V = torch.linalg.svd(learnt - learnt.mean(0)).Vh[:2]
    rest = sum(float((t - learnt.mean(0) - V.T @ (V @ (t - learnt.mean(0)))) @ (t - learnt.mean(0))) for t in new)
    total = sum(float((t - learnt.mean(0)) @ (t - learnt.mean(0))) for t in new)
    assert chapter["kept"](identity, [learnt], [new], 2) == pytest.approx(
        (1 - rest / total, math.sqrt(rest / new.numel()))
    )
    assert chapter["kept"](identity, [learnt], [new], 6)[0] == pytest.approx(1)


def test_claim_03_principal():
    """Nor do 64 directions at random, or 63 of the principal ones with one of these."""
    draw = torch.Generator().manual_seed(0)
    tokens = torch.randn(500, 80, generator=draw) @ torch.randn(80, 80, generator=draw)
    tokens -= tokens.mean(0)
    principal = torch.linalg.svd(tokens).Vh[:64].T
    chance = torch.linalg.qr(torch.randn(80, 64, generator=draw)).Q
    mixed = torch.linalg.qr(torch.cat([principal[:, :63], chance[:, :1]], dim=1)).Q
    most, *others = (float((tokens @ V).square().sum()) for V in (principal, mixed, chance))
    assert most > max(others)


def test_eq_03_purity(chapter):
    power = torch.tensor([[[3.0, 0.0], [1.0, 1.0]], [[1.0, 2.0], [1.0, 0.0]]])  # (2 tracks, 2 frames, 2 bands)
    assert chapter["purity"](lambda p: strips(p, 1), power) == pytest.approx((3 / 6 + 2 / 3) / 2)
    assert chapter["purity"](lambda p: strips(p, 2), power) == pytest.approx(5 / 9)
    assert chapter["purity"](lambda p: p[..., None], power) == pytest.approx((3 / 4 + 1 + 1 / 2 + 1) / 4)
    apart = torch.zeros(2, 16, 32)
    apart[0, :, :16] = apart[1, :, 16:] = 1  # a low and a high track
    assert chapter["purity"](patchify, apart) == 1 and chapter["purity"](lambda p: strips(p, 1), apart) == 0.5
    assert chapter["purity"](patchify, torch.ones(4, 16, 16)) == pytest.approx(1 / 4)


def test_claim_03_patch_height():
    x = torch.randn(40, 80, generator=torch.Generator().manual_seed(0))
    here, there = (patchify(each).unflatten(0, (-1, 5)) for each in (x, x.roll(16, dims=1)))
    assert torch.equal(here.roll(1, dims=1), there)
    assert not torch.equal(strips(x, 1), strips(x.roll(16, dims=1), 1))


def test_eq_03_lstsq():
    """M⁺ gives the power that fits the bands best, and the smallest of those that fit equally well."""
    filters = mel_filter_bank(RATE, 2048).double()
    power = torch.rand(3, 1025, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    bands = power @ filters
    guess = bands @ torch.linalg.pinv(filters)
    torch.testing.assert_close(guess @ filters, bands)
    assert float(guess.norm()) < float(power.norm())


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_eq_03_griffinlim(momentum):
    """Three rounds by the equation, from the same random phases, are those of the package; and torchaudio's."""
    vocoder = GriffinLim(RATE, rounds=3, momentum=momentum, seed=5)
    x, stft = LogMel(RATE)(noise(8820)), Stft(RATE)
    magnitude = vocoder.magnitude(x)
    turns = torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(5))
    S = torch.polar(magnitude, 2 * torch.pi * turns)
    C = before = None
    for _ in range(3):
        before, C = C, stft(stft.inverse(S, 8820))
        ahead = C if before is None else C + momentum * (C - before)
        S = magnitude * torch.exp(1j * ahead.angle())
    torch.testing.assert_close(vocoder(x), stft.inverse(S, 8820), rtol=1e-3, atol=1e-4)


def highest_lobe_beside_the_peak(window: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(window, 2**18))
    valley = int(np.argmax(np.diff(spectrum) > 0))
    return 20 * math.log10(spectrum[valley:].max() / spectrum[0])


def main_lobe_steps(window: np.ndarray) -> float:
    """Width from zero to zero, in steps of one over the window's length."""
    spectrum = np.abs(np.fft.rfft(window, 2**18))
    return 2 * int(np.argmax(np.diff(spectrum) > 0)) / 2**18 * len(window)


def test_claim_03_lobes():
    flat, hann = np.ones(1102), Stft(RATE).window.double().numpy()
    assert highest_lobe_beside_the_peak(flat) == pytest.approx(-13, abs=0.5)
    assert highest_lobe_beside_the_peak(hann) == pytest.approx(-31, abs=0.6)
    assert main_lobe_steps(flat) == pytest.approx(2, abs=0.05)
    assert main_lobe_steps(hann) == pytest.approx(4, abs=0.05)


def test_claim_03_perraudin():
    """Rounds with and without momentum towards the same magnitudes, from the same phases."""
    X = LogMel(RATE)(noise(22050))
    gaps = []
    for momentum in (0.0, 0.99):
        vocoder = GriffinLim(RATE, rounds=16, momentum=momentum)
        size = vocoder.magnitude(X)
        heard = vocoder.log_mel.stft(vocoder(X)).abs()
        gaps.append(float((heard - size)[5:-5].norm() / size.norm()))
    assert gaps[1] < gaps[0]


def test_claim_03_leakage():
    """The figure: 60 dB below, 2 kHz away, the soft tone stands out with Hann only."""
    n = np.arange(1102)
    frame = np.sin(2 * np.pi * 25.5 * n / 1102) + 0.001 * np.sin(2 * np.pi * 3000 * n / RATE)
    tone = int(round(3000 * 1102 / RATE))
    for window, stands_out in ((np.ones(1102), False), (np.sin(np.pi * n / 1102) ** 2, True)):
        level = 20 * np.log10(np.abs(np.fft.rfft(frame * window)))
        assert bool(level[tone] - max(level[tone - 6], level[tone + 6]) > 20) is stands_out


def test_claim_03_gibbs():
    t = np.linspace(1e-4, math.pi / 2, 20001)
    cut_off = sum(4 / math.pi * np.sin(k * t) / k for k in range(1, 400, 2))  # a square wave that jumps by 2
    assert (cut_off.max() - 1) / 2 == pytest.approx(0.09, abs=0.003)
    faded = sum(4 / math.pi * np.sin(k * t) / k * math.cos(math.pi * k / 800) ** 2 for k in range(1, 400, 2))
    assert (faded.max() - 1) / 2 < 0.01


def test_claim_03_semitones():
    assert 12 * math.log2(120 / 100) > 3
    assert 12 * math.log2(10020 / 10000) < 1 / 20


def test_claim_03_sizes():
    stft = Stft(RATE)
    assert (stft.win_length, stft.hop_length, stft.n_fft) == (1102, 441, 2048)
    assert stft.hop_length < stft.win_length


def test_claim_03_few_bins():
    assert int((mel_filter_bank(RATE, 2048) > 0).sum(0).min()) >= 3
    assert int((mel_filter_bank(RATE, 1102) > 0).sum(0).min()) == 1  # without the zeros


def test_claim_03_fader():
    assert math.log(10) / 10 == pytest.approx(0.23, abs=0.002)
    x, log_mel = noise(4410), LogMel(RATE)
    loud = log_mel(x) > math.log(FLOOR) + 8
    assert float((log_mel(x * 10 ** (1 / 20)) - log_mel(x))[loud].median()) == pytest.approx(0.23, abs=0.002)


def test_claim_03_zero_phase():
    x, stft = noise(22050), Stft(RATE)
    silent = stft.inverse(stft(x).abs().to(torch.complex64), 22050)
    assert float(silent.square().sum() / x.square().sum()) < 0.01


def test_claim_03_exact():
    for samples in (1, 441, 5000):
        x = noise(samples)
        torch.testing.assert_close(Stft(RATE).inverse(Stft(RATE)(x), samples), x, rtol=0, atol=1e-6)


def test_claim_03_unseen():
    """A hop of 40 ms leaves a quarter of the frames, and 15 of each 40 ms under no window."""
    assert 1000 / math.ceil(10 * RATE / int(0.04 * RATE)) == 4
    window, hop = Stft(RATE).window, int(0.04 * RATE)
    total = torch.zeros(100 * hop)
    for start in range(0, 100 * hop, hop):
        total[start : start + len(window)] += window
    assert float((total == 0).float().mean()) == pytest.approx(15 / 40, abs=0.002)


def test_claim_03_long_hop():
    stft = Stft(RATE, hop_ms=40)
    with pytest.raises(RuntimeError, match="hop_length <= win_length"):
        stft.inverse(stft(noise(44100)), 44100)


def test_claim_03_strides():
    strides = {name: preset.architecture.stride for name, preset in PRESETS.items()}
    assert strides == {"ci": 128, "cpu": 128, "gpu": 64}


def test_eq_03_rates():
    assert math.prod((8, 5, 4)) == 160 == Stft(16000).hop_length
    assert 1 / 3 < 16000 / RATE < 0.37  # "little more than a third of the samples"
    for frames in (1, 7):
        with torch.no_grad():
            assert NeuralVocoder(16000)(torch.zeros(frames, 80)).shape == (160 * frames,)
    with pytest.raises(UserError, match="factors of the hop"):
        NeuralVocoder(16000, rates=(8, 5, 5))


@pytest.mark.parametrize("period", [2, 3, 5, 7, 11])
def test_eq_03_period(period):
    x = noise(1000)
    folded = by_period(x[None], period)[0]
    for r, j in ((0, 0), (1, 0), (period - 1, 3), (1, 80)):
        assert folded[r, j] == x[j * period + r]
    # What a critic says of a row depends on the samples that are one period apart, and on no others.
    torch.manual_seed(0)
    x.requires_grad_()
    scores = MultiPeriodDiscriminator((period,))(x[None])[0][-1]
    (gradient,) = torch.autograd.grad(scores[1].sum(), x)
    seen = gradient.nonzero()[:, 0] % period
    assert len(seen) > 0 and (seen == 1).all()


def test_eq_03_vocoder():
    """On scores and layers given by hand, and the weight 45 of the mel loss by its gradient."""
    real, made = ([[torch.tensor([1.0, 3.0]), torch.tensor([score])]] * 2 for score in (0.5, -1.0))
    made = [[torch.tensor([2.0, 5.0]), made[0][-1]]] * 2
    assert float(critic_loss(real, made)) == pytest.approx(2 * ((0.5 - 1) ** 2 + (-1.0) ** 2))
    assert float(vocoder_loss(real, made)) == pytest.approx(2 * ((-1 - 1) ** 2 + 2 * (1 + 2) / 2))
    sounds = noise(8 * 160)[None]
    torch.manual_seed(0)
    vocoder, critic = NeuralVocoder(width=8), MultiPeriodDiscriminator((2, 3))
    weights = vocoder.last.weight
    x = vocoder.log_mel(sounds)
    made = vocoder(x)
    fooled = vocoder_loss(critic(sounds), critic(made))
    want = torch.autograd.grad(fooled + 45 * (vocoder.log_mel(made) - x).abs().mean(), weights)[0]
    train_vocoder(vocoder, sounds, steps=1, critic=critic, batch=1, learning_rate=0.0)
    torch.testing.assert_close(weights.grad, want, rtol=1e-4, atol=1e-4)


def test_eq_03_resolutions():
    made, real = noise(4000, 1), noise(4000, 2)
    parts = []
    for window in (512, 1024, 2048):
        a, b = (
            torch.stft(x, window, window // 4, window=torch.hann_window(window), return_complex=True).abs()
            for x in (made, real)
        )
        a, b = (size.clamp_min(10**-2.5) for size in (a, b))
        parts.append((a - b).square().sum().sqrt() / b.square().sum().sqrt() + (a.log() - b.log()).abs().mean())
    torch.testing.assert_close(stft_distance(made, real), sum(parts) / 3)


def test_claim_03_eight_pieces():
    pieces = 8 * 32 * 160
    assert 32 * 160 / 16000 == 0.32
    assert pieces < sum(weights.numel() for weights in NeuralVocoder(16000).parameters()) < 100_000


def test_claim_03_miniature():
    """Five critics, and far fewer weights than the smallest generator of Kong et al. (table 1: 0.92 million)."""
    assert len(MultiPeriodDiscriminator()(noise(5120)[None])) == 5
    assert sum(weights.numel() for weights in NeuralVocoder(16000).parameters()) < 920_000 / 10
