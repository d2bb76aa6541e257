"""Engineers' jitter: the spread that it learns is the one that is there, and it draws with that spread."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tfrgan_lite.audio import decibels
from tfrgan_lite.baselines import Jitter
from tfrgan_lite.baselines.jitter import READ, SPREADS
from tfrgan_lite.errors import UserError
from tfrgan_lite.labels import STYLES
from tfrgan_lite.studio import engineer, song
from tfrgan_lite.studio.console import equalise

RATE = 44100
UNIFORM = 3**-0.5  # the standard deviation of what is uniform between -1 and 1


def consoles(common, own, engineers=2, songs=2000):
    """Made-up songs of 2 to 8 tracks: each has its own settings, about which engineers are apart as told."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(songs):
        tracks = rng.integers(2, 9)
        shared, each = (
            rng.standard_normal((len(READ), engineers, 1)),
            rng.standard_normal((len(READ), engineers, tracks)),
        )
        values = 20 * rng.standard_normal((len(READ), 1, tracks)) + common * shared + own * each
        made.append(dict(zip(READ, values, strict=True)))
        made[-1]["low_shelf_db"] = 7 - 0.4 * made[-1]["high_shelf_db"]
        made[-1]["low_shelf_hz"], made[-1]["high_shelf_hz"] = np.exp(values[:2] / 20) * [[[150]], [[2500]]]
    return made


@pytest.fixture(scope="module")
def shipped():
    return Jitter.load()


@pytest.mark.parametrize(("common", "own"), [(2.0, 0.5), (0.3, 1.0), (0.0, 1.0), (1.0, 0.0)])
def test_the_spread_of_consoles_is_found(common, own):
    """With as few as two engineers and from 2 to 8 tracks."""
    found = Jitter.of(consoles(common, own), note="made up")
    for pair in (found.tilt_db, found.send_db):
        assert pair == pytest.approx((common, own), rel=0.05, abs=0.08)
    assert found.level_db[0] < 1e-6  # what faders have in common the master takes
    assert found.level_db[1] == pytest.approx(own, rel=0.05, abs=1e-6)
    assert found.low_share == pytest.approx(-0.4)
    assert found.low_hz == pytest.approx(150, rel=0.1) and found.high_hz == pytest.approx(2500, rel=0.1)
    assert found.provenance == {"note": "made up"}


def test_the_variances_have_no_bias():
    """Estimated from six songs of two mixes at a time, they are right on average, though each is far off."""
    made = consoles(1.0, 1.0, songs=3000)
    parts = [Jitter.of(made[k : k + 6]) for k in range(0, len(made), 6)]
    squares = np.square([(part.send_db, part.tilt_db) for part in parts])
    assert squares.std(0).min() > 0.2
    np.testing.assert_allclose(squares.mean((0, 1)), 1, rtol=0.06)


def test_engineers_who_agree_have_no_jitter():
    found = Jitter.of(consoles(0.0, 0.0, engineers=3, songs=5))
    assert np.array([found.level_db, found.tilt_db, found.send_db]) == pytest.approx(0, abs=1e-6)
    still = replace(found, level_db=(0.0, 0.0), tilt_db=(0.0, 0.0), send_db=(0.0, 0.0))
    level, tilt, send = still.draw(torch.zeros(5), 3)
    assert not level.any() and not tilt.any() and not send.any()
    torch.testing.assert_close(still.shelves_db(tilt, torch.tensor([50.0, 5000.0])), torch.zeros(5, 2))


def test_it_reads_what_engineers_did(monkeypatch):
    """By hand: all tracks have the same leaning of treble and sends, which is what is left of a mean over tracks.

    In one process, as others take longer to start.
    """
    monkeypatch.setattr("tfrgan_lite.baselines.jitter.on_all_cores", lambda job, songs: (job(*each) for each in songs))
    learned = Jitter.learn(songs=2, seconds=1.0, engineers=3, first=5, note="for a test")
    apart, low = {"high_shelf_db": [], "send_db": []}, []
    for seed in (5, 6):
        strips = [engineer(song(seed, STYLES[seed - 5], 1.0), 1000 * seed + e).console for e in range(3)]
        for name, squares in apart.items():
            values = np.array([[strip[name] for strip in mix] for mix in strips]).mean(1)
            squares.append(np.square(values - values.mean()).sum())
        low += [strip["low_shelf_hz"] for mix in strips for strip in mix]
    assert learned.tilt_db == pytest.approx((np.sqrt(sum(apart["high_shelf_db"]) / 4), 0), abs=1e-4)
    assert learned.send_db == pytest.approx((np.sqrt(sum(apart["send_db"]) / 4), 0), abs=1e-4)
    assert learned.level_db[0] == 0 and 0.1 < learned.level_db[1] < 1.5
    assert learned.low_hz == pytest.approx(np.median(low))
    assert learned.provenance == {"songs": 2, "seconds": 1.0, "engineers": 3, "first": 5, "note": "for a test"}


def test_the_shipped_spread_is_that_of_the_studios_tastes(shipped):
    """They are uniform: levels by ±1 dB for each role, treble by ±1.2 dB and sends by ±2.5 dB for all tracks."""
    asked = shipped.provenance
    assert asked["first"] == 0 and asked["songs"] * asked["engineers"] >= 300 and {"commit", "date"} <= set(asked)
    assert shipped.level_db == pytest.approx((0, UNIFORM), rel=0.1)
    assert shipped.tilt_db == pytest.approx((1.2 * UNIFORM, 0), rel=0.1, abs=1e-3)
    assert shipped.send_db == pytest.approx((2.5 * UNIFORM, 0), rel=0.1, abs=1e-3)
    assert shipped.low_share == pytest.approx(-0.5, abs=1e-3)
    assert 80 < shipped.low_hz < 300 and 1500 < shipped.high_hz < 5000


def test_draws_have_the_spread(shipped):
    jitter = replace(shipped, level_db=(0.0, 0.5), tilt_db=(1.0, 0.2), send_db=(2.0, 1.0))
    draws = torch.stack([torch.stack(jitter.draw(torch.arange(4.0), seed)) for seed in range(2000)])  # (S, 3, N)
    for k, name in enumerate(SPREADS):
        common, own = getattr(jitter, name)
        wanted = torch.full((4, 4), common**2) + own**2 * torch.eye(4)
        torch.testing.assert_close(torch.cov(draws[:, k].T), wanted, atol=0.1 * (common**2 + own**2), rtol=0)
    between = torch.corrcoef(draws[..., 0].T)
    assert (between - torch.eye(3)).abs().max() < 0.1
    assert draws.mean((0, 2)).abs().max() < 0.15


def test_a_seed_is_a_draw(shipped):
    loud = torch.tensor([-20.0, -31.0, -25.0])
    one, again, other = (torch.stack(shipped.draw(loud, seed)) for seed in (7, 7, 8))
    assert torch.equal(one, again) and one.shape == (3, 3)
    assert ((one - other).abs() > 1e-3).all()


def test_the_order_of_tracks_does_not_matter(shipped):
    """Nor does a silent track more."""
    jitter = replace(shipped, tilt_db=(0.5, 0.5), send_db=(1.0, 0.5))
    loud, order = torch.tensor([-20.0, -31.0, -25.0, -22.0]), [2, 0, 3, 1]
    one, turned = (torch.stack(jitter.draw(x, 1)) for x in (loud, loud[order]))
    assert torch.equal(one[:, order], turned) and len(one[0].unique()) == 4
    with_silence = torch.stack(jitter.draw(torch.tensor([-20.0, -torch.inf, -31.0, -25.0, -22.0]), 1))
    assert torch.equal(with_silence[:, [0, 2, 3, 4]], one)


def test_the_shelves_are_the_consoles(shipped):
    """As the studio's equaliser changes a click."""
    tilt = torch.tensor([3.0, -2.0])
    click = torch.zeros(2, 1, 4096)
    click[..., 0] = 1
    shaped = equalise(
        click,
        RATE,
        low_shelf_db=shipped.low_share * tilt,
        low_shelf_hz=shipped.low_hz,
        high_shelf_db=tilt,
        high_shelf_hz=shipped.high_hz,
    )
    bins = torch.tensor([4, 20, 100, 400, 1500])
    heard = decibels(torch.fft.rfft(shaped[:, 0])[:, bins].abs())
    told = shipped.shelves_db(tilt, bins * RATE / 4096)
    torch.testing.assert_close(told, heard, atol=0.01, rtol=0)
    assert told[0, 0] < -0.5 and told[0, -1] == pytest.approx(3, abs=0.1) and told[1, 0] > 0.3


def test_it_is_saved_and_read_again(tmp_path):
    jitter = Jitter.of(consoles(1.0, 0.5, songs=10), note="for a test")
    jitter.save(tmp_path / "jitter.json")
    again = Jitter.load(tmp_path / "jitter.json")
    assert again.provenance == jitter.provenance
    for name in (*SPREADS, "low_share", "low_hz", "high_hz"):
        assert getattr(again, name) == pytest.approx(getattr(jitter, name), abs=1e-4)
    again.save(tmp_path / "twice.json")
    assert (tmp_path / "twice.json").read_bytes() == (tmp_path / "jitter.json").read_bytes()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("level_db", [0.5]),
        ("tilt_db", [-1, 0]),
        ("send_db", [float("nan"), 0]),
        ("low_share", "much"),
        ("low_hz", 0),
        ("high_hz", None),
        ("provenance", 3),
    ],
)
def test_a_broken_file_is_named(root, tmp_path, name, value):
    found = json.loads((root / "tfrgan_lite/baselines/jitter.json").read_text(encoding="utf-8"))
    for text in (json.dumps(found | {name: value}), json.dumps({k: v for k, v in found.items() if k != name})):
        (tmp_path / "jitter.json").write_text(text)
        with pytest.raises(UserError, match="jitter.json: holds no jitter"):
            Jitter.load(tmp_path / "jitter.json")


@pytest.mark.parametrize("text", ["", "[]", "cut off {", None])
def test_what_is_no_file_of_it_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / "jitter.json").write_text(text)
    with pytest.raises(UserError, match="jitter.json: holds no jitter"):
        Jitter.load(tmp_path / "jitter.json")


def test_wrong_questions_are_refused(shipped):
    with pytest.raises(UserError, match="seed: -1"):
        shipped.draw(torch.zeros(2), -1)
    with pytest.raises(UserError, match="engineers: 1 differ from nobody"):
        Jitter.learn(songs=1, engineers=1)
    with pytest.raises(UserError, match="give at least 1"):
        Jitter.learn(songs=0)
    with pytest.raises(UserError, match="stay below 1000000"):
        Jitter.learn(songs=2, first=999_999)
