"""The best static rule: what it learns is in the data, the shipped table is what its songs give, it does as told."""

import json

import numpy as np
import pytest
import torch

from tfrgan_lite.audio import loudness
from tfrgan_lite.baselines import StaticRule, equal_loudness
from tfrgan_lite.baselines.desk import ROOM
from tfrgan_lite.errors import UserError
from tfrgan_lite.labels import ROLES, STYLES
from tfrgan_lite.metrics.mixing import log_mel_distance
from tfrgan_lite.prepare import room
from tfrgan_lite.studio import console, engineer, song
from tfrgan_lite.studio.taste import LEVEL_LU, LOUDNESS_LUFS

RATE = 44100


@pytest.fixture(scope="module")
def shipped():
    return StaticRule.load()


@pytest.fixture(scope="module")
def few():
    return StaticRule.learn(songs=10, seconds=3.0, note="for a test")


def image(wet):
    """Right above left in dB: (tracks,)."""
    left, right = wet.square().sum(-1).T
    return 10 * torch.log10(right / left)


def test_its_room_is_the_generators():
    assert torch.equal(console.impulse_response(RATE, **ROOM), room(RATE))


def test_it_learns_means_of_what_engineers_did(few):
    """By hand for the drums of pop: two songs have that style; each counts once, and the role's mean once."""
    sends, of_role, anyone = [], [], []
    for seed in range(10):
        raw = song(seed, STYLES[seed % 5], 3.0)
        for role, strip in zip(raw.roles, engineer(raw, 1000 * seed).console, strict=True):
            anyone.append(strip["send_db"])
            if role == "drums":
                of_role.append(strip["send_db"])
                if raw.style == "pop":
                    sends.append(strip["send_db"])
    role_mean = np.mean([np.mean(anyone), *of_role])
    assert few.table["pop"]["drums"]["send_db"] == pytest.approx(np.mean([role_mean, *sends]), abs=1e-3)
    assert few.provenance == {"songs": 10, "seconds": 3.0, "engineers": 1, "first": 0, "note": "for a test"}


def test_the_shipped_table_is_what_its_songs_give(shipped):
    """Learned again from 30 of its 200 songs, 4 s of each: the same levels, sends and distances, nearly."""
    asked = shipped.provenance
    assert asked["songs"] == 200 and asked["first"] == 0 and {"commit", "date"} <= set(asked)
    again = StaticRule.learn(songs=30, seconds=4.0)
    for name, near in (("level_lufs", 0.8), ("send_db", 0.8), ("distance", 0.12), ("high_peak_db", 1.0)):
        gaps = [
            abs(again.table[s][r][name] - shipped.table[s][r][name]) for s in STYLES for r in ("drums", "bass", "keys")
        ]
        assert np.mean(gaps) < near, (name, np.mean(gaps))
    assert [again.lufs[s] for s in STYLES] == pytest.approx([shipped.lufs[s] for s in STYLES], abs=0.1)


def test_it_finds_what_the_studio_has(shipped):
    """Loudness of each style, centred drums and bass, and who is loud in a style."""
    assert [shipped.lufs[style] for style in STYLES] == pytest.approx(LOUDNESS_LUFS, abs=0.1)
    for e, style in enumerate(STYLES):
        rows = shipped.table[style]
        assert rows["drums"]["distance"] < 0.01 and rows["bass"]["distance"] < 0.01 < 0.3 < rows["keys"]["distance"]
        theirs = [LEVEL_LU[role][e] for role in ROLES]
        ours = [rows[role]["level_lufs"] for role in ROLES]
        assert np.corrcoef(theirs, ours)[0, 1] > 0.8


def test_sides_average_to_the_centre(shipped):
    """The signed mean lies nearer to the centre than any engineer's place: the averaging problem in one number."""
    cells = [shipped.table[s][r] for s in STYLES for r in ("guitar", "keys", "strings", "other")]
    signed, distance = (np.mean([abs(cell[name]) for cell in cells]) for name in ("pan", "distance"))
    assert signed < 0.4 * distance and distance > 0.4


def test_it_sets_levels_and_places(shipped):
    """Two equal tracks of different roles: their loudness differs by the table; a coin sends the keys to a side."""
    sound = 0.1 * torch.randn(1, 2 * RATE, generator=torch.Generator().manual_seed(0))
    stems, roles = torch.stack([sound, 0.5 * sound]), ("voice", "keys")
    rows = shipped.table["ballad"]
    mix, wet = shipped(stems, RATE, roles, "ballad")
    gap = loudness(wet, RATE)[0] - loudness(wet, RATE)[1]
    assert float(gap) == pytest.approx(rows["voice"]["level_lufs"] - rows["keys"]["level_lufs"], abs=0.7)
    assert float(loudness(mix, RATE)) == pytest.approx(shipped.lufs["ballad"], abs=0.1)
    averaged = image(wet)
    tossed = torch.stack([image(shipped(stems, RATE, roles, "ballad", seed)[1]) for seed in range(8)])
    assert abs(averaged[1]) < 0.4 * tossed[:, 1].abs().min()
    assert tossed[:, 1].max() > 3 and tossed[:, 1].min() < -3 and len(tossed[:, 1].sign().unique()) == 2
    assert torch.equal(shipped(stems, RATE, roles, "ballad", 3)[0], shipped(stems, RATE, roles, "ballad", 3)[0])


def test_style_counts_and_none_is_the_mean_of_all(shipped):
    sound = torch.stack([0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(s)) for s in range(2)])
    mixes = {style: shipped(sound, RATE, ("drums", "voice"), style)[0] for style in (*STYLES, None)}
    assert not torch.allclose(mixes["rock"], mixes["ballad"], atol=1e-3)
    wanted = np.mean(list(shipped.lufs.values()))
    assert float(loudness(mixes[None], RATE)) == pytest.approx(wanted, abs=0.1)


def test_it_hears_no_other_track(shipped):
    """Static: a track's place and tone stay whoever plays beside it; only the master's gain moves."""
    first, second, third = (0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(s)) for s in range(3))
    alone = shipped(torch.stack([first, second]), RATE, ("keys", "bass"), "pop")[1][0]
    crowded = shipped(torch.stack([first, third]), RATE, ("keys", "voice"), "pop")[1][0]
    ratio = (alone * crowded).sum() / alone.square().sum()
    assert (crowded - ratio * alone).norm() < 0.05 * crowded.norm()


def test_it_beats_equal_loudness(shipped):
    """On held-out songs, with the coin, it is nearer to the engineers by more than 0.5 dB on average."""
    gains = []
    for seed, style in ((1_000_000, "pop"), (1_000_001, "rock"), (1_000_002, "electronic"), (1_000_004, "jazz")):
        raw = song(seed, style, 4.0)
        target = engineer(raw, seed).mix
        ruled = shipped(raw.stems, RATE, raw.roles, style, seed=0)[0]
        plain = equal_loudness(raw.stems, RATE, raw.roles)[0]
        gains.append(log_mel_distance(plain, target, RATE) - log_mel_distance(ruled, target, RATE))
    assert sum(gains) / len(gains) > 0.5, gains


def test_it_is_saved_and_read_again(few, tmp_path):
    few.save(tmp_path / "rule.json")
    again = StaticRule.load(tmp_path / "rule.json")
    assert again.provenance == few.provenance
    for style in STYLES:
        for role in ROLES:
            assert again.table[style][role] == pytest.approx(few.table[style][role], rel=1e-3)


@pytest.mark.parametrize("text", ["", "[]", '{"table": {}}', "cut off {"])
def test_a_broken_file_is_named(tmp_path, text):
    (tmp_path / "rule.json").write_text(text)
    with pytest.raises(UserError, match="rule.json: holds no static rule"):
        StaticRule.load(tmp_path / "rule.json")


def test_wrong_questions_are_refused(shipped):
    with pytest.raises(UserError, match="polka"):
        shipped(torch.zeros(1, 1, 10), RATE, style="polka")
    with pytest.raises(UserError, match="seed: -1"):
        shipped(torch.zeros(1, 1, 10), RATE, seed=-1)
    with pytest.raises(UserError, match="give at least 1"):
        StaticRule.learn(songs=0)
    with pytest.raises(UserError, match="stay below 1000000"):
        StaticRule.learn(songs=2, first=999_999)


def test_it_travels_with_the_package(root):
    rule = json.loads((root / "tfrgan_lite/baselines/static_rule.json").read_text(encoding="utf-8"))
    assert set(rule["table"]) == set(STYLES) and all(set(row) == set(ROLES) for row in rule["table"].values())
    assert '"baselines/*.json"' in (root / "pyproject.toml").read_text(encoding="utf-8")
