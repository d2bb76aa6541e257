"""What evaluation reports: of a perfect system, of useless ones, and of a generator."""

import json
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from small import SMALL

from tfrgan_lite import __main__ as command_line
from tfrgan_lite import baselines, judge
from tfrgan_lite.cache import Cache, key_of
from tfrgan_lite.config import preset
from tfrgan_lite.cores import on_all_cores
from tfrgan_lite.errors import UserError
from tfrgan_lite.evaluate import (
    System,
    bars,
    differences,
    evaluate,
    on_held_out,
    pooled,
    results_page,
    rules,
    table,
    tables,
)
from tfrgan_lite.generator import Generator
from tfrgan_lite.labels import STYLES
from tfrgan_lite.metrics.distances import energy_distance, mmd
from tfrgan_lite.report import FLOOR, MEASURES, RULES
from tfrgan_lite.studio import engineer
from tfrgan_lite.tally import Tally

CONFIG = preset("ci", architecture=SMALL, held_out=8, seconds=1.0, judges=4)
RAW = rules()["raw sum"]


def another(song, seed):
    """More engineers of the same kind: nothing can be better."""
    mixed = engineer(song, 77_000 + seed)
    return mixed.mix, mixed.wet_stems, mixed.console


def one_engineer(song, seed):
    return another(song, 0)


def middle(song, seed):
    """The mean of the engineers' signals: what a regression learns."""
    wet = sum(another(song, k)[1] for k in range(2)) / 2
    wet = (wet + wet.flip(1)) / 2
    return wet.sum(0), wet


def broken(song, seed):
    mix, wet = baselines.raw_sum(song.stems, song.sample_rate)
    mix[0, :5] = torch.nan
    wet[0, :, :3] *= 4 if song.roles[0] == "drums" else 1  # the first track is treated otherwise
    return mix, wet


@pytest.fixture(scope="module", autouse=True)
def one_process():
    """Other processes take longer to start than these songs; the last test has some."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfrgan_lite.evaluate.on_all_cores", lambda job, songs: (job(*each) for each in songs))
        yield


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("judged"))


@pytest.fixture(scope="module")
def results(cache):
    """Eight songs, four engineers each: 0 is told from 1, not from 0.2."""
    systems = {
        "perfect": System(another),
        "one engineer": System(one_engineer, random=False),
        "middle": System(middle, random=False),
        "raw sum": RAW,
        "broken": System(broken, random=False),
        "two seeds": [System(one_engineer, random=False), RAW],
    }
    return json.loads(json.dumps(evaluate(systems, CONFIG, progress=False, cache=cache), allow_nan=False))


def test_a_perfect_system_is_as_good_as_the_floor(results):
    perfect, floor = results["systems"]["perfect"], results["systems"][FLOOR]
    useless = results["systems"]["raw sum"]
    assert set(floor) <= set(perfect) <= set(MEASURES)
    for measure in ("energy", "settings_energy", "mmd"):
        assert useless[measure][0] > 3 * max(abs(perfect[measure][0]), abs(floor[measure][0]))
        assert useless[measure][1] > perfect[measure][2]  # the intervals are apart
    for measure in ("matched_db", "unswapped_db", "as_is_db", "stft", "stft_mid_side", "gain_db"):
        assert perfect[measure][0] == pytest.approx(floor[measure][0], rel=0.35)
        assert useless[measure][0] > 1.2 * perfect[measure][0]
    assert 0.7 < perfect["diversity"][0] < 1.4 and 0.9 < floor["diversity"][0] < 1.1
    assert abs(perfect["width_sd"][0]) < 0.35 < -useless["width_sd"][0]
    assert perfect["both_sides"][0] > 0.6 and floor["both_sides"][0] == 1
    assert perfect["centred"][0] == 0 == floor["centred"][0]
    assert perfect["pan"][0] < 0.2 and perfect["keys"][0] > 0.9
    assert abs(perfect["covered"][0]) < 1 < 0.5 * abs(useless["covered"][0])
    assert perfect["style"][0] == pytest.approx(floor["style"][0], abs=0.2)


def test_a_style_is_told_by_other_songs_of_it():
    """Mixes of one style are points around one corner; a style that no other song has is not asked for."""
    source = torch.Generator().manual_seed(0)

    def mixes(corner):
        return torch.eye(3)[corner] + 0.2 * torch.randn(4, 3, generator=source)

    tally = Tally.__new__(Tally)  # without all else that it keeps of a song
    tally.scale = torch.ones(3)
    tally.truths = [{"features": mixes(style), "style": torch.tensor(style)} for style in (0, 1, 2, 0, 1)]
    ears = [tally._ear(song) for song in range(5)]
    assert ears[2] is None and None not in (*ears[:2], *ears[3:])
    for ear, style in zip(ears[:2] + ears[3:], (0, 1, 0, 1), strict=True):
        right, wrong = (ear.predict(mixes(corner).numpy()) == style for corner in (style, 1 - style))
        assert right.mean() == 1 and wrong.mean() == 0
    tally.truths = tally.truths[::3]
    assert tally._ear(0) is None  # among songs of one style there is nothing to tell


def test_who_averages_or_always_answers_the_same_is_found_out(results):
    one, middle = results["systems"]["one engineer"], results["systems"]["middle"]
    perfect, useless = results["systems"]["perfect"], results["systems"]["raw sum"]
    for row in (one, middle, useless):
        assert row["diversity"] == [0, 0, 0]
    assert one["both_sides"][0] == 0 and middle["both_sides"][0] == 0
    assert middle["centred"][0] > 0.9 and middle["width_sd"][0] < -0.5
    assert middle["pan"][0] > 2 * perfect["pan"][0]
    assert useless["keys"][0] == 0  # what changes nothing follows nothing
    for row in (one, middle):
        assert row["energy"][0] > 5 * abs(perfect["energy"][0])


def test_intervals_hold_their_value(results):
    for name, row in results["systems"].items():
        for measure, (value, low, high) in row.items():
            assert low <= high, (name, measure)
            if measure not in ("mmd", "pan", "keys"):  # no means over songs: the bootstrap shifts them
                assert low - 1e-9 <= value <= high + 1e-9, (name, measure)


def test_several_members_are_averaged(results):
    systems = results["systems"]
    assert results["seeds"]["two seeds"] == 2 and results["seeds"]["perfect"] == 1
    for measure, (value, _, _) in systems["two seeds"].items():
        assert value == pytest.approx(
            (systems["one engineer"][measure][0] + systems["raw sum"][measure][0]) / 2, abs=1e-9
        )
    assert "console_energy" not in systems["two seeds"]  # the raw sum has no console


def test_an_interval_tells_of_seeds_as_well_as_of_songs():
    """Seeds that agree leave the interval over songs; seeds that do not make it wider."""
    songs = np.random.default_rng(0).normal(1, 0.1, 2001)
    agreed, torn = (pooled([{"x": songs + shift} for shift in shifts])["x"] for shifts in ((0, 0, 0), (-1, 0, 1)))
    np.testing.assert_allclose(agreed, songs)
    assert torn[0] == pytest.approx(songs[0]) and torn[1:].std() > 3 * songs[1:].std()
    assert list(pooled([{"x": songs, "y": songs}, {"x": songs}])) == ["x"]


def test_a_difference_is_taken_on_the_same_songs_and_seeds():
    """What is always half as large differs by about half, and surely: what makes songs and seeds hard cancels out."""
    hard = [{"x": np.random.default_rng(k).normal(2 + k, 0.5, 1001), "between_db": np.ones(1001)} for k in range(3)]
    easy = [{"x": row["x"] - 0.1, "y": row["x"]} for row in hard]
    apart = differences({"hard": pooled(hard), "easy": pooled(easy), FLOOR: {}}, "hard")
    assert apart == {"easy": {"x": pytest.approx((-0.1, -0.1, -0.1))}, FLOOR: {}}
    with pytest.raises(UserError, match="against: TFR-GAN is not among the systems"):
        evaluate({"raw sum": RAW}, CONFIG, progress=False, against="TFR-GAN")


def test_a_generator_that_knows_one_mix_is_asked_once(cache, monkeypatch):
    """Without z, and with the sides its own; a coin is enough to be asked for several."""
    config = replace(CONFIG, held_out=2, judges=2)
    generators = {
        name: Generator(replace(SMALL, z=0, mirror=mirror)) for name, mirror in (("one", False), ("coin", True))
    }
    monkeypatch.setattr(
        "tfrgan_lite.evaluate.real_time_factor", lambda generator: {"the mix": generator.architecture.z}
    )
    found = evaluate(generators, config, progress=False, cache=cache, against="coin")
    assert found["systems"]["one"]["diversity"] == (0, 0, 0) and found["real_time_factor"]["one"] == {"the mix": 0}
    assert "coin" in found["diversity_db"] and "one" not in found["diversity_db"]
    assert set(found["differences"]) == {"one", FLOOR}
    one, coin, apart = (
        found[k][n]["matched_db"][0] for k, n in (("systems", "one"), ("systems", "coin"), ("differences", "one"))
    )
    assert apart == pytest.approx(one - coin)


def test_validity(results):
    validity = results["validity"]
    assert validity["perfect"]["true_peak_db"] <= -1 and validity["perfect"]["not_finite"] == 0
    assert validity["perfect"]["permutation_db"] < -80 and -25 < validity["perfect"]["lufs"] < -10
    assert validity["broken"]["not_finite"] == 5 * CONFIG.held_out
    assert validity["broken"]["permutation_db"] > -80


def test_what_is_kept_is_not_computed_again(results, cache, monkeypatch):
    """A second judgement makes no song's engineers anew, and gives the same numbers."""
    kept = set(cache.folder.iterdir())
    sides = [judge.truth_key(1_000_000 + i, STYLES[i % len(STYLES)], CONFIG) for i in range(CONFIG.held_out)]
    assert {cache.path(key) for side in sides for key in (side, key_of(side, RAW.key))} <= kept  # engineers and raw sum
    songs = [judge.judged(1_000_000, "pop", {}, CONFIG, cache)[0] for _ in range(2)]
    monkeypatch.setattr(judge, "truth_of", lambda *_: pytest.fail("computed again"))
    again = evaluate({"raw sum": RAW}, replace(CONFIG, held_out=2), progress=False, cache=cache)
    assert set(cache.folder.iterdir()) == kept and again["songs"] == 2
    assert set(songs[0]) == set(songs[1]) and "matched" not in songs[0]
    assert all(torch.equal(songs[0][name], songs[1][name]) for name in songs[0])


def test_a_cache_that_keeps_nothing_serves_too():
    systems = {"raw sum": RAW}
    found = evaluate(systems, replace(CONFIG, held_out=2, judges=2), progress=False, cache=Cache(limit_gib=0))
    row = found["systems"]["raw sum"]
    assert "energy" in row and "energy" not in found["systems"][FLOOR]  # one engineer has no spread
    assert row["matched_db"][0] > found["systems"][FLOOR]["matched_db"][0]


def test_shuffled_songs_are_seen_by_the_energy_distance_alone(results, cache):
    """A system that plays another song's mix: the marginal measure cannot know."""
    truths, _ = on_held_out({}, CONFIG, progress=False, cache=cache)
    tally = Tally(truths)
    points = [truth["features"] / tally.scale for truth in truths]
    mine, others = [x[:2] for x in points], [x[2:] for x in points]
    shuffled = mine[1:] + mine[:1]
    energies = [
        np.mean([energy_distance(x, y) for x, y in zip(side, others, strict=True)]) for side in (mine, shuffled)
    ]
    assert energies[1] > 5 * abs(energies[0])
    seen = [mmd(torch.cat(side), torch.cat(others), tally.width) for side in (mine, shuffled)]
    assert seen[0] == pytest.approx(seen[1], abs=1e-5) and abs(seen[0]) < 0.05
    both = ([{"features": x * tally.scale} for x in side] for side in (mine, others))
    assert tally._mmd(*both)[0] == pytest.approx(seen[0], abs=0.1)


def test_a_generator_is_judged_beside_the_rules():
    config = replace(CONFIG, held_out=3, seconds=1.0, judges=2)
    results = json.loads(json.dumps(evaluate(Generator(SMALL), config, progress=False), allow_nan=False))
    assert list(results["systems"]) == [*rules(), "TFR-GAN", FLOOR] and set(rules()) <= set(RULES)
    systems = results["systems"]
    # Engineers agree with each other more than with tracks that nobody mixed.
    assert systems[FLOOR]["matched_db"][0] < systems["raw sum"]["matched_db"][0]
    assert {"preset", "seed", "device", "commit", "date", "torch"} <= set(results["provenance"])
    assert results["songs"] == 3
    assert set(results["diversity_db"]) == {*(n for n in rules() if n.endswith("coin")), "TFR-GAN", FLOOR}
    mix, both = results["real_time_factor"]["TFR-GAN"].values()
    assert 0 < mix < both
    assert len(results["bars"]) >= 8 and not all(bar["met"] for bar in results["bars"])
    assert "| TFR-GAN | " in table(results) and "| what | value |" not in table(results)


def test_bars_are_met_or_missed():
    def row(**values):
        return {name: np.full(11, value, float) for name, value in values.items()}

    good = {
        "matched_db": 1.0,
        "energy": 0.2,
        "gain_db": 1.0,
        "width_sd": -0.3,
        "both_sides": 1.0,
        "centred": 0.0,
        "diversity": 0.9,
        "keys": 0.9,
    }
    others = {
        FLOOR: row(matched_db=1.1),
        "raw sum": row(matched_db=9, energy=9, gain_db=9),
        "Dugan": row(matched_db=1.8, energy=1.2, gain_db=1.2),
        "regression with coin": row(energy=0.5),
        "regression with coin and jitter": row(energy=0.25),
        "console network": row(matched_db=1.5, energy=0.5),
        "wave U-Net": row(matched_db=1.5, energy=0.5),
    }
    results = {"real_time_factor": {"TFR-GAN": {"the mix": 0.015}}}
    found = bars(results, {"TFR-GAN": row(**good), **others})
    assert len(found) == 16 and all(bar["met"] for bar in found)
    assert found[1]["value"] == pytest.approx(1 / 1.8)  # the best rule, not the first
    bad = row(**{name: 2 * value + 1 for name, value in good.items()} | {"both_sides": 0.9, "keys": 0.7})
    found = bars({"real_time_factor": {"TFR-GAN": {"the mix": 0.03}}}, {"TFR-GAN": bad, **others})
    assert len(found) == 16 and not any(bar["met"] for bar in found)
    assert bars(results, others) == []


def test_the_page_renders_every_file(results, tmp_path):
    (tmp_path / "ablations.json").write_text(json.dumps(results))
    (tmp_path / "cpu.json").write_text(json.dumps(results))
    page = results_page(tmp_path)
    assert page.index("## Ablations") < page.index("## Cpu")
    assert page.count(f"| {FLOOR} |") == 8 and results["provenance"]["commit"] in page
    for measure in results["systems"]["perfect"]:
        assert MEASURES[measure][2] in page
    assert tables(results) in page
    (tmp_path / "cpu.json").write_text("[]")
    with pytest.raises(UserError, match="cpu.json: holds no results"):
        results_page(tmp_path)
    with pytest.raises(UserError, match="holds no results; write one"):
        results_page(tmp_path / "nowhere")


def test_the_command_writes_results_and_page(results, tmp_path, monkeypatch, capsys):
    judged = []
    monkeypatch.setattr("tfrgan_lite.evaluate.evaluate", lambda *given: judged.append(given) or results)
    monkeypatch.setattr(sys, "argv", ["tfrgan_lite", *f"evaluate --preset ci --out {tmp_path}/a.json".split()])
    Generator(SMALL).save(tmp_path / "own.safetensors", {})
    options = ("--page", f"{tmp_path}/page.md", "--songs", "5", "--weights", f"{tmp_path}/own.safetensors")
    monkeypatch.setattr(sys, "argv", [*sys.argv, *options])
    with pytest.raises(SystemExit) as stop:
        command_line.main()
    assert not stop.value.code
    written = json.loads((tmp_path / "a.json").read_text())
    assert written == {"kind": "mixers", **results, "training": {}}
    assert (tmp_path / "page.md").read_text() == results_page(tmp_path)
    assert table(results) in capsys.readouterr().out
    ((systems, config, *_),) = judged
    assert list(systems) == [*rules(), "TFR-GAN"] and config == preset("ci", held_out=5)


def test_a_system_is_judged_in_other_processes(monkeypatch):
    monkeypatch.setattr("tfrgan_lite.evaluate.on_all_cores", on_all_cores)
    system = System(partial(judge.by_rule, rule="equal_loudness"), random=False)
    assert evaluate({"x": system}, replace(CONFIG, held_out=2, judges=2), progress=False)["systems"]["x"]
