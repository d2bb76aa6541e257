"""The knowledge-engineered rules: each does what it says, when what it listens to changes, and names its source."""

import re

import pytest
import torch

from tfrgan_lite.audio import loudness, true_peak_db
from tfrgan_lite.baselines import equal_loudness, knowledge, knowledge_rules
from tfrgan_lite.metrics.mixing import log_mel_distance
from tfrgan_lite.studio import engineer, song

RATE = 44100
RULES = {each.apply.__name__: each for each in knowledge.RULES}


def tone(hz, level=0.1, seconds=1.0):
    """A mono track (1, samples) of a tone with a little noise."""
    clock = torch.arange(int(seconds * RATE)) / RATE
    hiss = torch.randn(len(clock), generator=torch.Generator().manual_seed(round(hz)))
    return (level * (torch.sin(2 * torch.pi * hz * clock) + 0.01 * hiss))[None]


def clicks(every_s=0.25):
    track = 0.001 * tone(500.0)
    track[:, :: int(every_s * RATE)] += 0.5
    return track


def decided(tracks, roles, *names):
    """The desk after the named rules alone, or after all."""
    return knowledge.decide(torch.stack(tracks), RATE, roles, [RULES[name] for name in names] or None)


def without(name):
    return [each for each in knowledge.RULES if each.apply.__name__ != name]


def test_every_rule_has_a_sentence_a_part_and_a_dated_source(root):
    parts = {each.part for each in knowledge.RULES}
    assert parts == {"level", "pan", "EQ", "compression", "reverb"}
    keys = re.findall(r"^@\w+\{(\w+),", (root / "book" / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    for each in knowledge.RULES:
        assert each.says.endswith(".") and "\n" not in each.says
        for source in each.source.split("; "):
            first, year = re.fullmatch(r"([A-Z][\w ]+?)(?:(?:, | and | et al)[^\d]*)? (\d{4}), .+", source).groups()
            assert first.replace(" ", "").lower() + year in keys, source
    table = knowledge.rule_table().splitlines()
    assert len(table) == 2 + len(knowledge.RULES) and all(row.count("|") == 4 for row in table)


@pytest.mark.parametrize("name", RULES)
def test_no_rule_is_idle(name):
    """Leave any rule out, and the desk of this band changes."""
    band = [clicks(), tone(80.0), tone(900.0), tone(1000.0, 0.05), tone(4000.0), tone(150.0)]
    roles = ("drums", "bass", "voice", "keys", "strings", "other")
    full = decided(band, roles)
    less = knowledge.decide(torch.stack(band), RATE, roles, without(name))
    assert any(not torch.equal(full.settings[key], less.settings[key]) for key in full.settings) or not torch.equal(
        full.lufs, less.lufs
    )


def test_levels():
    tracks, roles = [tone(900.0, 0.3), tone(1200.0, 0.01), tone(3000.0)], ("voice", "keys", "strings")
    assert decided(tracks, roles, "start_level").lufs.tolist() == [-23, -23, -23]
    assert decided(tracks, roles, "start_level", "lead_up").lufs.tolist() == [-20, -23, -23]
    assert decided(tracks, roles, "start_level", "background_down").lufs.tolist() == [-23, -23, -27]
    nobody = decided(tracks, ("guitar", "keys", "strings"), "start_level", "lead_up")
    assert nobody.lufs.tolist() == [-23, -23, -23]


def test_pan():
    """Low sounds and the lead stay; the others take turns, and the higher one stands farther out."""
    names = ("low_and_lead_in_the_middle", "higher_is_wider")
    tracks, roles = [tone(60.0), tone(900.0), tone(500.0), tone(4000.0)], ("bass", "voice", "keys", "guitar")
    pan = decided(tracks, roles, *names).settings["pan"]
    assert pan[0] == pan[1] == 0 and pan[2] * pan[3] < 0 and 0.25 <= abs(pan[2]) < abs(pan[3]) <= 0.75
    low = decided([tone(60.0), *tracks[1:3], tone(90.0)], roles, *names).settings["pan"]
    assert low[3] == 0, "a low guitar stays in the middle"
    assert decided(tracks, roles, "higher_is_wider").settings["pan"][0] != 0


def test_eq():
    tracks, roles = [tone(60.0), tone(900.0), tone(1000.0), tone(60.0)], ("bass", "voice", "keys", "other")
    low = decided(tracks, roles, "free_the_bottom").settings["low_shelf_db"]
    assert low.tolist() == [0, -9, -9, 0]
    assert decided(tracks, roles, "thin_the_mud").settings["low_peak_hz"].tolist() == [300, 240, 250, 250]
    presence = decided(tracks, roles, "lift_presence").settings
    assert presence["high_peak_db"].tolist() == [2, 2, 2, 0] and presence["high_peak_hz"][1] == 5000


def test_who_hides_the_lead_gives_way():
    roles = ("voice", "keys")
    beside = decided([tone(900.0), tone(1000.0)], roles, "lift_presence", "give_way_to_the_lead")
    apart = decided([tone(900.0), tone(100.0)], roles, "lift_presence", "give_way_to_the_lead")
    nobody = decided([tone(900.0), tone(1000.0)], ("guitar", "keys"), "lift_presence", "give_way_to_the_lead")
    assert -6 <= beside.settings["high_peak_db"][1] < -1 and beside.settings["high_peak_db"][0] == 2
    assert apart.settings["high_peak_db"][1] == nobody.settings["high_peak_db"][1] == 2


def test_compression_follows_the_crest():
    tracks = [tone(500.0), clicks()]
    names = ("compress_peaks", "threshold_by_level", "quick_on_peaks")
    s = decided(tracks, ("keys", "keys"), *names).settings
    assert s["ratio"][0] == 1 and s["ratio"][1] == 4
    assert s["attack_ms"][1] < s["attack_ms"][0] and s["release_ms"][1] < s["release_ms"][0]
    louder = decided([10 ** (6 / 20) * x for x in tracks], ("keys", "keys"), *names).settings
    torch.testing.assert_close(louder["threshold_db"], s["threshold_db"] + 6, atol=0.01, rtol=0)
    held = decided(tracks, ("voice", "keys"), *names, "hold_voice_and_bass").settings["ratio"]
    assert held[0] == 3 and held[1] == 4


def test_reverb():
    tracks = [tone(60.0), tone(900.0), tone(3000.0), tone(1500.0)]
    roles = ("bass", "voice", "strings", "keys")
    assert decided(tracks, roles, "one_room", "depth", "dry_bottom").settings["send_db"].tolist() == [
        -40,
        -20,
        -14,
        -18,
    ]


def test_it_lands_on_its_loudness_and_is_heard_by_role():
    raw = song(1_000_001, "pop", 4.0)
    mix, wet = knowledge_rules(raw.stems, RATE, raw.roles)
    assert float(loudness(mix, RATE)) == pytest.approx(-16, abs=0.1) and true_peak_db(mix) <= -1
    again, _ = knowledge_rules(raw.stems, RATE, raw.roles)
    assert torch.equal(mix, again)
    assert not torch.equal(mix, knowledge_rules(raw.stems, RATE)[0]), "roles count"


def test_it_beats_equal_loudness():
    """On held-out songs it is nearer to the engineers by more than 0.3 dB on average."""
    gains = []
    for seed, style in ((1_000_000, "pop"), (1_000_001, "rock"), (1_000_003, "ballad")):
        raw = song(seed, style, 4.0)
        target = engineer(raw, seed).mix
        ruled, plain = (f(raw.stems, RATE, raw.roles)[0] for f in (knowledge_rules, equal_loudness))
        gains.append(log_mel_distance(plain, target, RATE) - log_mel_distance(ruled, target, RATE))
    assert sum(gains) / len(gains) > 0.3, gains
