"""Mixes without learning: each keeps its own law on any number of tracks."""

import pytest
import torch

from tfrgan_lite.audio import loudness, true_peak_db
from tfrgan_lite.baselines import StaticRule, answer_set, dugan, equal_loudness, knowledge_rules, logic, raw_sum
from tfrgan_lite.errors import UserError
from tfrgan_lite.studio import song

RATE = 44100


def static_rule(*given):
    return StaticRule.load()(*given)


def static_rule_with_coin(*given):
    return StaticRule.load()(*given, style="jazz", seed=3)


NEW = (knowledge_rules, static_rule, static_rule_with_coin)
BASELINES = (raw_sum, equal_loudness, dugan, answer_set, *NEW)


def noise(*shape, seed=0, level=0.1):
    return level * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def decibels(ratio):
    return 20 * torch.log10(ratio)


@pytest.fixture(scope="module")
def stems():
    return song(7, "rock", 2.0).stems


@pytest.fixture(scope="module")
def roles():
    return song(7, "rock", 2.0).roles


@pytest.mark.parametrize("baseline", BASELINES)
def test_every_baseline_takes_any_tracks(baseline):
    for tracks, channels, samples in ((1, 1, 1), (2, 2, 4000), (16, 1, 20000)):
        mixed, wet = baseline(noise(tracks, channels, samples), RATE, ("other",) * tracks)
        assert mixed.shape == (2, samples) and wet.shape == (tracks, 2, samples)
        assert torch.isfinite(wet).all() and (baseline is raw_sum or true_peak_db(mixed) <= -1)
        torch.testing.assert_close(mixed, wet.sum(0), atol=1e-5, rtol=0)
    slow, _ = baseline(noise(2, 1, 22050), 22050)
    assert slow.shape == (2, 22050) and slow.abs().max() > 0
    mixed, wet = baseline(torch.zeros(3, 2, 9000), RATE)
    assert mixed.abs().max() == 0 and wet.abs().max() == 0
    with pytest.raises(UserError, match="17 tracks"):
        baseline(torch.zeros(17, 2, 10), RATE)


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_silent_track_changes_nothing(baseline, stems):
    mixed, _ = baseline(stems, RATE)
    mixed_too, wet = baseline(torch.cat([stems, torch.zeros_like(stems[:1])]), RATE)
    assert wet[-1].abs().max() == 0
    torch.testing.assert_close(mixed_too, mixed)


@pytest.mark.parametrize("baseline", (raw_sum, equal_loudness, dugan, *NEW))  # ties of an answer set go by number
def test_the_order_of_tracks_does_not_matter(baseline, stems, roles):
    order = torch.arange(len(stems)).flip(0)
    turned, wet = baseline(stems[order], RATE, roles[::-1])[1], baseline(stems, RATE, roles)[1][order]
    torch.testing.assert_close(turned, wet, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_mono_track_is_two_equal_channels(baseline):
    mono = noise(3, 1, 9000)
    assert torch.equal(baseline(mono, RATE)[1], baseline(mono.expand(-1, 2, -1), RATE)[1])


@pytest.mark.parametrize("baseline", BASELINES[3:])
def test_who_reads_roles_checks_them(baseline):
    with pytest.raises(UserError, match="2 roles for 3 tracks"):
        baseline(noise(3, 1, 1000), RATE, ("bass", "drums"))
    with pytest.raises(UserError, match="tuba"):
        baseline(noise(1, 1, 1000), RATE, ("tuba",))


def test_raw_sum_leaves_the_faders_alone(stems):
    mixed, wet = raw_sum(stems, RATE)
    assert torch.equal(wet, stems) and torch.equal(mixed, stems.sum(0))


def test_equal_loudness(stems):
    mixed, wet = equal_loudness(stems, RATE)
    levels = loudness(wet, RATE)
    assert levels.max() - levels.min() < 0.1
    assert true_peak_db(mixed) <= -1


def test_dugan_shares_one_gain():
    """Two equal tracks lose 3 dB each, three 4.8 dB; one alone, or one while the others pause, loses nothing."""
    for tracks, lost_db in ((1, 0.0), (2, 3.01), (3, 4.77)):
        steady = noise(tracks, 1, 2 * RATE)
        trimmed = equal_loudness(steady, RATE)[1]
        gain = decibels(dugan(steady, RATE)[1][..., RATE:].std((1, 2)) / trimmed[..., RATE:].std((1, 2)))
        torch.testing.assert_close(gain, torch.full((tracks,), -lost_db), atol=0.25, rtol=0)
    turns = noise(2, 1, 4 * RATE)
    turns[0, :, 2 * RATE :] = 0
    turns[1, :, : 2 * RATE] = 0
    trimmed, shared = equal_loudness(turns, RATE)[1], dugan(turns, RATE)[1]
    for track, part in ((0, slice(RATE, 2 * RATE)), (1, slice(3 * RATE, 4 * RATE))):
        assert abs(decibels(shared[track, :, part].std() / trimmed[track, :, part].std())) < 0.1


def test_dugan_closes_the_weaker_track():
    """A track 20 dB below the other is turned down by as much again; equal loudness would have kept the distance."""
    loud_then_soft = noise(2, 1, 4 * RATE)
    loud_then_soft[0, :, 2 * RATE :] *= 0.1
    trimmed, shared = equal_loudness(loud_then_soft, RATE)[1], dugan(loud_then_soft, RATE)[1]
    late = slice(3 * RATE, 4 * RATE)
    before = decibels(trimmed[0, :, late].std() / trimmed[1, :, late].std())
    after = decibels(shared[0, :, late].std() / shared[1, :, late].std())
    assert after == pytest.approx(2 * float(before), abs=1)


def shares(*bands):
    """Facts of tracks that each live in the named bands alone."""
    table = torch.zeros(len(bands), 8)
    for track, inside in enumerate(bands):
        table[track, list(inside)] = 100 / len(inside)
    return table


def answer(table, roles):
    """Place, fader and cut band of each track as three dicts."""
    found = {"at": {}, "down": {}, "cut": {}}
    focus = roles.index("voice") if "voice" in roles else None
    for name, track, value in logic.solve(logic.facts(table, roles, focus))[0]:
        found[name][track] = value
    return found


def test_answer_set_parts_rivals_and_keeps_the_rest():
    """Two guitars of one band stand at opposite sides; drums, bass and voice stay in the middle, the voice uncut."""
    roles = ("drums", "bass", "voice", "guitar", "guitar")
    found = answer(shares((0, 7), (1,), (4,), (5,), (5,)), roles)
    assert [found["at"][track] for track in range(3)] == [0, 0, 0]
    assert sorted(found["at"][track] for track in (3, 4)) == [-2, 2]
    assert 2 not in found["cut"] and found["down"][2] == 0
    # Nobody hides the voice: no fader moves. Keys in its band go down and are cut there.
    assert set(found["down"].values()) == {0}
    hidden = answer(shares((0, 7), (1,), (4,), (4,), (5,)), ("drums", "bass", "voice", "keys", "guitar"))
    assert hidden["down"][3] < 0 and hidden["cut"][3] == 4 and hidden["down"][4] == 0


def test_answer_set_is_the_optimum():
    """Where all answers can be tried, none is better: three tracks, one fader or place changed at a time."""
    table, roles = shares((2, 3), (3, 4), (3,)), ("keys", "guitar", "strings")
    said = logic.facts(table, roles, None)
    best, lowest = logic.solve(said)

    def cost(atoms):
        fixed = "".join(f":- not {name}({track},{value})." for name, track, value in atoms)
        wanted = {track for name, track, _ in atoms if name == "cut"}
        fixed += "".join(f":- cut({track},_)." for track in range(3) if track not in wanted)
        return logic.solve(said + fixed)[1]

    assert cost(best) == lowest > 0
    for name, track, _ in best:
        for other in {"at": range(-2, 3), "down": range(-2, 1), "cut": ()}[name]:
            changed = [(n, t, other if (n, t) == (name, track) else v) for n, t, v in best]
            assert cost(changed) >= lowest


def test_answer_set_applies_its_answer(stems):
    """Faders only go down, and a track far left has its energy there."""
    steady = torch.stack([noise(1, RATE, seed=seed) for seed in range(2)])
    _, wet = answer_set(steady, RATE, ("keys", "guitar"))
    left, right = wet.square().sum(-1).T
    assert (left / right).log().abs().min() > 1 and (left > right).sum() == 1
    assert torch.equal(answer_set(stems, RATE)[0], answer_set(stems, RATE)[0])


def test_answer_set_makes_room_for_the_voice_that_the_engineers_follow(stems):
    """Of two voices the one recorded louder; nobody where nobody sings."""
    voices = torch.stack([noise(1, RATE, seed=0, level=0.02), noise(1, RATE, seed=1, level=0.2)])
    _, wet = answer_set(voices, RATE, ("voice", "voice"))
    left, right = wet.square().sum(-1).T
    assert torch.isclose(left[1], right[1]) and not torch.isclose(left[0], right[0])
    assert "focus" not in logic.facts(shares((1,), (2,)), ("keys", "guitar"), None)
