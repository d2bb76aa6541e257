"""tfrgan_lite.lesson.listen: what plays is what was given, level relations stay, nothing clips, bad input is named."""

import io
import re

import numpy as np
import pytest
import soundfile
import torch

from tfrgan_lite.audio import loudness
from tfrgan_lite.errors import UserError
from tfrgan_lite.lesson import listen

RATE = 44100


def sine(level: float, seconds: float = 1.0, frequency: float = 440.0, rate: int = RATE) -> torch.Tensor:
    return level * torch.sin(2 * torch.pi * frequency * torch.arange(int(seconds * rate)) / rate)


def noise(channels: int, level: float, seconds: float, seed: int = 0) -> torch.Tensor:
    shape = (channels, int(seconds * RATE))
    return level * torch.randn(shape, generator=torch.Generator().manual_seed(seed)).clamp(-4, 4)


def decode(data: bytes) -> tuple[np.ndarray, int]:
    return soundfile.read(io.BytesIO(data), always_2d=True)


def rms(audio: np.ndarray) -> float:
    return float(np.sqrt((audio**2).mean()))


def test_plays_what_was_given_at_its_own_level():
    players = listen({"tone": sine(0.5)}, RATE, "A tone.")
    audio, rate = decode(players.mp3["tone"])
    assert rate == RATE and audio.shape == (RATE, 1)
    assert players.gains_db == {"tone": 0.0}
    spectrum = np.abs(np.fft.rfft(audio[:, 0]))
    assert spectrum.argmax() == 440
    assert rms(audio) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_one_gain_for_all_so_that_level_relations_stay():
    players = listen({"loud": sine(2.0), "soft": sine(0.2)}, RATE, "Two tones.")
    loud, soft = (decode(players.mp3[label])[0] for label in ("loud", "soft"))
    assert rms(loud) / rms(soft) == pytest.approx(10, rel=0.03)
    assert players.gains_db["loud"] == players.gains_db["soft"] < -6
    assert "turned down" in players.text


@pytest.mark.parametrize("level", [0.3, 1.0, 5.0])
def test_never_clips_even_after_the_coder(level):
    square = level * torch.sign(sine(1.0, frequency=997.0))
    players = listen({"square": square, "noise": noise(2, level, 1.0)}, RATE, "Hard cases.")
    assert max(np.abs(decode(data)[0]).max() for data in players.mp3.values()) <= 1.0


def test_match_loudness_brings_sounds_to_one_loudness_and_says_so():
    players = listen(
        {"a": noise(2, 0.2, 2.0).cumsum(1) / 100, "b": sine(0.01, 2.0)}, RATE, "Two sounds.", match_loudness=True
    )
    levels = []
    for data in players.mp3.values():
        audio = torch.from_numpy(decode(data)[0].T.astype(np.float32)).expand(2, -1)
        levels.append(float(loudness(audio, RATE)))
    assert levels[0] == pytest.approx(levels[1], abs=0.5)
    assert "same loudness" in players.text and "same loudness" in players.html
    assert "same loudness" not in listen({"a": sine(0.1)}, RATE, "One.").html


def test_silence_stays_silence():
    for match in (False, True):
        players = listen({"silence": torch.zeros(2, RATE)}, RATE, "Nothing.", match_loudness=match)
        assert np.abs(decode(players.mp3["silence"])[0]).max() < 1e-4


def test_ten_seconds_of_the_worst_stereo_fit_in_200_kb_and_equal_channels_are_stored_once():
    stereo = noise(2, 0.2, 10.0)
    players = listen({"stereo": stereo, "dual mono": stereo[:1].expand(2, -1)}, RATE, "Noise.")
    sizes = {label: len(data) for label, data in players.mp3.items()}
    assert sizes["dual mono"] < sizes["stereo"] <= 200_000
    assert decode(players.mp3["dual mono"])[0].shape[1] == 1 and decode(players.mp3["stereo"])[0].shape[1] == 2


@pytest.mark.parametrize(("rate", "stored"), [(8000, 44100), (48000, 48000), (37000, 44100), (96000, 44100)])
def test_any_sample_rate_plays_in_time(rate, stored):
    audio, got = decode(listen({"tone": sine(0.3, 1.0, 440.0, rate)}, rate, "A tone.").mp3["tone"])
    assert got == stored and len(audio) == pytest.approx(stored, abs=1)
    assert np.abs(np.fft.rfft(audio[:, 0])).argmax() == pytest.approx(440, abs=1)


def test_figure_is_accessible_and_escapes_labels():
    players = listen({'a <b> & "c"': np.zeros(RATE, dtype=np.float32), "d": sine(0.1)}, RATE, "What <this> is.")
    figure = players._repr_html_()
    assert figure.count("<audio controls preload=") == 2 and figure.count('src="data:audio/mpeg;base64,') == 2
    assert 'aria-label="a &lt;b&gt; &amp; &quot;c&quot;, 1.0 seconds"' in figure
    assert ">What &lt;this&gt; is.</figcaption>" in figure
    assert not re.search(r"<b>|<this>|https?:", figure)
    assert repr(players) == 'What <this> is. Sounds: a <b> & "c", d.'


@pytest.mark.parametrize(
    ("sounds", "rate", "describe", "named"),
    [
        ({}, RATE, "x", "sounds"),
        ({"a": torch.zeros(RATE)}, RATE, " ", "describe"),
        ({"a": torch.zeros(RATE)}, 0, "x", "sample_rate"),
        ({"a": torch.zeros(RATE)}, 400_000, "x", "sample_rate"),
        ({"a": torch.zeros(0)}, RATE, "x", "'a'"),
        ({"a": torch.zeros(3, 10)}, RATE, "x", "'a'"),
        ({"a": torch.zeros(1, 2, 10)}, RATE, "x", "'a'"),
        ({"a": torch.zeros(10, dtype=torch.int16)}, RATE, "x", "'a'"),
        ({"ok": torch.zeros(9), "bad": torch.tensor([0.0, float("nan")])}, RATE, "x", "'bad'"),
        ({"a": torch.tensor([0.0, float("inf")])}, RATE, "x", "'a'"),
    ],
)
def test_bad_input_is_one_line_that_names_it(sounds, rate, describe, named):
    with pytest.raises(UserError, match=named) as caught:
        listen(sounds, rate, describe)
    assert "\n" not in str(caught.value)
