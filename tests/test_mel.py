"""tfrgan_lite.mel: equal to torchaudio's and librosa's, the right shape for any length, and the way back to bins."""

import librosa
import numpy as np
import pytest
import torch
import torchaudio

from tfrgan_lite.mel import FLOOR, LogMel, hz_to_mel, mel_filter_bank, mel_points, mel_to_bins, mel_to_hz

RATE = 44100


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rate", [44100, 48000])
def test_equal_to_torchaudio(rate):
    sound, log_mel = noise(rate), LogMel(rate)
    theirs = torchaudio.transforms.MelSpectrogram(
        rate,
        n_fft=log_mel.stft.n_fft,
        win_length=int(0.025 * rate),
        hop_length=rate // 100,
        f_min=20,
        f_max=20000,
        n_mels=80,
        power=2,
        pad_mode="constant",
        norm=None,
        mel_scale="htk",
    )
    frames = -(-rate // (rate // 100))
    want = torch.log(theirs(sound).mT[:frames] + FLOOR)
    torch.testing.assert_close(log_mel(sound), want, rtol=0, atol=1e-4)


def test_equal_to_librosa():
    sound = noise(RATE)
    theirs = librosa.feature.melspectrogram(
        y=sound.numpy(),
        sr=RATE,
        n_fft=2048,
        hop_length=441,
        win_length=1102,
        window="hann",
        center=True,
        pad_mode="constant",
        power=2,
        n_mels=80,
        fmin=20,
        fmax=20000,
        htk=True,
        norm=None,
    )
    want = torch.from_numpy(np.log(theirs.T[:100] + FLOOR)).float()
    torch.testing.assert_close(LogMel(RATE)(sound), want, rtol=0, atol=1e-4)


def test_ten_seconds_are_1000_by_80():
    assert LogMel(RATE)(noise(441000)).shape == (1000, 80)


@pytest.mark.parametrize(("rate", "samples"), [(44100, 1), (44100, 442), (48000, 480), (8000, 81), (96000, 9599)])
def test_one_frame_for_each_hop_begun(rate, samples):
    x = LogMel(rate)(noise(samples))
    assert x.shape == (-(-samples // (rate // 100)), 80) and torch.isfinite(x).all()


def test_options_set_bands_window_and_hop():
    log_mel = LogMel(RATE, n_mels=40, window_ms=50, hop_ms=20)
    assert log_mel.stft.win_length == 2205 and log_mel.stft.hop_length == 882
    assert log_mel(noise(2, 3, 8820)).shape == (2, 3, 10, 40)


def test_leading_dimensions_are_independent():
    sound, log_mel = noise(2, 3, 2000), LogMel(RATE)
    torch.testing.assert_close(log_mel(sound)[1, 2], log_mel(sound[1, 2]))


def test_silence_is_the_floor_and_a_gain_is_an_addition():
    log_mel, sound = LogMel(RATE), noise(4410)
    torch.testing.assert_close(log_mel(torch.zeros(4410)), torch.full((10, 80), float(np.log(1e-5))))
    torch.testing.assert_close(log_mel(10 * sound), log_mel(sound) + float(np.log(100)), rtol=0, atol=1e-2)


def test_a_tone_lies_in_the_band_that_is_centred_on_it():
    points, log_mel = mel_points(80), LogMel(RATE)
    for band in (5, 40, 70):
        tone = torch.sin(2 * torch.pi * float(points[band + 1]) * torch.arange(8820) / RATE)
        assert int(log_mel(tone)[10].argmax()) == band


def test_bands_mean_the_same_frequencies_at_every_sample_rate():
    loudest = []
    for rate in (22050, 44100, 48000, 96000):
        tone = torch.sin(2 * torch.pi * 1000 * torch.arange(rate) / rate)
        loudest.append(int(LogMel(rate)(tone)[50].argmax()))
    assert len(set(loudest)) == 1
    filters = mel_filter_bank(22050, 1024)
    above = mel_points(80)[:-2] > 11025
    assert above.any() and float(filters[:, above].abs().max()) == 0
    assert (filters[:, mel_points(80)[2:] < 11025].sum(0) > 0).all()


def test_every_band_holds_a_bin_at_common_rates():
    for rate in (22050, 32000, 44100, 48000, 88200, 96000, 192000):
        log_mel = LogMel(rate)
        below = mel_points(80)[2:] < rate / 2
        assert (log_mel.filters[:, below].amax(0) > 0.3).all(), rate


def test_mel_scale_and_back():
    hz = torch.tensor([0.0, 20.0, 1000.0, 20000.0], dtype=torch.float64)
    torch.testing.assert_close(mel_to_hz(hz_to_mel(hz)), hz)
    points = mel_points(80)
    assert len(points) == 82 and float(points[0]) == pytest.approx(20) and float(points[-1]) == pytest.approx(20000)
    steps = hz_to_mel(points).diff()
    torch.testing.assert_close(steps, steps[:1].expand(81))


def test_of_power_is_forward_after_the_stft():
    log_mel, sound = LogMel(RATE), noise(2000)
    torch.testing.assert_close(log_mel.of_power(log_mel.stft(sound).abs().square()), log_mel(sound))


@pytest.mark.parametrize(("rate", "n_fft"), [(44100, 2048), (48000, 2048), (22050, 1024)])
def test_mel_to_bins_draws_straight_lines_over_mel(rate, n_fft):
    matrix = mel_to_bins(rate, n_fft)
    assert matrix.shape == (80, n_fft // 2 + 1) and float(matrix.min()) >= 0
    torch.testing.assert_close(matrix.sum(0), torch.ones(n_fft // 2 + 1))
    centres = hz_to_mel(mel_points(80)[1:-1])
    bins = hz_to_mel(torch.linspace(0, rate / 2, n_fft // 2 + 1, dtype=torch.float64))
    drawn = centres.float() @ matrix
    torch.testing.assert_close(drawn, bins.clamp(float(centres[0]), float(centres[-1])).float(), rtol=1e-4, atol=0.1)


def test_gradients_reach_the_waveform():
    sound = noise(1000).requires_grad_()
    LogMel(RATE)(sound).sum().backward()
    assert torch.isfinite(sound.grad).all() and float(sound.grad.abs().max()) > 0
