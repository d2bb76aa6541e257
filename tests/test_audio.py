"""tfrgan_lite.audio, files and labels: what is read and written, loudness, true peak, resampling, STFT, roles."""

import os

import numpy as np
import pytest
import soundfile
import torch
import torchaudio.functional
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import firwin, lfilter, resample_poly, sosfreqz

from tfrgan_lite import audio
from tfrgan_lite.audio import (
    Stft,
    amplitude,
    check_stems,
    decibels,
    k_weighting,
    limit_true_peak,
    limiter_gain,
    loudness,
    loudness_blocks,
    read_audio,
    resample,
    true_peak_db,
    write_audio,
)
from tfrgan_lite.errors import UserError
from tfrgan_lite.labels import ROLES, STYLES, guess_role, role_index, style_index

RATE = 44100


def sine(hz: float, seconds: float, level_db: float = 0.0, rate: int = RATE, phase: float = 0.0) -> torch.Tensor:
    t = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    return (10 ** (level_db / 20) * torch.sin(2 * torch.pi * hz * t + phase)).float()


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# reading and writing


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff"])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_written_is_read_back(tmp_path, suffix, channels):
    sound, path = noise(channels, 1001), tmp_path / f"a{suffix}"
    write_audio(path, sound, 48000)
    back, rate = read_audio(path)
    assert rate == 48000 and back.dtype == torch.float32
    # 24 bits in WAV and FLAC, 16 in AIFF
    torch.testing.assert_close(back, sound, rtol=0, atol=2**-22 if suffix != ".aiff" else 2**-14)


@pytest.mark.parametrize("suffix", [".mp3", ".ogg"])
def test_lossy_formats_keep_length_rate_and_level(tmp_path, suffix):
    write_audio(tmp_path / f"a{suffix}", sine(440, 1.0, -6)[None].expand(2, -1), RATE)
    back, rate = read_audio(tmp_path / f"a{suffix}")
    assert rate == RATE and back.shape[0] == 2 and back.shape[1] == pytest.approx(RATE, abs=2500)
    assert float(decibels(back[:, 5000:40000].square().mean().sqrt())) == pytest.approx(-9.03, abs=0.5)


def test_samples_beyond_full_scale_are_clipped_not_wrapped(tmp_path):
    write_audio(tmp_path / "a.wav", torch.tensor([[2.0, -2.0, 0.5]]), RATE)
    back, _ = read_audio(tmp_path / "a.wav")
    torch.testing.assert_close(back, torch.tensor([[1.0, -1.0, 0.5]]), rtol=0, atol=1e-6)


def nan_file(path):
    sound = np.zeros(100, np.float32)
    sound[7] = np.nan
    soundfile.write(path, sound, RATE, subtype="FLOAT")


BAD_FILES = {
    "NaN": (nan_file, "NaN"),
    "no samples": (lambda path: soundfile.write(path, np.zeros(0), RATE), "no samples"),
    "no bytes": (lambda path: path.write_bytes(b""), "cannot be read as audio"),
    "text": (lambda path: path.write_text("these are lyrics, not a recording\n" * 20), "cannot be read as audio"),
    "three channels": (lambda path: soundfile.write(path, np.zeros((10, 3)), RATE), "3 channels"),
    "folder": (lambda path: path.mkdir(), "cannot be read as audio"),
    "missing": (lambda path: None, "cannot be read as audio"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_named_in_one_line(tmp_path, kind):
    make, says = BAD_FILES[kind]
    path = tmp_path / "take 1.wav"
    make(path)
    with pytest.raises(UserError) as error:
        read_audio(path)
    message = str(error.value)
    assert says in message and str(path) in message and "\n" not in message


def test_an_existing_file_is_not_replaced_without_force(tmp_path):
    path = tmp_path / "mix.wav"
    path.write_bytes(b"precious")
    with pytest.raises(UserError, match="exists already.*--force"):
        write_audio(path, noise(2, 100), RATE)
    assert path.read_bytes() == b"precious"
    write_audio(path, noise(2, 100), RATE, force=True)
    assert read_audio(path)[0].shape == (2, 100)


@pytest.mark.parametrize(
    ("name", "says"),
    [("nowhere/mix.wav", "does not exist"), ("mix.txt", "no audio format"), ("mix", "no audio format")],
)
def test_a_place_that_cannot_be_written_is_named(tmp_path, name, says):
    with pytest.raises(UserError, match=says):
        write_audio(tmp_path / name, noise(2, 100), RATE)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_output_file_even_with_force(tmp_path):
    (tmp_path / "mix.wav").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        write_audio(tmp_path / "mix.wav", noise(2, 100), RATE, force=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match="cannot be written to"):
            write_audio(tmp_path / "mix.wav", noise(2, 100), RATE)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("there_before", [False, True])
def test_a_write_that_fails_half_way_leaves_everything_as_it_was(tmp_path, monkeypatch, there_before):
    path = tmp_path / "mix.wav"
    if there_before:
        path.write_bytes(b"precious")

    def disk_full(file, *_, **__):
        with open(file, "wb") as handle:
            handle.write(b"RIFF, and half of the")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audio.soundfile, "write", disk_full)
    with pytest.raises(UserError, match="No space left"):
        write_audio(path, noise(2, 100), RATE, force=True)
    assert [file.name for file in tmp_path.iterdir()] == (["mix.wav"] if there_before else [])
    assert not there_before or path.read_bytes() == b"precious"


def test_a_rate_that_the_format_cannot_hold_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="cannot be written"):
        write_audio(tmp_path / "mix.mp3", noise(2, 100), 96000)
    assert list(tmp_path.iterdir()) == []


# stems


def test_mono_stems_become_two_equal_channels():
    stems = check_stems(noise(3, 1, 50).double(), RATE)
    assert stems.shape == (3, 2, 50) and stems.dtype == torch.float32
    assert torch.equal(stems[:, 0], stems[:, 1])


@pytest.mark.parametrize(
    ("stems", "rate", "says"),
    [
        (torch.zeros(2, 50), RATE, "shape"),
        (torch.zeros(2, 3, 50), RATE, "shape"),
        (torch.zeros(0, 2, 50), RATE, "0 tracks"),
        (torch.zeros(17, 2, 50), RATE, "17 tracks"),
        (torch.zeros(2, 2, 0), RATE, "no samples"),
        (torch.zeros(2, 2, 50), 4000, "4000 Hz"),
        (torch.zeros(2, 2, 50), 400000, "400000 Hz"),
        (torch.stack([torch.zeros(2, 50), torch.full((2, 50), torch.inf)]), RATE, "track 1"),
    ],
)
def test_bad_stems_are_named_in_one_line(stems, rate, says):
    with pytest.raises(UserError, match=says) as error:
        check_stems(stems, rate)
    assert "\n" not in str(error.value)


# levels


def test_decibels_and_back():
    ratios = torch.tensor([1e-3, 0.5, 1.0, 4.0])
    torch.testing.assert_close(amplitude(decibels(ratios)), ratios)
    assert float(decibels(torch.tensor(10.0))) == pytest.approx(20)
    assert float(decibels(torch.tensor(0.0))) == pytest.approx(-200)


@pytest.mark.parametrize("rate", [32000, 44100, 48000, 96000])
def test_reference_sine_reads_minus_23_lufs(rate):
    """EBU Tech 3341, case 1: a stereo sine of 1 kHz at -23 dBFS reads -23 LUFS within 0.1."""
    stereo = sine(1000, 20, -23, rate).expand(2, -1)
    assert float(loudness(stereo, rate)) == pytest.approx(-23, abs=0.1)


def test_quiet_parts_are_gated_out():
    """EBU Tech 3341, case 3: -36, -23 and -36 dBFS one after another read -23 LUFS."""
    parts = [sine(1000, 10, -36, 48000), sine(1000, 60, -23, 48000), sine(1000, 10, -36, 48000)]
    assert float(loudness(torch.cat(parts).expand(2, -1), 48000)) == pytest.approx(-23, abs=0.1)


def test_one_channel_of_two_is_3_lu_softer_and_batches_are_measured_one_by_one():
    tone = sine(1000, 3, -23)
    stereo, left = tone.expand(2, -1), torch.stack([tone, torch.zeros_like(tone)])
    both = loudness(torch.stack([stereo, left]), RATE)
    assert both.shape == (2,)
    assert float(both[0] - both[1]) == pytest.approx(3.01, abs=0.02)


@pytest.mark.parametrize("samples", [1, 1000, 17640, 44100])
def test_silence_of_any_length_reads_minus_70(samples):
    assert float(loudness(torch.zeros(2, samples), RATE)) == -70


def test_a_sound_of_half_a_block_reads_as_half_the_power():
    assert float(loudness(sine(1000, 0.2, -20).expand(2, -1), RATE)) == pytest.approx(-23, abs=0.2)


# BS.1770-4, tables 1 and 2: b0 b1 b2 1 a1 a2 at 48 kHz.
STANDARD_FILTERS = [
    [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585],
    [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621],
]


def test_k_weighting_is_the_standards_table_and_the_same_at_every_rate():
    np.testing.assert_allclose(k_weighting(48000), STANDARD_FILTERS, rtol=0, atol=1e-9)
    hz = np.array([20.0, 38.0, 100.0, 1000.0, 1682.0, 3000.0])
    wanted = 20 * np.log10(np.abs(sosfreqz(STANDARD_FILTERS, worN=hz, fs=48000)[1]))
    for rate in (22050, 44100, 96000, 192000):
        level = 20 * np.log10(np.abs(sosfreqz(k_weighting(rate), worN=hz, fs=rate)[1]))
        np.testing.assert_allclose(level, wanted, atol=0.1)


@pytest.mark.parametrize(("rate", "within"), [(48000, 0.002), (44100, 0.01), (96000, 0.03), (8000, 0.03)])
def test_full_scale_sine_in_one_channel_reads_minus_3_01(rate, within):
    """BS.1770-4: a sine of 997 Hz at 0 dBFS in one of the front channels reads -3.01 LUFS."""
    one = torch.stack([sine(997, 5.0, rate=rate), torch.zeros(5 * rate)])
    assert float(loudness(one, rate)) == pytest.approx(-3.01, abs=within)


def plain_loudness(sound, blocks_of=19200, step=4800):
    """The standard word for word at 48 kHz, for (channels, samples); None where no block passes the gates."""
    for b0, b1, b2, a0, a1, a2 in STANDARD_FILTERS:
        sound = lfilter([b0, b1, b2], [a0, a1, a2], sound, axis=-1)
    powers = []
    start = 0
    while start + blocks_of <= sound.shape[-1]:
        powers.append(sum(np.mean(channel[start : start + blocks_of] ** 2) for channel in sound))
        start += step
    levels = [-0.691 + 10 * np.log10(max(power, 1e-12)) for power in powers]
    heard = [power for power, level in zip(powers, levels, strict=True) if level > -70]
    gate = -0.691 + 10 * np.log10(np.mean(heard)) - 10
    heard = [power for power, level in zip(powers, levels, strict=True) if level > -70 and level > gate]
    return levels, -0.691 + 10 * np.log10(np.mean(heard))


def test_loudness_is_the_standard_word_for_word():
    steps = torch.tensor([0.0, 1e-4, 0.5, 1.0, 0.05, 0.3, 0.0]).repeat_interleave(24000)[:160001]
    for seed in range(3):
        sound = noise(2, 160001, seed=seed) * steps
        levels, whole = plain_loudness(sound.double().numpy())
        np.testing.assert_allclose(loudness_blocks(sound, 48000).numpy(), levels, atol=1e-3)
        assert float(loudness(sound, 48000)) == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize("rate", [44100, 48000])
def test_loudness_is_torchaudios_on_quiet_sound(rate):
    """Its high pass is normalised where the standard's is not: 0.04 LU, and it clips loud treble."""
    for seed, colour in enumerate(([1.0], [1.0, -0.9], [1.0, 0.9])):
        sound = 0.05 * torch.from_numpy(lfilter([1.0], colour, noise(2, 4 * rate, seed=seed).numpy())).float()
        wanted = torchaudio.functional.loudness(sound, rate)
        assert float(loudness(sound, rate)) == pytest.approx(float(wanted), abs=0.05)


def test_blocks_of_loudness_follow_the_sound():
    """400 ms every 100 ms: (..., channels, samples) -> (..., blocks)."""
    tone = torch.cat([torch.zeros(RATE), sine(1000, 1.0, -20)]).expand(3, 2, -1)
    blocks = loudness_blocks(tone, RATE)
    assert blocks.shape == (3, 17) and blocks.dtype == torch.float32
    assert (blocks[:, :7] == blocks[0, 0]).all() and float(blocks[0, 0]) == pytest.approx(-120.691, abs=1e-3)
    assert (blocks[0, 6:11].diff() > 0).all() and float(blocks[0, 10]) == pytest.approx(-20, abs=0.1)
    assert loudness_blocks(tone[..., :100], RATE).shape == (3, 1)


def test_true_peak_finds_the_crest_between_samples():
    """A quarter of the sample rate, sampled 45 degrees off its crests: samples at -3.01 dB, crests at 0 dB."""
    tone = sine(RATE / 4, 0.2, phase=np.pi / 4)
    middle = tone * torch.hann_window(len(tone))  # without an edge, whose ringing would be a true peak as well
    assert float(decibels(middle.abs().max())) == pytest.approx(-3.01, abs=0.02)
    assert true_peak_db(middle) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("hz", [100.0, 997.0, 5000.0, 12000.0])
def test_true_peak_reads_a_tone_no_lower_than_the_standard_allows(hz):
    """BS.1770-4, annex 2: four-fold oversampling reads at most -20 log10 cos(pi f / 4 rate) dB low."""
    peaks = [true_peak_db(sine(hz, 0.2, -6, phase=p) * torch.hann_window(8820)) for p in (0.0, 0.7, 1.4)]
    lowest = -6 + 20 * np.log10(np.cos(np.pi * hz / RATE / 4)) - 0.05
    assert all(lowest < peak < -5.95 for peak in peaks)


def test_true_peak_is_never_below_the_sample_peak_and_takes_any_shape():
    click = torch.zeros(2, 500)
    click[1, 250] = -1.0
    assert true_peak_db(click) >= 0
    assert true_peak_db(torch.tensor([[0.5]])) >= -6.03
    assert true_peak_db(torch.zeros(2, 10)) == pytest.approx(-200)


SOUNDS = {
    "noise": lambda: noise(2, 5003),
    "click": lambda: torch.eye(2, 5003).roll(2500, 1),
    "edges": lambda: torch.cat([torch.ones(1, 20), 0.01 * noise(1, 5003), -torch.ones(1, 3)], 1),
    "crest between samples": lambda: sine(RATE / 4, 0.1, phase=np.pi / 4)[None] * torch.hann_window(4410),
    "few samples": lambda: torch.tensor([[0.5, -0.5]]),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_a_true_peak_is_not_missed_where_it_is_not_looked_for(name, monkeypatch):
    """Against four-fold oversampling of everything by SciPy, and against the same search without leaving out any."""
    sound = SOUNDS[name]()
    taps = firwin(97, 1 / 4, window=("kaiser", 8.0))
    whole = np.abs(resample_poly(np.pad(sound.double().numpy(), ((0, 0), (30, 30))), 4, 1, axis=-1, window=taps)).max()
    assert true_peak_db(sound) == pytest.approx(20 * np.log10(whole), abs=1e-3)
    loud = sound * (2 / whole)
    quick, search = limiter_gain(loud, RATE), audio._peaks
    monkeypatch.setattr(audio, "_peaks", lambda mix, above=0.0, where=None: search(mix))
    assert true_peak_db(sound) == pytest.approx(20 * np.log10(whole), abs=1e-3)
    torch.testing.assert_close(limiter_gain(loud, RATE), quick, rtol=0, atol=1e-6)


@pytest.mark.parametrize("window_ms", [0.0, 2.0, 20.0])
def test_limiter_gain_is_the_windowed_minimum_averaged(window_ms):
    """Of a mix that is so slow that next to nothing is between its samples."""
    mix = torch.full((2, 20000), 0.25)
    mix[1, 4000:16000] = 2.0 * torch.hann_window(12000)
    gain = limiter_gain(mix, RATE, ceiling_db=-6.0, window_ms=window_ms).double().numpy()
    width = 2 * int(RATE * window_ms / 2000) + 1
    wanted = 10 ** (-6.01 / 20) / np.maximum(mix[1].double().numpy(), 10 ** (-6.01 / 20))
    wanted = uniform_filter1d(minimum_filter1d(wanted, width, mode="nearest"), width, mode="nearest")
    np.testing.assert_allclose(gain, wanted, atol=1e-3)
    assert (gain <= 1).all() and (gain[: 4000 - width] == 1).all() and (gain[16000 + width :] == 1).all()
    assert true_peak_db(mix * torch.from_numpy(gain).float()) <= -6


def test_limiter_gain_is_one_where_nothing_is_above_and_takes_silence_and_one_sample():
    assert torch.equal(limiter_gain(noise(2, 4000), RATE), torch.ones(4000))
    assert torch.equal(limiter_gain(torch.zeros(2, 100), RATE), torch.ones(100))
    assert float(limiter_gain(torch.full((2, 1), 4.0), RATE, ceiling_db=-6.0)) == pytest.approx(0.125, rel=3e-3)


def test_limiting_turns_mix_and_stems_down_together_and_only_if_needed():
    stems = noise(3, 2, 4000) * 10
    mix = stems.sum(0)
    turned_mix, turned_stems = limit_true_peak(mix, stems, 44100)
    assert -1.1 < true_peak_db(turned_mix) <= -1.0
    torch.testing.assert_close(turned_stems.sum(0), turned_mix)
    soft = limit_true_peak(mix / 1000, stems / 1000, 44100)
    assert torch.equal(soft[0], mix / 1000) and torch.equal(soft[1], stems / 1000)


def test_a_click_does_not_turn_the_song_down():
    """The limiter works where the peak is: 20 ms away, the mix is as it was."""
    stems = noise(1, 2, 44100)
    stems[:, :, 22050] = 4.0
    mix = stems.sum(0)
    limited, _ = limit_true_peak(mix, stems, 44100)
    assert true_peak_db(limited) <= -1.0
    away = (torch.arange(44100) - 22050).abs() > 44100 * 20 / 1000 + 2
    torch.testing.assert_close(limited[:, away], mix[:, away], rtol=2e-3, atol=0)
    assert (limited[:, 22050 - 40 : 22050 + 40] / mix[:, 22050 - 40 : 22050 + 40]).max() < 0.3


# resampling


@pytest.mark.parametrize(
    ("rate", "new"), [(44100, 48000), (48000, 44100), (96000, 44100), (8000, 44100), (44100, 22050)]
)
@pytest.mark.parametrize("samples", [1, 2, 999, 44100])
def test_resampled_length(rate, new, samples):
    out = resample(noise(2, samples), rate, new)
    assert out.shape == (2, max(1, round(samples * new / rate))) and out.dtype == torch.float32
    assert torch.isfinite(out).all()


def test_resampling_keeps_a_tone_and_its_place_in_time():
    out = resample(sine(1000, 1.0, -6), RATE, 48000)
    torch.testing.assert_close(out[2000:-2000], sine(1000, 1.0, -6, 48000)[2000:-2000], rtol=0, atol=2e-3)


def test_resampling_down_removes_what_cannot_be_held():
    assert float(resample(sine(15000, 0.5), RATE, 22050)[1000:-1000].abs().max()) < 0.01


def test_same_rate_changes_nothing():
    sound = noise(2, 100)
    assert resample(sound, RATE, RATE) is sound


# STFT


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])
def test_sizes_follow_the_sample_rate(rate):
    stft = Stft(rate)
    assert stft.win_length == int(0.025 * rate) and stft.hop_length == int(0.01 * rate)
    assert 1.5 * stft.win_length <= stft.n_fft < 3 * stft.win_length
    assert stft.n_fft & (stft.n_fft - 1) == 0


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("samples", [1, 2, 101, 441, 882, 4411, 12345])
def test_inverse_is_exact_for_any_length(rate, samples):
    stft, sound = Stft(rate), noise(samples)
    spectrum = stft(sound)
    assert spectrum.shape == (-(-samples // stft.hop_length), stft.n_fft // 2 + 1)
    torch.testing.assert_close(stft.inverse(spectrum, samples), sound, rtol=0, atol=1e-5)


def test_stft_keeps_leading_dimensions_and_treats_channels_alike():
    stft, sound = Stft(RATE), noise(3, 2, 2000)
    spectrum = stft(sound)
    assert spectrum.shape == (3, 2, 5, 1025)
    torch.testing.assert_close(spectrum[2, 1], stft(sound[2, 1]))
    torch.testing.assert_close(stft.inverse(spectrum, 2000), sound, rtol=0, atol=1e-5)


def test_a_frame_is_centred_on_its_hop():
    click = torch.zeros(4410)
    click[5 * 441] = 1.0
    power = Stft(RATE)(click).abs().square().sum(1)
    assert int(power.argmax()) == 5
    assert float(power[4]) == pytest.approx(float(power[6]), rel=1e-4)
    assert float(power[3]) == 0.0 and float(power[7]) == 0.0  # 10 ms off is under the window, 20 ms is not


def test_stft_is_differentiable_and_follows_the_module_to_double():
    sound = noise(1000).requires_grad_()
    stft = Stft(RATE)
    stft.inverse(stft(sound), 1000).sum().backward()
    torch.testing.assert_close(sound.grad, torch.ones(1000), rtol=0, atol=1e-4)
    exact = Stft(RATE).double()
    torch.testing.assert_close(exact.inverse(exact(noise(1000).double()), 1000), noise(1000).double())


# labels


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("drums", "drums"),
        ("Bass Drum", "drums"),
        ("kick_in", "drums"),
        ("03 Hi-Hat", "drums"),
        ("DrumKit", "drums"),
        ("OVERHEADS L", "drums"),
        ("bass", "bass"),
        ("bass guitar", "bass"),
        ("BassDI", "bass"),
        ("sub2", "bass"),
        ("lead vocal 2", "voice"),
        ("leadVox", "voice"),
        ("backing-vocals", "voice"),
        ("lead guitar", "lead"),
        ("solo", "lead"),
        ("Elec Gtr 1", "guitar"),
        ("piano", "keys"),
        ("E-Piano", "keys"),
        ("synth chords", "keys"),
        ("string pad", "strings"),
        ("violin", "strings"),
        ("other", "other"),
        ("take 7", "other"),
        ("", "other"),
        ("brassiere", "other"),  # holds "bras", "brass" and "ass", but no word that is known
    ],
)
def test_guess_role(name, role):
    assert guess_role(name) == role


def test_indices_and_unknown_labels():
    assert [role_index(role) for role in ROLES] == list(range(len(ROLES)))
    assert [style_index(style) for style in STYLES] == list(range(len(STYLES)))
    assert all(guess_role(role) == role for role in ROLES)
    with pytest.raises(UserError, match="unknown style 'polka': choose one of pop"):
        style_index("polka")
    with pytest.raises(UserError, match="unknown role 'tuba': choose one of drums"):
        role_index("tuba")


def test_loudness_of_loud_treble_is_not_clipped():
    """Turned down by 20 dB, bright noise at full scale reads 20 LU less."""
    noise = 0.4 * torch.randn(2, 44100, generator=torch.Generator().manual_seed(0))
    assert float(loudness(noise, 44100) - loudness(0.1 * noise, 44100)) == pytest.approx(20, abs=1e-3)
