"""Chapter 01: every numbered equation, and every quantitative sentence of its prose."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.signal import freqz

from tfrgan_lite.audio import decibels, k_weighting, loudness, loudness_blocks, true_peak_db
from tfrgan_lite.metrics.features import FEATURES, features
from tfrgan_lite.studio import console, engineer, song
from tfrgan_lite.studio.ears import BAND_EDGES_HZ, BAND_HZ, by_width, listen

RATE = 44100


def noise(samples: int, seed: int = 0, channels: int = 1) -> torch.Tensor:
    return 0.1 * torch.randn(channels, samples, generator=torch.Generator().manual_seed(seed))


def sine(hz: float, seconds: float = 1.0, peak: float = 1.0) -> torch.Tensor:
    return peak * torch.sin(2 * torch.pi * hz * torch.arange(int(seconds * RATE), dtype=torch.float64) / RATE).float()


def level(x: torch.Tensor) -> float:
    return float(10 * torch.log10(x.double().square().mean()))


def middle_side(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return (y[0] + y[1]) / 2, (y[0] - y[1]) / 2


def width(y: torch.Tensor) -> float:
    middle, side = middle_side(y.double())
    return float(10 * torch.log10(side.square().sum() / middle.square().sum()))


@pytest.fixture(scope="module")
def crews():
    """Two songs such as the chapter's, each mixed by its eight engineers."""

    def suits(raw):
        return {"drums", "bass", "keys", "guitar", "voice"} <= set(raw.roles)

    songs = [next(filter(suits, (song(seed, style, 5.0) for seed in range(100)))) for style in ("pop", "rock")]
    return [(raw, [engineer(raw, seed) for seed in range(8)]) for raw in songs]


def test_eq_01_mix(crews):
    """The functions of the chapter, with the settings that the engineer has written down, give the mix."""
    raw, (mixed, *_) = crews[0]
    impulse = console.impulse_response(RATE, **mixed.room)
    bus = torch.zeros(2, raw.stems.shape[-1])
    for x, s in zip(raw.stems, mixed.console, strict=True):
        x = console.equalise(x, RATE, **{k: v for k, v in s.items() if k.startswith(("low_", "high_"))})
        names = ("threshold_db", "ratio", "attack_ms", "release_ms", "makeup_db")
        x = console.compress(x, RATE, **{k: s[k] for k in names})
        x = x * 10 ** (s["gain_db"] / 20)
        bus += console.pan(x, RATE, s["pan"]) + 10 ** (s["send_db"] / 20) * console.reverb(x, RATE, impulse)
    m = mixed.master
    mix = console.limit(bus * 10 ** (m["gain_db"] / 20), RATE, m["ceiling_db"], m["window_ms"])
    torch.testing.assert_close(mix, mixed.mix, rtol=0, atol=2e-4)


def test_eq_01_db():
    x = noise(1000)
    torch.testing.assert_close(console.gain(x, RATE, -7.5), x * 10 ** (-7.5 / 20))
    assert level(console.gain(x, RATE, -7.5)) - level(x) == pytest.approx(-7.5, abs=1e-3)


def test_claim_01_by_hand():
    x = noise(1000)
    torch.testing.assert_close(console.gain(x, RATE, 6.02), 2 * x, rtol=1e-3, atol=0)
    torch.testing.assert_close(console.gain(x, RATE, -20.0), x / 10)
    assert level(sine(1000)) == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize("kind", ["independent", "equal", "half"])
def test_eq_01_sum(kind):
    one = noise(100_000, 1).double()
    other = {"independent": 2 * noise(100_000, 2).double(), "equal": one, "half": one + noise(100_000, 2).double()}[
        kind
    ]
    rho = float((one * other).mean() / (one.square().mean() * other.square().mean()).sqrt())
    a, b = level(one), level(other)
    told = 10 * math.log10(10 ** (a / 10) + 10 ** (b / 10) + 2 * rho * 10 ** ((a + b) / 20))
    assert level(one + other) == pytest.approx(told, abs=1e-6)


@pytest.fixture(scope="module")
def at_20_db():
    """Two noises at -20 dB."""
    return [x / x.square().mean().sqrt() / 10 for x in (noise(400_000, 1), noise(400_000, 2))]


def test_claim_01_two_sounds(at_20_db):
    assert [level(x) for x in at_20_db] == pytest.approx([-20, -20], abs=1e-3)
    assert level(sum(at_20_db)) == pytest.approx(-17.0, abs=0.05)


def test_claim_01_powers(crews):
    """Any two tracks of different instruments, at one level, make 3.01 dB more, give or take half a decibel."""
    assert 10 * math.log10(2) == pytest.approx(3.01, abs=0.001)
    for raw, _ in crews:
        heard = listen(by_width(raw.stems), RATE).audible
        tracks = [x / x.square().mean().sqrt() for x, here in zip(raw.stems, heard.tolist(), strict=True) if here]
        risen = [level(one + other) for one, other in itertools.combinations(tracks, 2)]
        assert len(risen) >= 6 and risen == pytest.approx([3.01] * len(risen), abs=0.5)


def test_claim_01_equal_sounds(at_20_db):
    one = at_20_db[0]
    assert level(one + one) - level(one) == pytest.approx(6.02, abs=0.01)
    assert float((one - one).abs().max()) == 0


def test_eq_01_pan():
    x = noise(100)
    for p in (-1.0, -0.4, 0.0, 0.7, 1.0):
        gains = math.sqrt(2) * torch.tensor([math.cos(math.pi / 4 * (1 + p)), math.sin(math.pi / 4 * (1 + p))])
        torch.testing.assert_close(console.pan(x, RATE, p), gains[:, None] * x)
        assert float(gains.square().sum()) == pytest.approx(2)


def test_claim_01_centre_and_side():
    x = noise(100)
    centre, right = console.pan(x, RATE, 0.0), console.pan(x, RATE, 1.0)
    torch.testing.assert_close(centre, x.expand(2, -1))
    assert level(right[1]) - level(x) == pytest.approx(3.01, abs=0.01)
    assert float(right[0].abs().max()) < 1e-6


def test_claim_01_linear_law():
    side, centre = (np.square([1 - p, 1 + p]).sum() for p in (1.0, 0.0))
    assert centre / side == 0.5
    gains = console.pan_gains(torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(gains.square().sum(-1), torch.full((3,), 2.0))


def test_eq_01_width():
    """From the middle and the side of a track at p: tan of the angle between them."""
    for p in (0.2, 0.5, 1.0):
        y = console.pan(noise(1000), RATE, p)
        left, right = console.pan_gains(torch.tensor(p)).tolist()
        assert width(y) == pytest.approx(20 * math.log10((right - left) / (right + left)), abs=1e-3)
    assert width(noise(400_000, channels=2)) == pytest.approx(0, abs=0.05)  # two channels without anything in common


def test_eq_01_biquad():
    sections = console.biquads(RATE, high_peak_db=6.0, high_peak_hz=1000.0, low_shelf_db=-4.0)
    b, a = sections[2, :3].numpy(), sections[2, 3:].numpy()
    x = noise(300)[0].double().numpy()
    y = np.zeros(300)
    for n in range(300):
        y[n] = sum(b[k] * x[n - k] for k in range(3) if n >= k) - sum(a[k] * y[n - k] for k in (1, 2) if n >= k)
    ours = console.equalise(torch.from_numpy(x).float()[None], RATE, high_peak_db=6.0, high_peak_hz=1000.0)[0]
    np.testing.assert_allclose(ours.numpy(), y, atol=1e-5)
    for f in (50.0, 1000.0, 9000.0):
        z = np.exp(2j * np.pi * f / RATE)
        by_hand = (b[0] + b[1] / z + b[2] / z**2) / (1 + a[1] / z + a[2] / z**2)
        assert by_hand == pytest.approx(freqz(b, a, [f], fs=RATE)[1][0])


@pytest.mark.parametrize(("db", "hz", "q"), [(6.0, 1000.0, 1.0), (-9.0, 300.0, 2.5)])
def test_eq_01_peak(db, hz, q):
    big, omega = 10 ** (db / 40), 2 * math.pi * hz / RATE
    alpha = math.sin(omega) / (2 * q)
    b = np.array([1 + alpha * big, -2 * math.cos(omega), 1 - alpha * big])
    a = np.array([1 + alpha / big, -2 * math.cos(omega), 1 - alpha / big])
    ours = console.biquads(RATE, high_peak_db=db, high_peak_hz=hz, high_peak_q=q)[2].numpy()
    np.testing.assert_allclose(ours, np.concatenate([b, a]) / a[0])


@pytest.mark.parametrize(("db", "hz", "q"), [(6.0, 1000.0, 1.0), (-9.0, 300.0, 2.5)])
def test_claim_01_bell(db, hz, q):
    section = console.biquads(RATE, high_peak_db=db, high_peak_hz=hz, high_peak_q=q)[2].numpy()
    response = np.abs(freqz(section[:3], section[3:], [0, hz, RATE / 2], fs=RATE)[1])
    assert 20 * np.log10(response) == pytest.approx([0, db, 0], abs=1e-6)


def test_claim_01_sections():
    settings = {"low_shelf_db": -8.0, "low_peak_db": -6.0, "high_peak_db": 5.0, "high_shelf_db": 8.0}
    click = torch.zeros(1, 2**14)
    click[0, 0] = 1
    heard = {k: decibels(torch.fft.rfft(console.equalise(click, RATE, **{k: v}))[0].abs()) for k, v in settings.items()}
    together = decibels(torch.fft.rfft(console.equalise(click, RATE, **settings))[0].abs())
    torch.testing.assert_close(together[10:], sum(heard.values())[10:], rtol=0, atol=0.02)


def steady_out(db: float, ratio: float) -> float:
    """What the compressor with a threshold of -20 dB makes of a constant level."""
    steady = torch.full((1, RATE // 2), 10 ** (db / 20))
    return float(decibels(console.compress(steady, RATE, -20.0, ratio, 5.0, 50.0)[0, -1]))


@pytest.mark.parametrize("ratio", [2.0, 4.0, 8.0])
def test_claim_01_ratio(ratio):
    assert steady_out(-18 + ratio, ratio) - steady_out(-18, ratio) == pytest.approx(1, abs=0.02)
    assert steady_out(-30 + ratio, ratio) - steady_out(-30, ratio) == pytest.approx(ratio, abs=0.02)


def test_claim_01_compressed_by_hand():
    assert steady_out(-8, 4.0) == pytest.approx(-17, abs=0.01)  # 12 dB above: 9 taken, 3 left


def test_eq_01_static():
    for db, ratio in ((-30.0, 4.0), (-20.0, 4.0), (-2.0, 2.0), (0.0, 20.0)):
        assert steady_out(db, ratio) == pytest.approx(db - (1 - 1 / ratio) * max(0.0, db + 20), abs=0.02)


def test_eq_01_attack():
    x, block = noise(3000)[0] * 5, round(RATE * console.DETECTOR_MS / 1000)
    seconds = block / RATE
    alpha, beta = math.exp(-seconds / 0.005), math.exp(-seconds / 0.080)
    held = smooth = 0.0
    ends = [0.0]
    for start in range(0, 3000, block):
        peak = max(abs(v) for v in x[start : start + block].tolist())
        wanted = (1 - 1 / 4) * max(0.0, 20 * math.log10(peak) + 18)
        held = max(wanted, beta * held + (1 - beta) * wanted)
        smooth = alpha * smooth + (1 - alpha) * held
        ends.append(smooth)
    gains = [10 ** ((3 - c) / 20) for c in ends]
    places = [divmod(n + 1, block) for n in range(3000)]
    line = [gains[k] + (gains[min(k + 1, len(gains) - 1)] - gains[k]) * part / block for k, part in places]
    ours = console.compress(x[None], RATE, -18.0, 4.0, 5.0, 80.0, 3.0)[0]
    torch.testing.assert_close(ours, x * torch.tensor(line), rtol=1e-3, atol=1e-4)


def test_claim_01_attack():
    step = torch.full((1, RATE // 2), 1.0)
    for attack in (10.0, 50.0):
        out = console.compress(step, RATE, -20.0, 4.0, attack, 60.0)[0]
        assert float(-decibels(out[int(attack / 1000 * RATE)])) / 15 == pytest.approx(1 - math.exp(-1), abs=0.02)


def crest(x: torch.Tensor) -> float:
    return float(decibels(x.abs().max())) - level(x)


def test_eq_01_crest():
    """Of sounds with the same in both channels, the feature of a mix that is called so."""
    for x in (noise(RATE), sine(441, peak=0.3)[None], noise(RATE) ** 3):
        told = 20 * math.log10(float(x.abs().max()) / math.sqrt(float(x.double().square().mean())))
        assert crest(x) == pytest.approx(told, abs=1e-3)
        assert float(features(x.expand(2, -1), RATE)[FEATURES.index("crest_db")]) == pytest.approx(told, abs=1e-3)


def test_claim_01_square_and_sine():
    assert crest(sine(441)) == pytest.approx(3.01, abs=0.01)
    assert crest(sine(441).sign() + (sine(441) == 0)) == pytest.approx(0, abs=0.01)


def test_claim_01_slow_attack():
    time = torch.arange(RATE // 2) / RATE
    stroke = (noise(RATE // 2, 5)[0] * torch.exp(-time / 0.05) * (1 - torch.exp(-time / 0.003))).repeat(6)[None]
    stroke = stroke / stroke.abs().max()
    fast, slow = (console.compress(stroke, RATE, -24.0, 6.0, attack, 60.0) for attack in (0.2, 40.0))
    assert crest(fast) < crest(stroke) < crest(slow)


def test_eq_01_reverb():
    x, h = noise(400, 1, 2), noise(150, 2, 2)
    by_sum = [[sum(h[c, j] * x[c, n - j] for j in range(min(n + 1, 150))) for n in (0, 10, 399)] for c in range(2)]
    torch.testing.assert_close(console.reverb(x, RATE, h)[:, [0, 10, 399]], torch.tensor(by_sum), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("kind", "decay"), [("room", 0.6), ("plate", 1.2), ("hall", 2.0)])
def test_eq_01_decay(kind, decay):
    """Twice the time from -5 to -35 dB of the energy still to come is the decay time that the room was asked for."""
    h = console.impulse_response(RATE, kind=kind, decay_s=decay, seed=1).double()
    energy = torch.tensor([float(h[:, n:].square().sum()) for n in range(0, h.shape[1], 100)])
    curve = 10 * torch.log10(energy / energy[0])
    early, late = (int((curve > edge).sum()) * 100 for edge in (-5.0, -35.0))
    assert 2 * (late - early) / RATE == pytest.approx(decay, rel=0.12)


def test_claim_01_different_noise():
    for kind in ("room", "plate", "hall"):
        h = console.impulse_response(RATE, kind=kind, seed=2)
        assert abs(float((h[0] * h[1]).sum() / (h[0].norm() * h[1].norm()))) < 0.01


def third_harmonic(x: torch.Tensor, hz: float) -> float:
    spectrum = torch.fft.rfft(x[RATE // 4 : RATE // 4 + RATE // 2].double()).abs()
    return float(20 * torch.log10(spectrum[round(3 * hz / 2)] / spectrum[round(hz / 2)]))


def test_claim_01_clipping():
    hot = sine(1000, peak=1.5).expand(2, -1)
    limited = console.limit(hot, RATE, -1.0)
    assert third_harmonic(hot[0].clamp(-1, 1), 1000) > -25
    assert third_harmonic(limited[0], 1000) < -60
    assert true_peak_db(limited) <= -1 + 1e-3
    assert third_harmonic(hot[0], 1000) < -90


def test_eq_01_loudness():
    x = noise(RATE, 3, 2)
    sections = k_weighting(RATE)
    spectrum = np.fft.rfft(x.double().numpy(), 2**17)
    response = np.ones(spectrum.shape[-1], complex)
    for section in sections:
        response *= freqz(section[:3], section[3:], np.fft.rfftfreq(2**17, 1 / RATE), fs=RATE)[1]
    weighted = np.fft.irfft(spectrum * response, 2**17)[:, :RATE]
    z = np.square(weighted[:, 8820 : 8820 + 17640]).mean(1)
    assert float(loudness_blocks(x, RATE)[2]) == pytest.approx(-0.691 + 10 * math.log10(z.sum()), abs=0.01)


def test_eq_01_gate():
    x = torch.cat([noise(2 * RATE, 1, 2), noise(3 * RATE, 2, 2) / 100, torch.zeros(2, RATE)], dim=1)
    blocks = loudness_blocks(x, RATE).double()
    z = 10 ** ((blocks + 0.691) / 10)
    gate = -0.691 + 10 * torch.log10(z[blocks > -70].mean()) - 10
    kept = (blocks > -70) & (blocks > gate)
    assert 0 < int(kept.sum()) < int((blocks > -70).sum()) < len(blocks)  # both gates have something to do
    assert float(loudness(x, RATE)) == pytest.approx(float(-0.691 + 10 * torch.log10(z[kept].mean())), abs=0.01)


def test_claim_01_k_weighting():
    standard = [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585],
        [1, -2, 1, 1, -1.99004745483398, 0.99007225036621],
    ]
    np.testing.assert_allclose(k_weighting(48000), standard, atol=1e-6)

    def db(hz):
        return sum(20 * math.log10(abs(freqz(s[:3], s[3:], [hz], fs=RATE)[1][0])) for s in k_weighting(RATE))

    assert db(10000) == pytest.approx(4, abs=0.1)
    assert db(1700) == pytest.approx(2, abs=0.6)  # half way up the shelf
    assert db(38) == pytest.approx(-6, abs=0.3)  # the high pass has Q = 1/2: 6 dB down at its frequency
    assert db(20) < -10
    assert abs(db(500)) < 0.5


def test_claim_01_offset():
    tone = torch.stack([sine(997, 3.0), torch.zeros(3 * RATE)])
    assert float(loudness(tone, RATE)) == pytest.approx(-3.01, abs=0.02)
    at_997 = [abs(freqz(s[:3], s[3:], [997], fs=RATE)[1][0]) for s in k_weighting(RATE)]
    assert 20 * math.log10(math.prod(at_997)) == pytest.approx(0.691, abs=0.01)


def test_claim_01_tones():
    low, high = (float(loudness(sine(hz, 3.0, 0.1).expand(2, -1), RATE)) for hz in (60, 3000))
    assert high - low == pytest.approx(7, abs=0.5)


def test_eq_01_overlap(crews):
    raw = crews[0][0]
    heard = listen(by_width(raw.stems), RATE)
    for a in range(len(raw.roles)):
        assert float(heard.bands[a].sum()) == pytest.approx(1, abs=1e-4)
        for c in range(len(raw.roles)):
            told = sum(min(float(heard.bands[a, i]), float(heard.bands[c, i])) for i in range(24))
            assert float(heard.overlap(a, c)) == pytest.approx(told, abs=1e-5)


def test_claim_01_24_bands(crews):
    assert len(BAND_HZ) == 24 and BAND_EDGES_HZ[[0, -1]].tolist() == pytest.approx([40, 16000])
    heard = listen(by_width(crews[0][0].stems), RATE)
    assert heard.bands.shape[1] == 24
    torch.testing.assert_close(heard.bands.sum(1), torch.ones(len(heard.bands)), rtol=0, atol=1e-4)
    amplitudes = heard.power.sqrt()
    torch.testing.assert_close(heard.bands, amplitudes / amplitudes.sum(1, keepdim=True), rtol=1e-2, atol=1e-3)


def test_claim_01_no_band_in_common():
    tones = torch.stack([sine(hz, 2.0, peak).expand(2, -1) for hz, peak in ((200, 0.3), (6000, 0.3), (200, 0.1))])
    heard = listen(by_width(tones), RATE)
    assert float(heard.overlap(0, 1)) < 0.05
    assert float(heard.overlap(0, 2)) == pytest.approx(1, abs=1e-3)


def test_claim_01_gentle_curves(crews):
    for raw, (mixed, *_) in crews:
        cut = torch.stack(
            [
                console.equalise(x, RATE, **{k: v for k, v in s.items() if k.startswith(("low_", "high_"))})
                for x, s in zip(raw.stems, mixed.console, strict=True)
            ]
        )
        before, after = (listen(by_width(x), RATE) for x in (raw.stems, cut))
        focus = max(range(len(raw.roles)), key=lambda k, roles=raw.roles: roles[k] in ("voice", "lead"))
        for k in range(len(raw.roles)):
            if before.audible[k]:
                assert abs(float(after.overlap(k, focus) - before.overlap(k, focus))) < 0.2


def test_eq_01_mean(crews):
    """The mean has the least mean squared distance: less than its neighbours, and by the variance identity."""
    mixes = torch.stack([mixed.mix for mixed in crews[0][1]]).double()
    mean = mixes.mean(0)

    def distance(a):
        return float((mixes - a).square().mean())

    least = distance(mean)
    for a in (mixes[0], mean * 1.05, 0.9 * mean + 0.1 * mixes[3], torch.zeros_like(mean)):
        assert distance(a) > least
        assert distance(a) == pytest.approx(least + float((a - mean).square().mean()), rel=1e-6)


def test_claim_01_nearer(crews):
    for _, crew in crews:
        mixes = torch.stack([mixed.mix for mixed in crew])
        to_others = (mixes[:, None] - mixes[None]).square().mean((2, 3)).sum(1) / 7
        assert float((mixes - mixes.mean(0)).square().mean()) < float(to_others.min())


def test_claim_01_narrower(crews):
    for _, crew in crews:
        mixes = torch.stack([mixed.mix for mixed in crew])
        matched = torch.stack([m * 10 ** ((-16 - float(loudness(m, RATE))) / 20) for m in mixes])
        widths = [width(m) for m in mixes]
        assert width(mixes.mean(0)) < min(widths)
        assert width(matched.mean(0)) == pytest.approx(width(mixes.mean(0)), abs=0.3)


def test_claim_01_sides_cancel(crews):
    sides = 0
    for raw, crew in crews:
        pans = torch.tensor([[s["pan"] for s in mixed.console] for mixed in crew])
        average = torch.stack([mixed.wet_stems for mixed in crew]).mean(0)
        for k in range(len(raw.roles)):
            if pans[:, k].min() < -0.3 and pans[:, k].max() > 0.3:
                sides += 1
                images = [level(mixed.wet_stems[k, 1]) - level(mixed.wet_stems[k, 0]) for mixed in crew]
                between = level(average[k, 1]) - level(average[k, 0])
                assert max(i for i in images if i < 0) < between < min(i for i in images if i > 0)
    assert sides >= 2  # there are such tracks: the coin is real


def test_claim_01_four_against_four():
    """Eight coins at one distance: the image of the average leans to the larger camp, and to none if they are equal."""
    x = noise(1000)
    images = []
    for left in range(9):
        average = torch.stack([console.pan(x, RATE, -0.6 if e < left else 0.6) for e in range(8)]).mean(0)
        images.append(level(average[1]) - level(average[0]))
    assert (np.diff(images) < 0).all() and images[4] == pytest.approx(0, abs=1e-4)


def test_claim_01_drier(crews):
    """Drums, bass and lead voice stand in the centre, and yet have sides, which the average loses."""
    for raw, crew in crews:
        average = torch.stack([mixed.wet_stems for mixed in crew]).mean(0)
        for k, role in enumerate(raw.roles):
            if role in ("drums", "bass"):
                assert all(mixed.console[k]["pan"] == 0 for mixed in crew)
        lead = min(
            (k for k, role in enumerate(raw.roles) if role == "voice"), key=lambda k: abs(crew[0].console[k]["pan"])
        )
        assert all(mixed.console[lead]["pan"] == 0 for mixed in crew)
        for k in (lead, raw.roles.index("drums")):
            assert width(average[k]) < sum(width(mixed.wet_stems[k]) for mixed in crew) / 8 - 1


def test_claim_01_one_camp(crews):
    for raw, crew in crews:
        guitar = raw.roles.index("guitar")
        assert {mixed.console[guitar]["pan"] > 0 for mixed in crew} == {True, False}
        camp = torch.stack([mixed.mix for mixed in crew if mixed.console[guitar]["pan"] < 0])
        everybody = torch.stack([mixed.mix for mixed in crew]).mean(0)
        assert width(everybody) < width(camp.mean(0)) < sum(map(width, camp)) / len(camp)


def test_claim_01_eight_tails():
    tails = torch.stack([console.impulse_response(RATE, kind="plate", seed=seed) for seed in range(8)])
    assert level(tails.mean(0)) - level(tails[0]) == pytest.approx(-9, abs=0.3)
    assert 10 * math.log10(1 / 8) == pytest.approx(-9, abs=0.05)


def test_eq_01_correlation():
    u, v = noise(500, 1)[0].numpy(), noise(500, 2)[0].numpy()
    u, v = u - u.mean(), (v + u) - (v + u).mean()
    assert (u * v).sum() / math.sqrt((u * u).sum() * (v * v).sum()) == pytest.approx(np.corrcoef(u, v)[0, 1], rel=1e-5)


def test_claim_01_conditional(crews):
    """Who plays says most of a track's level, and all of some pans; engineers of one song differ in what is left."""
    for raw, crew in crews:
        level_lufs = torch.tensor([[float(loudness(wet, RATE)) for wet in mixed.wet_stems] for mixed in crew])
        level_lufs = (level_lufs - level_lufs.mean(1, keepdim=True))[:, torch.isfinite(level_lufs).all(0)]
        follows, drawn = level_lufs.mean(0).var(), level_lufs.var(0).mean()
        assert follows > 5 * drawn > 0.5
        pan = torch.tensor([[strip["pan"] for strip in mixed.console] for mixed in crew])
        assert pan[:, raw.roles.index("bass")].abs().max() == 0
        assert pan.min(0).values.lt(-0.3).logical_and(pan.max(0).values > 0.3).any()


def test_claim_01_on_paper():
    """By the package: three noises, a mono track at the right, and the tone through the compressor."""
    three = sum(x / x.square().mean().sqrt() / 10 for x in (noise(400_000, seed) for seed in range(3)))
    assert level(three) == pytest.approx(-15.2, abs=0.05)
    x = noise(1000)
    assert level(console.pan(x, RATE, 1.0)[1]) - level(x) == pytest.approx(3.0, abs=0.02)
    assert steady_out(-8, 4.0) == pytest.approx(-17, abs=0.01)


def harmonics_db(attack: float, release: float) -> dict[int, float]:
    """Of a sine of 60 Hz behind the compressor, against the fundamental."""
    out = console.compress(sine(60, peak=0.5)[None], RATE, -20.0, 4.0, attack, release)[0, RATE // 2 :]
    spectrum = decibels(torch.fft.rfft(out * torch.hann_window(len(out))).abs())
    return {f: float(spectrum[f // 2] - spectrum[30]) for f in (120, 180, 240, 300)}


def test_claim_01_odd_harmonics():
    """The planted failure."""
    fast = harmonics_db(0.0, 1.0)
    assert min(fast[180], fast[300]) > -45
    assert max(fast[120], fast[240]) < min(fast[180], fast[300]) - 30


def test_claim_01_period():
    """A detector slower than the period hardly bends the wave, and bends it the less, the slower it is."""
    assert 1000 / 60 == pytest.approx(17, abs=0.4)
    bent = [max(harmonics_db(0.0, release).values()) for release in (1.0, 17.0, 150.0)]
    assert bent[0] > bent[1] > bent[2]
    assert max(harmonics_db(10.0, 150.0).values()) < -50
