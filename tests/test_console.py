"""Each effect of the console against its own law and against an oracle that shares no code with it."""

import numpy as np
import pytest
import torch
import torchaudio.functional as oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, correlate, fftconvolve, freqz, sosfilt

from tfrgan_lite.audio import true_peak_db
from tfrgan_lite.errors import UserError
from tfrgan_lite.studio import console

RATE = 44100


def noise(*shape, seed=0, level=0.1):
    return level * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def response(frequencies, **settings):
    """Gain in dB at some frequencies, from the equaliser's own impulse response."""
    click = torch.zeros(1, 1, RATE)
    click[..., 0] = 1
    taps = console.equalise(click, RATE, **settings)[0, 0].double().numpy()
    _, h = freqz(taps, 1, worN=np.atleast_1d(frequencies), fs=RATE)
    return 20 * np.log10(np.abs(h))


def constant(level_db, samples):
    return torch.full((1, 1, samples), 10 ** (level_db / 20))


def level_db(audio):
    return 20 * torch.log10(audio.abs().clamp_min(1e-9)).squeeze()


def test_gain_is_in_decibels():
    audio = noise(3, 2, 100)
    out = console.gain(audio, RATE, torch.tensor([0.0, 20.0, -6.0206]))
    torch.testing.assert_close(out, audio * torch.tensor([1.0, 10.0, 0.5])[:, None, None], rtol=1e-5, atol=1e-7)


def test_pan_keeps_power_and_is_unity_in_the_centre():
    audio = noise(1, 1, 1000)
    positions = torch.linspace(-1, 1, 21)
    out = console.pan(audio.expand(21, 1, -1), RATE, positions)
    power = out.square().sum((1, 2))
    torch.testing.assert_close(power, torch.full((21,), 2 * float(audio.square().sum())), rtol=1e-5, atol=0)
    torch.testing.assert_close(out[10], audio[0].expand(2, -1))
    assert out[0, 1].abs().max() < 1e-6 and out[-1, 0].abs().max() < 1e-6
    balance = (out[:, 1].square().sum(-1) - out[:, 0].square().sum(-1)) / power
    assert (balance.diff() > 0).all()


def test_pan_is_balance_on_stereo():
    audio = noise(2, 1000)
    out = console.pan(audio, RATE, -1.0)
    torch.testing.assert_close(out[0], audio[0] * 2**0.5)
    assert out[1].abs().max() < 1e-6


@pytest.mark.parametrize("peak", ["low_peak", "high_peak"])
@pytest.mark.parametrize("db", [-9.0, 6.0])
def test_equaliser_at_centre_and_corner(db, peak):
    bell = {f"{peak}_db": db, f"{peak}_hz": 1000.0, f"{peak}_q": 2.0}
    assert response([20, 1000, 21000], **bell) == pytest.approx([0, db, 0], abs=0.02)
    low = response([5, 200, 15000], low_shelf_db=db, low_shelf_hz=200.0)
    assert low == pytest.approx([db, db / 2, 0], abs=0.05)
    high = response([50, 4000, 22000], high_shelf_db=db, high_shelf_hz=4000.0)
    assert high == pytest.approx([0, db / 2, db], abs=0.05)
    # The bandwidth between the points of half the gain in dB is centre / Q.
    edges = 1000 * (np.sqrt(1 + 1 / 16) + np.array([-1, 1]) / 4)
    assert response(edges, **bell) == pytest.approx([db / 2] * 2, abs=0.05)


def test_equaliser_at_rest_leaves_the_sound_as_it_is():
    audio = noise(2, 3000)
    torch.testing.assert_close(console.equalise(audio, RATE), audio, rtol=0, atol=1e-7)


def test_equaliser_takes_frequencies_that_the_sample_rate_cannot_hold():
    audio = noise(1, 2000)
    high = {"high_shelf_db": -6.0, "high_peak_db": 6.0, "high_peak_hz": 9000.0}
    out = console.equalise(audio, 8000, high_shelf_hz=12000.0, **high)
    assert out.abs().max() < 1
    torch.testing.assert_close(
        out, console.equalise(audio, 8000, high_shelf_hz=3920.0, **{**high, "high_peak_hz": 3920.0})
    )


def test_equaliser_is_torchaudios():
    audio = noise(2, 4000)
    settings = {"low_shelf_db": 5.0, "low_shelf_hz": 150.0, "high_shelf_db": 3.0, "high_shelf_hz": 6000.0}
    peaks = {"low_peak_db": 2.5, "low_peak_hz": 350.0, "low_peak_q": 0.6}
    peaks |= {"high_peak_db": -4.0, "high_peak_hz": 900.0, "high_peak_q": 1.3}
    out = console.equalise(audio, RATE, **settings, **peaks)
    wanted = oracle.bass_biquad(audio.double(), RATE, 5.0, 150.0, 0.5**0.5)
    wanted = oracle.equalizer_biquad(wanted, RATE, 350.0, 2.5, 0.6)
    wanted = oracle.equalizer_biquad(wanted, RATE, 900.0, -4.0, 1.3)
    wanted = oracle.treble_biquad(wanted, RATE, 3.0, 6000.0, 0.5**0.5)
    torch.testing.assert_close(out, wanted.float(), rtol=0, atol=1e-6)


def test_compressor_static_curve():
    levels = torch.tensor([-50.0, -30.0, -20.0, -14.0, -8.0, 0.0])
    audio = (10 ** (levels / 20))[:, None, None].expand(-1, 1, RATE)
    out = console.compress(audio, RATE, threshold_db=-20.0, ratio=3.0, attack_ms=5.0, makeup_db=2.0)
    wanted = torch.where(levels > -20, -20 + (levels + 20) / 3, levels) + 2
    torch.testing.assert_close(level_db(out[..., -1]), wanted, rtol=0, atol=0.01)


def reduction_of_step(before_db, after_db, at, **times):
    """Reduction in dB from sample `at` on, where a constant level changes; 4:1 above -20 dB."""
    audio = torch.cat([constant(before_db, at), constant(after_db, RATE)], -1)
    out = console.compress(audio, RATE, threshold_db=-20.0, ratio=4.0, **times)
    return (level_db(audio) - level_db(out))[at:]


BLOCK = 16  # samples of the detector at 44.1 kHz


@pytest.mark.parametrize("at", [BLOCK * 62, BLOCK * 62 + 5, BLOCK * 62 + 15])
@pytest.mark.parametrize("attack_ms", [2.0, 20.0])
def test_compressor_attack_time_constant(attack_ms, at):
    reduction = reduction_of_step(-40, 0, at, attack_ms=attack_ms, release_ms=500.0)
    assert reduction[-1] == pytest.approx(15, abs=0.01)
    reached = int((reduction >= 15 * (1 - np.exp(-1))).nonzero()[0]) + 1
    late = reached / RATE * 1000 - attack_ms
    assert -BLOCK / RATE * 1000 <= late <= 0.02 * attack_ms  # never late, at most a block early
    assert late == pytest.approx(0, abs=0.02 * attack_ms) or at % BLOCK
    # The time constant itself, between a fifth and nine tenths of the way, is exact wherever the step is.
    way = np.flatnonzero((reduction > 3) & (reduction < 13.5))
    slope = np.polyfit(way / RATE * 1000, np.log(1 - reduction[way].numpy() / 15), 1)[0]
    assert -1 / slope == pytest.approx(attack_ms, rel=0.02)


@pytest.mark.parametrize("at", [BLOCK * 2756, BLOCK * 2756 + 7])
@pytest.mark.parametrize("release_ms", [40.0, 200.0])
def test_compressor_release_time_constant(release_ms, at):
    reduction = reduction_of_step(0, -40, at, attack_ms=0.1, release_ms=release_ms)
    left = int((reduction <= 15 * np.exp(-1)).nonzero()[0]) + 1
    assert left / RATE * 1000 == pytest.approx(release_ms, rel=0.02)
    way = np.flatnonzero((reduction > 1.5) & (reduction < 12))
    slope = np.polyfit(way / RATE * 1000, np.log(reduction[way].numpy()), 1)[0]
    assert -1 / slope == pytest.approx(release_ms, rel=0.02)


def test_compressor_detector_is_the_plain_recursion_on_block_peaks():
    audio = noise(3, 1, 700, level=0.5)
    settings = {"threshold_db": torch.tensor([-30.0, -20.0, -10.0]), "ratio": torch.tensor([2.0, 4.0, 8.0])}
    times = {"attack_ms": torch.tensor([1.0, 5.0, 2.0]), "release_ms": torch.tensor([10.0, 50.0, 20.0])}
    out = console.compress(audio, RATE, **settings, **times)
    for k in range(3):
        threshold, ratio = float(settings["threshold_db"][k]), float(settings["ratio"][k])
        release, attack = (
            np.exp(-BLOCK * 1e3 / (float(times[name][k]) * RATE)) for name in ("release_ms", "attack_ms")
        )
        held = smooth = 0.0
        ends = [1.0]
        for start in range(0, 700, BLOCK):
            peak = float(audio[k, 0, start : start + BLOCK].abs().max())
            wanted = max(20 * np.log10(max(peak, 1e-10)) - threshold, 0) * (1 - 1 / ratio)
            held = max(wanted, release * held + (1 - release) * wanted)
            smooth = attack * smooth + (1 - attack) * held
            ends.append(10 ** (-smooth / 20))
        gain = np.interp(np.arange(1, 701), np.arange(len(ends)) * BLOCK, ends)
        np.testing.assert_allclose(out[k, 0].numpy(), audio[k, 0].numpy() * gain, atol=1e-5)


@pytest.mark.parametrize("hz", [100.0, 1000.0, 5000.0])
def test_compressor_follows_a_tone_by_its_peaks(hz):
    """A sine's settled level is that of its peaks, 3 dB above its RMS, less what is released between two of them."""
    tone = torch.sin(2 * torch.pi * hz * torch.arange(RATE) / RATE)[None]
    out = console.compress(tone, RATE, threshold_db=-20.0, ratio=2.0, attack_ms=10.0, release_ms=300.0)
    assert level_db(out[:, -2000:].abs().max()) == pytest.approx(-10, abs=0.2)


def test_compressor_links_channels_and_does_not_delay():
    audio = noise(2, 5000, level=0.01)
    audio[0, 2500] = 1.0
    out = console.compress(audio, RATE, threshold_db=-20.0, ratio=10.0, attack_ms=1.0, release_ms=50.0)
    torch.testing.assert_close(out[0] / audio[0], out[1] / audio[1], rtol=1e-4, atol=0)
    begin = 2500 // BLOCK * BLOCK
    assert torch.equal(out[:, :begin], audio[:, :begin]) and (out[:, 2500:3000].abs() < audio[:, 2500:3000].abs()).all()
    assert out.abs().amax(0).argmax() == 2500


CHANGES = {
    console.gain: ({"gain_db": 0.0}, {"gain_db": 3.0}),
    console.pan: ({"position": 0.0}, {"position": 0.5}),
    console.equalise: (
        {
            "low_shelf_db": 4.0, "low_shelf_hz": 150.0, "low_peak_db": 4.0, "low_peak_hz": 400.0, "low_peak_q": 1.0,
            "high_peak_db": 4.0, "high_peak_hz": 1500.0, "high_peak_q": 1.0, "high_shelf_db": 4.0,
            "high_shelf_hz": 5000.0,
        },
        {
            "low_shelf_db": 2.0, "low_shelf_hz": 300.0, "low_peak_db": 1.0, "low_peak_hz": 700.0, "low_peak_q": 3.0,
            "high_peak_db": 1.0, "high_peak_hz": 2500.0, "high_peak_q": 3.0, "high_shelf_db": 1.0,
            "high_shelf_hz": 3000.0,
        },
    ),
    console.compress: (
        {"threshold_db": -30.0, "ratio": 2.0, "attack_ms": 10.0, "release_ms": 100.0, "makeup_db": 0.0},
        {"threshold_db": -25.0, "ratio": 4.0, "attack_ms": 1.0, "release_ms": 20.0, "makeup_db": 3.0},
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("effect", "setting"),
    [pytest.param(f, name, id=f"{f.__name__}-{name}") for f, (base, _) in CHANGES.items() for name in base],
)
def test_every_setting_changes_the_sound(effect, setting):
    audio = noise(2, 8000)
    audio[:, 4000:] *= 0.05
    base, other = CHANGES[effect]
    before = effect(audio, RATE, **base)
    after = effect(audio, RATE, **{**base, setting: other[setting]})
    assert (before - after).abs().max() > 1e-3


@pytest.mark.parametrize("effect", CHANGES)
def test_tracks_are_independent_and_silence_stays_silent(effect):
    audio = torch.stack([noise(2, 3000), torch.zeros(2, 3000), noise(2, 3000, seed=1)])
    base, other = CHANGES[effect]
    settings = {name: torch.tensor([base[name], base[name], other[name]]) for name in base}
    out = effect(audio, RATE, **settings)
    assert (out[1] == 0).all()
    torch.testing.assert_close(out[0], effect(audio[0], RATE, **base))
    torch.testing.assert_close(out[2], effect(audio[2], RATE, **other))


KINDS = ("room", "plate", "hall")


@pytest.mark.parametrize("kind", KINDS)
def test_a_room_has_unit_energy_and_two_unlike_channels(kind):
    room = console.impulse_response(RATE, kind, decay_s=1.0, seed=3)
    torch.testing.assert_close(room.square().sum(-1), torch.ones(2))
    assert abs(float((room[0] * room[1]).sum())) < 1e-5
    left, right = np.fft.rfft(room.numpy(), 2**17)
    assert np.abs(np.fft.irfft(left * right.conj())).max() < 0.25  # nor does one channel follow the other later
    torch.testing.assert_close(room, console.impulse_response(RATE, kind, decay_s=1.0, seed=3), rtol=0, atol=0)
    assert (room - console.impulse_response(RATE, kind, decay_s=1.0, seed=4)).abs().max() > 1e-2


def decay_time(response, rate, begin=-5.0, end=-35.0):
    """Reverberation time of (2, taps) from Schroeder's backward integral, fitted between two levels (ISO 3382-1)."""
    left = 10 * np.log10(np.cumsum(np.square(response[:, ::-1]).sum(0))[::-1])
    span = np.flatnonzero((left - left[0] < begin) & (left - left[0] > end))
    return -60 / np.polyfit(span / rate, left[span], 1)[0]


@pytest.mark.parametrize("rate", [8000, 44100, 96000])
@pytest.mark.parametrize("decay_s", [0.3, 0.8, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_a_room_decays_by_60_db(kind, decay_s, rate):
    for seed in (0, 1):
        room = console.impulse_response(rate, kind, decay_s, seed=seed).double().numpy()
        assert decay_time(room, rate) == pytest.approx(decay_s, rel=0.1)


@pytest.mark.parametrize(("kind", "share"), [("room", 0.6), ("plate", 1.0), ("hall", 0.5)])
def test_treble_decays_as_documented(kind, share):
    room = console.impulse_response(RATE, kind, decay_s=1.5, seed=2).double().numpy()
    bands = [sosfilt(butter(4, band, "bandpass", fs=RATE, output="sos"), room) for band in ((500, 2000), (7000, 12000))]
    middle, treble = (decay_time(band, RATE) for band in bands)
    assert middle == pytest.approx(1.5, rel=0.1) and treble == pytest.approx(1.5 * share, rel=0.1)


def early_and_centroid(kind):
    """Share of the energy in the first 10 ms after the pre-delay, how many taps carry it, and the centroid in Hz."""
    room = console.impulse_response(RATE, kind, decay_s=1.0, predelay_ms=0.0, seed=1).double().numpy()
    early = room[:, :441]
    density = (np.abs(early) > early.std(1, keepdims=True)).mean() / 0.317  # 1 for noise (Abel and Huang 2006)
    power = np.square(np.abs(np.fft.rfft(room))).sum(0)
    centroid = (power * np.fft.rfftfreq(room.shape[1], 1 / RATE)).sum() / power.sum()
    return np.square(early).sum() / 2, density, centroid


def test_each_kind_has_its_own_character():
    room, plate, hall = map(early_and_centroid, KINDS)
    assert room[1] < 0.5 and plate[1] > 0.85 and hall[1] > 0.5  # a room begins with single reflections
    assert 4 * hall[0] < min(plate[0], room[0])  # a hall builds up
    assert plate[2] > 1.3 * room[2] and room[2] > 1.3 * hall[2]  # bright, between, dark
    lengths = [console.impulse_response(RATE, kind).shape[-1] for kind in KINDS]
    assert lengths == sorted(lengths) and len(set(lengths)) == 3


@pytest.mark.parametrize(("kind", "predelay"), [("room", 3.0), ("plate", 0.0), ("hall", 28.0)])
def test_a_room_starts_at_its_predelay(kind, predelay):
    for asked in (None, 0.0, 20.0):
        for seed in range(5):
            room = console.impulse_response(RATE, kind, predelay_ms=asked, seed=seed)
            first = int((room != 0).any(0).nonzero()[0])
            assert first == round((predelay if asked is None else asked) * RATE / 1000)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "cave"}, "unknown room 'cave'; choose one of room, plate, hall"),
        ({"decay_s": 0.0}, "decay_s: 0.0 is out of range; give 0.05 to 30"),
        ({"predelay_ms": -1.0}, "predelay_ms: -1.0 is out of range"),
        ({"seed": -1}, "seed: -1 is negative"),
    ],
)
def test_a_room_that_cannot_be_made_is_named(wrong, says):
    with pytest.raises(UserError, match=says):
        console.impulse_response(RATE, **wrong)


@pytest.mark.parametrize("channels", [1, 2])
def test_reverb_is_convolution(channels):
    audio, room = noise(3, channels, 5000), console.impulse_response(RATE, decay_s=0.05, predelay_ms=0.0)
    wet = console.reverb(audio, RATE, room)
    wanted = fftconvolve(audio.double().numpy(), room.double().numpy()[None], axes=-1)[..., :5000]
    torch.testing.assert_close(wet, torch.from_numpy(wanted).float(), rtol=0, atol=1e-6)


def test_reverb_through_a_click_is_the_sound_itself():
    audio, click = noise(2, 1000), torch.zeros(2, 10)
    click[:, 0] = 1
    torch.testing.assert_close(console.reverb(audio, RATE, click), audio, rtol=0, atol=1e-6)
    longer = console.impulse_response(RATE, decay_s=1.0)
    assert console.reverb(audio[..., :7], RATE, longer).shape == (2, 7)


def test_limiter_keeps_true_peaks_below_its_ceiling_and_the_rest_as_it_is():
    audio = noise(2, 2, 20000, level=0.05)
    audio[0, 1, 9000], audio[1, 0, 5000] = 3.0, -2.0
    out = console.limit(audio, RATE, ceiling_db=torch.tensor([-1.0, -6.0]), window_ms=10)
    for limited, sound, at, ceiling in zip(out, audio, (9000, 5000), (-1.0, -6.0), strict=True):
        assert ceiling - 0.05 < true_peak_db(limited) <= ceiling
        assert limited.abs().amax(0).argmax() == at  # no delay
        near = (torch.arange(20000) - at).abs() <= 441 + BLOCK
        assert torch.equal(limited[:, ~near], sound[:, ~near])
        gains = (limited / sound)[:, near]
        torch.testing.assert_close(gains[0], gains[1], rtol=1e-4, atol=0)
    assert torch.equal(console.limit(audio / 10, RATE), audio / 10)


@pytest.mark.parametrize(("setting", "other"), [("ceiling_db", -12.0), ("window_ms", 5)])
def test_every_setting_of_the_limiter_changes_the_sound(setting, other):
    audio = noise(2, 8000, level=0.4)
    before, after = console.limit(audio, RATE), console.limit(audio, RATE, **{setting: other})
    assert (before - after).abs().max() > 1e-3


@pytest.mark.parametrize(("setting", "other"), [("kind", "hall"), ("decay_s", 1.0), ("predelay_ms", 10.0), ("seed", 1)])
def test_every_setting_of_a_room_changes_the_sound(setting, other):
    base = {"kind": "plate", "decay_s": 0.5, "predelay_ms": 0.0, "seed": 0}
    before, after = (
        console.reverb(noise(2, 8000), RATE, console.impulse_response(RATE, **settings))
        for settings in (base, {**base, setting: other})
    )
    assert (before - after).abs().max() > 1e-2


EFFECTS = {  # settings for gradients: each acts
    "gain": {"gain_db": 3.0},
    "pan": {"position": 0.3},
    "equalise": {
        "low_shelf_db": 4.0, "low_shelf_hz": 300.0, "low_peak_db": -5.0, "low_peak_hz": 600.0, "low_peak_q": 1.2,
        "high_peak_db": 3.0, "high_peak_hz": 1500.0, "high_peak_q": 0.8, "high_shelf_db": -4.0, "high_shelf_hz": 2500.0,
    },
    "compress": {"threshold_db": -25.0, "ratio": 3.0, "attack_ms": 1.0, "release_ms": 4.0, "makeup_db": 2.0},
    "limit": {"ceiling_db": -12.0},
}  # fmt: skip


@pytest.mark.parametrize("name", EFFECTS)
def test_gradients_are_those_of_finite_differences(name):
    """Through the sound and through every setting, one value for each of two tracks."""
    effect = getattr(console, name)
    audio = noise(2, 2, 32, level=0.3).double().requires_grad_()
    settings = [torch.tensor([v, 1.1 * v], dtype=torch.float64, requires_grad=True) for v in EFFECTS[name].values()]

    def run(sound, *values):
        return effect(sound, 8000, **dict(zip(EFFECTS[name], values, strict=True)))

    assert torch.autograd.gradcheck(run, (audio, *settings), eps=1e-6, atol=1e-5)
    out = run(audio, *settings)
    grads = torch.autograd.grad(out.square().sum(), settings)
    assert all((grad != 0).all() for grad in grads)


@pytest.mark.parametrize("name", EFFECTS)
def test_nothing_is_delayed(name):
    """The cross-correlation of what goes in and what comes out is largest at lag 0, in each channel."""
    audio = noise(2, 6000, level=0.3)
    out = getattr(console, name)(audio, RATE, **EFFECTS[name])
    for before, after in zip(audio.numpy(), out.numpy(), strict=True):
        assert np.abs(correlate(after, before)).argmax() == 5999


def test_gradients_of_reverb():
    audio, room = noise(2, 1, 30).double().requires_grad_(), noise(2, 12, seed=1).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda sound, impulse: console.reverb(sound, RATE, impulse), (audio, room))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equaliser_is_the_same_with_and_without_gradients(dtype):
    audio = noise(3, 2, 3000).to(dtype)
    settings = {name: torch.tensor([v, 0.7 * v, 1.3 * v]) for name, v in EFFECTS["equalise"].items()}
    with_gradient = console.equalise(audio.clone().requires_grad_(), RATE, **settings)
    torch.testing.assert_close(with_gradient.detach(), console.equalise(audio, RATE, **settings), rtol=0, atol=1e-6)
    with torch.no_grad():
        assert not console.equalise(audio.requires_grad_(), RATE, **settings).requires_grad


DB, HZ, Q = st.floats(-18, 18), st.floats(20, 20000), st.floats(0.2, 10)
SANE = {
    "gain": {"gain_db": st.floats(-60, 24)},
    "pan": {"position": st.floats(-1, 1)},
    "equalise": {
        name: {"db": DB, "hz": HZ, "_q": Q}[name[-2:]] for name in EFFECTS["equalise"]
    },
    "compress": {
        "threshold_db": st.floats(-60, 0), "ratio": st.floats(1, 20), "attack_ms": st.floats(0.1, 100),
        "release_ms": st.floats(5, 1000), "makeup_db": st.floats(0, 24),
    },
    "limit": {"ceiling_db": st.floats(-20, 0), "window_ms": st.floats(0.1, 50)},
    "reverb": {
        "kind": st.sampled_from(KINDS), "decay_s": st.floats(0.05, 0.5), "predelay_ms": st.floats(0, 50),
        "seed": st.integers(0, 2**31),
    },
}  # fmt: skip


def run_effect(name, audio, rate, settings):
    if name == "reverb":
        return console.reverb(audio, rate, console.impulse_response(rate, **settings))
    return getattr(console, name)(audio, rate, **settings)


def largest_gain_db(name, rate, settings):
    """No effect makes the energy of a sound larger than by this."""
    if name == "equalise":
        return sum(max(value, 0) for setting, value in settings.items() if setting.endswith("_db"))
    if name == "reverb":
        return 20 * np.log10(float(console.impulse_response(rate, **settings).abs().sum(-1).max()))
    return {"gain": settings.get("gain_db"), "pan": 3.02, "compress": settings.get("makeup_db"), "limit": 0.0}[name]


@pytest.mark.parametrize("name", SANE)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_whatever_the_settings(name, data):
    """Finite, bounded, its own shape; silence stays silence; a mono track is a stereo track of two equal channels."""
    chosen = data.draw(st.fixed_dictionaries(SANE[name]))
    rate = data.draw(st.sampled_from([8000, 44100, 192000]))
    shape = data.draw(st.sampled_from([(), (1,), (3,), (2, 2)]))
    samples = data.draw(st.sampled_from([1, 2, 15, 16, 17, 900]))
    level = data.draw(st.sampled_from([1e-6, 0.1, 1.0]))
    mono = noise(*shape, 1, samples, seed=data.draw(st.integers(0, 9)), level=level)
    stereo = mono.expand(*shape, 2, samples)
    out = run_effect(name, stereo, rate, chosen)
    assert out.shape == stereo.shape and out.dtype == torch.float32 and torch.isfinite(out).all()
    energy, before = (x.double().square().sum((-2, -1)) for x in (out, stereo))
    assert (energy <= 10 ** (largest_gain_db(name, rate, chosen) / 10) * 1.0001 * before).all()
    alone = run_effect(name, mono, rate, chosen)
    torch.testing.assert_close(alone.expand_as(out), out, rtol=1e-5, atol=1e-6)
    assert (run_effect(name, torch.zeros_like(stereo), rate, chosen) == 0).all()
    if name == "limit":
        assert true_peak_db(out[(0,) * len(shape)]) <= chosen["ceiling_db"] + 1e-4
        assert (out.abs() <= stereo.abs()).all()
