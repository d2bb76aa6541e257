"""Each effect of the console against its own law and against an oracle that shares no code with it."""

import numpy as np
import pytest
import torch
import torchaudio.functional as oracle
from scipy.signal import fftconvolve, freqz, lfilter

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


@pytest.mark.parametrize("db", [-9.0, 6.0])
def test_equaliser_at_centre_and_corner(db):
    assert response(1000, high_peak_db=db, high_peak_hz=1000.0, high_peak_q=2.0) == pytest.approx(db, abs=0.01)
    low = response([5, 200, 15000], low_shelf_db=db, low_shelf_hz=200.0)
    assert low == pytest.approx([db, db / 2, 0], abs=0.05)
    high = response([50, 4000, 22000], high_shelf_db=db, high_shelf_hz=4000.0)
    assert high == pytest.approx([0, db / 2, db], abs=0.05)
    # The bandwidth between the points of half the gain in dB is centre / Q.
    edges = 1000 * (np.sqrt(1 + 1 / 16) + np.array([-1, 1]) / 4)
    assert response(edges, high_peak_db=db, high_peak_hz=1000.0, high_peak_q=2.0) == pytest.approx(
        [db / 2] * 2, abs=0.05
    )


def test_equaliser_is_torchaudios():
    audio = noise(2, 4000)
    settings = {
        "low_shelf_db": 5.0,
        "low_shelf_hz": 150.0,
        "high_peak_db": -4.0,
        "high_peak_hz": 900.0,
        "high_peak_q": 1.3,
    }
    out = console.equalise(audio, RATE, **settings, high_shelf_db=3.0, high_shelf_hz=6000.0)
    wanted = oracle.bass_biquad(audio.double(), RATE, 5.0, 150.0, 0.5**0.5)
    wanted = oracle.equalizer_biquad(wanted, RATE, 900.0, -4.0, 1.3)
    wanted = oracle.treble_biquad(wanted, RATE, 3.0, 6000.0, 0.5**0.5)
    torch.testing.assert_close(out, wanted.float(), rtol=0, atol=1e-6)


def test_compressor_static_curve():
    levels = torch.tensor([-50.0, -30.0, -20.0, -14.0, -8.0, 0.0])
    audio = (10 ** (levels / 20))[:, None, None].expand(-1, 1, RATE)
    out = console.compress(audio, RATE, threshold_db=-20.0, ratio=3.0, attack_ms=5.0, makeup_db=2.0)
    wanted = torch.where(levels > -20, -20 + (levels + 20) / 3, levels) + 2
    torch.testing.assert_close(level_db(out[..., -1]), wanted, rtol=0, atol=0.01)


@pytest.mark.parametrize("attack_ms", [2.0, 20.0])
def test_compressor_attack_time_constant(attack_ms):
    audio = torch.cat([constant(-40, 1000), constant(0, RATE)], -1)
    out = console.compress(audio, RATE, threshold_db=-20.0, ratio=4.0, attack_ms=attack_ms, release_ms=500.0)
    reduction = (level_db(audio) - level_db(out))[1000:]
    assert reduction[-1] == pytest.approx(15, abs=0.01)
    reached = int((reduction >= 15 * (1 - np.exp(-1))).nonzero()[0]) + 1
    assert reached / RATE * 1000 == pytest.approx(attack_ms, rel=0.02)


@pytest.mark.parametrize("release_ms", [40.0, 200.0])
def test_compressor_release_time_constant(release_ms):
    audio = torch.cat([constant(0, RATE), constant(-40, RATE)], -1)
    out = console.compress(audio, RATE, threshold_db=-20.0, ratio=4.0, attack_ms=0.1, release_ms=release_ms)
    reduction = (level_db(audio) - level_db(out))[RATE:]
    left = int((reduction <= 15 * np.exp(-1)).nonzero()[0]) + 1
    assert left / RATE * 1000 == pytest.approx(release_ms, rel=0.02)


def test_compressor_detector_is_the_plain_recursion():
    audio = noise(3, 1, 700, level=0.5)
    settings = {"threshold_db": torch.tensor([-30.0, -20.0, -10.0]), "ratio": torch.tensor([2.0, 4.0, 8.0])}
    times = {"attack_ms": torch.tensor([1.0, 5.0, 2.0]), "release_ms": torch.tensor([10.0, 50.0, 20.0])}
    out = console.compress(audio, RATE, **settings, **times)
    for k in range(3):
        threshold, ratio = float(settings["threshold_db"][k]), float(settings["ratio"][k])
        release, attack = (np.exp(-1000 / (float(times[name][k]) * RATE)) for name in ("release_ms", "attack_ms"))
        held = smooth = 0.0
        for n, x in enumerate(audio[k, 0].tolist()):
            wanted = max(20 * np.log10(max(abs(x), 1e-10)) - threshold, 0) * (1 - 1 / ratio)
            held = max(wanted, release * held + (1 - release) * wanted)
            smooth = attack * smooth + (1 - attack) * held
            assert float(out[k, 0, n]) == pytest.approx(x * 10 ** (-smooth / 20), abs=1e-5)


def test_compressor_links_channels_and_does_not_delay():
    audio = noise(2, 5000, level=0.01)
    audio[0, 2500] = 1.0
    out = console.compress(audio, RATE, threshold_db=-20.0, ratio=10.0, attack_ms=1.0, release_ms=50.0)
    torch.testing.assert_close(out[0] / audio[0], out[1] / audio[1], rtol=1e-4, atol=0)
    torch.testing.assert_close(out[:, :2500], audio[:, :2500])
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


def test_room_has_unit_energy_and_two_unlike_channels():
    room = console.impulse_response(RATE, decay_s=1.0, seed=3)
    torch.testing.assert_close(room.square().sum(-1), torch.ones(2))
    assert abs(float((room[0] * room[1]).sum())) < 0.05
    torch.testing.assert_close(room, console.impulse_response(RATE, decay_s=1.0, seed=3), rtol=0, atol=0)
    assert (room - console.impulse_response(RATE, decay_s=1.0, seed=4)).abs().max() > 1e-2


@pytest.mark.parametrize("decay_s", [0.6, 2.0])
def test_room_decays_by_60_db(decay_s):
    room = console.impulse_response(RATE, decay_s=decay_s).numpy()
    low = lfilter([0.1], [1, -0.9], room, axis=-1)  # the low part, which lasts longest
    left = 10 * np.log10(np.cumsum(np.square(low[:, ::-1]).sum(0))[::-1])  # Schroeder's backward integral
    left -= left[0]
    span = np.flatnonzero((left < -10) & (left > -35))
    slope = np.polyfit(span / RATE, left[span], 1)[0]
    assert -60 / slope == pytest.approx(decay_s, rel=0.1)
    high = np.diff(room, n=4, axis=-1)  # the high part falls twice as fast
    left = 10 * np.log10(np.cumsum(np.square(high[:, ::-1]).sum(0))[::-1])
    left -= left[0]
    span = np.flatnonzero((left < -5) & (left > -25))
    assert -60 / np.polyfit(span / RATE, left[span], 1)[0] < 0.7 * decay_s


def test_room_starts_at_its_predelay():
    assert int((console.impulse_response(RATE)[0] != 0).nonzero()[0]) == 0
    assert int((console.impulse_response(RATE, predelay_ms=20.0)[0] != 0).nonzero()[0]) == 882


@pytest.mark.parametrize("channels", [1, 2])
def test_reverb_is_convolution(channels):
    audio, room = noise(3, channels, 5000), console.impulse_response(RATE, decay_s=0.05)
    wet = console.reverb(audio, RATE, room)
    wanted = fftconvolve(audio.double().numpy(), room.double().numpy()[None], axes=-1)[..., :5000]
    torch.testing.assert_close(wet, torch.from_numpy(wanted).float(), rtol=0, atol=1e-6)


def test_reverb_through_a_click_is_the_sound_itself():
    audio, click = noise(2, 1000), torch.zeros(2, 10)
    click[:, 0] = 1
    torch.testing.assert_close(console.reverb(audio, RATE, click), audio, rtol=0, atol=1e-6)
    longer = console.impulse_response(RATE, decay_s=1.0)
    assert console.reverb(audio[..., :7], RATE, longer).shape == (2, 7)
