"""Trainings of variants: what is written where, and what of it is found again to be judged."""

import sys
from dataclasses import replace

import pytest
import torch
from keys import imports, module_file
from small import SMALL, TINY
from test_cli import run

from tfrgan_lite import trials
from tfrgan_lite.batches import LessonSet
from tfrgan_lite.cache import Cache
from tfrgan_lite.errors import UserError
from tfrgan_lite.evaluate import compare, evaluate
from tfrgan_lite.generator import Generator
from tfrgan_lite.judge import by_generator
from tfrgan_lite.mix import SPREAD
from tfrgan_lite.page import training_table
from tfrgan_lite.report import FLOOR
from tfrgan_lite.rivals import build
from tfrgan_lite.studio import song
from tfrgan_lite.train import Trainer
from tfrgan_lite.trials import GENERATOR, NETWORK, SPREADS, place_of, seconds_of_training, single, trained
from tfrgan_lite.variants import COIN, JITTER, PAPER, RIVALS, SUBJECT, VARIANTS

TRAINED = (SUBJECT, "no fine head", COIN, RIVALS[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A few variants, trained by the command line for two steps; the whole one with two seeds."""
    out = tmp_path_factory.mktemp("trials")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfrgan_lite.data.on_all_cores", lambda job, songs: (job(*each) for each in songs))
        patch.setattr("tfrgan_lite.__main__.preset_called", lambda name, **fields: replace(TINY, **fields))
        for name in TRAINED:
            for seed in (0, 10) if name == SUBJECT else (0,):
                argv = ["train", "--preset", "ci", "--variant", name, "--steps", 2, "--seed", seed, "--out", out]
                patch.setattr(sys, "argv", ["tfrgan_lite", *map(str, argv)])
                from tfrgan_lite.__main__ import main

                with pytest.raises(SystemExit) as stop:
                    main()
                assert not stop.value.code
    return out


def test_weights_say_how_they_were_trained(folder):
    there = {str(path.relative_to(folder)) for path in folder.rglob("*.safetensors")}
    expected = {f"tfr-gan/0/{GENERATOR}", f"tfr-gan/10/{GENERATOR}", f"no-fine-head/0/{GENERATOR}"}
    assert there >= {*expected, f"console-network/0/{NETWORK}"}
    model = Generator.from_pretrained(folder / f"no-fine-head/0/{GENERATOR}")
    assert model.fine is None and model.architecture == replace(SMALL, fine=0)
    told = model.card["training"]
    assert (told["variant"], told["changes"], told["steps"], told["seed"]) == ("no fine head", "fine=0", 2, 0)
    assert told["seconds"] >= 0 and {"commit", "date", "device", "torch"} <= set(told)
    assert 0 < told["own_score"] != told["held_out_score"] > 0 and 0 <= told["accuracy"] <= 1
    assert told["preset"]["architecture"]["fine"] == 0 and told["preset"]["steps"] == 2
    card = (folder / "no-fine-head/0/CARD.md").read_text()
    assert '--preset ci --variant "no fine head" --steps 2 --seed 0`' in card and "Not measured yet" in card


def test_seeds_of_a_kind_are_found_together(folder):
    found = trained(folder, "ablations")
    assert {name: len(many) for name, many in found.systems.items()} == {SUBJECT: 2, "no fine head": 1}
    assert [run["seed"] for run in found.training[SUBJECT]] == [0, 10]
    mixers = trained(folder, "mixers")
    assert list(mixers.systems) == [COIN, JITTER, RIVALS[0], SUBJECT]
    assert mixers.training[JITTER] == mixers.training[COIN]
    keys = [one.key for many in (*found.systems.values(), *mixers.systems.values()) for one in many]
    assert len(set(keys)) == 6  # of the whole one, both tables have the same two


def test_each_mixes_as_what_it_is(folder):
    raw, systems = song(1, "pop", 1.0), trained(folder, "mixers").systems
    for system, *_ in systems.values():
        mix, wet, *_ = system.mix(raw, 0)
        assert mix.shape == raw.stems.shape[1:] and torch.isfinite(wet).all() and system.random
    (coin,), (jittered,) = systems[COIN], systems[JITTER]
    assert not torch.equal(coin.mix(raw, 0)[0], jittered.mix(raw, 0)[0])


def test_the_curve_draws_z_more_and_less_widely(folder):
    file = folder / f"tfr-gan/0/{GENERATOR}"
    for found, seeds in ((trained(folder, "curve"), 2), (single(file, "curve"), 1)):
        assert set(found.systems) == {SUBJECT, *(f"spread × {t:g}" for t in SPREADS)}
        assert {len(many) for many in found.systems.values()} == {seeds}
        asked = {name: many[0].mix.keywords["spread"] for name, many in found.systems.items()}
        assert asked == {SUBJECT: SPREAD, **{f"spread × {t:g}": t * SPREAD for t in SPREADS}}
        assert len({many[0].key for many in found.systems.values()}) == 1 + len(SPREADS)


def test_the_spread_is_that_of_z():
    """At 0 takes differ by the coin alone; as much at 1 as without a word."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = Generator(replace(SMALL, mirror=False))
        torch.nn.init.normal_(generator.coarse.out.weight, std=0.3)
    raw = song(1, "pop", 1.0)
    mixes = {t: [by_generator(raw, seed, generator, t)[0] for seed in (0, 1)] for t in (0.0, 0.5, 1.0)}
    apart = {t: float((one - other).abs().mean()) for t, (one, other) in mixes.items()}
    assert apart[0.0] == 0 < apart[0.5] < apart[1.0]
    assert torch.equal(mixes[1.0][0], by_generator(raw, 0, generator)[0])


def test_what_was_measured_of_weights_is_kept(folder, tmp_path, monkeypatch):
    """In the same numbers, and only as long as the weights are those."""
    monkeypatch.setattr("tfrgan_lite.evaluate.on_all_cores", lambda job, songs: (job(*each) for each in songs))
    monkeypatch.setattr("tfrgan_lite.evaluate.real_time_factor", lambda _: {})
    config, cache = replace(TINY, held_out=2, judges=2, seconds=1.0), Cache(tmp_path)
    results = compare(trained(folder, "ablations"), "ablations", config, False, cache)
    assert list(results["systems"]) == [SUBJECT, "no fine head", FLOOR] and results["seeds"][SUBJECT] == 2
    assert set(results["differences"]) == {"no fine head", FLOOR}
    assert "| no fine head | fine=0 | 0 | 2 |" in training_table(results)
    monkeypatch.setattr("tfrgan_lite.judge.made_by", lambda *_: pytest.fail("mixed again"))
    found = trained(folder, "ablations")
    again = evaluate(found.systems, config, False, cache, SUBJECT)
    assert again["systems"] == results["systems"] and again["differences"] == results["differences"]


def test_the_key_names_all_code_that_mixes(root):
    """Each module that mix.py and the rivals' mixing need is in it, or in the keys of songs and measures."""
    elsewhere = {"studio", "audio", "labels", "mel", "prepare", "data", "metrics"}  # of the key of a song's truth
    no_sound = {"errors", "files", "config", "cache", "cores", "memory"}
    waiting, seen = {"tfrgan_lite.mix"}, set()
    while waiting:
        name = waiting.pop()
        file, part = module_file(root, name), name.split(".")[1] if "." in name else None
        if part in seen or file is None or part in (None, *elsewhere, *no_sound):
            continue
        seen.add(part)
        waiting |= imports(file.read_text(encoding="utf-8"), "tfrgan_lite")
    assert {f"{part}.py" for part in seen} <= set(trials.MIXED_BY)
    assert all((root / "tfrgan_lite" / part).exists() for part in trials.MIXED_BY)


def test_a_rival_takes_the_time_of_the_whole_training(monkeypatch):
    """Timed before and after the adversary comes in; the network gets the steps that fit."""
    lessons, asked = LessonSet(TINY, progress=False), []
    begun = Trainer.fit
    monkeypatch.setattr(
        Trainer, "fit", lambda self, steps, **rest: asked.append(self.step) or begun(self, steps, **rest)
    )
    config = replace(TINY, steps=200)
    seconds = seconds_of_training(config, lessons)
    assert asked == [0, 1, 41, 42] and seconds > 0
    monkeypatch.setattr(trials, "seconds_of_training", lambda *_: 12.5)
    monkeypatch.setattr("tfrgan_lite.rivals.steps_within", lambda seconds, *_: round(seconds) // 4)
    model = trials.train_variant(RIVALS[1], TINY, "unused", progress=False)
    assert model.card["training"]["steps"] == 3 and not model.training
    assert type(model) is type(build("WaveUNet", TINY))


def test_what_is_not_there_is_said(folder, tmp_path, capsys):
    with pytest.raises(UserError, match="holds no trained variant of the mixers; write one with"):
        trained(tmp_path, "mixers")
    with pytest.raises(UserError, match="'regression with coin and jitter' has no training of its own"):
        place_of(tmp_path, JITTER, 0)
    (tmp_path / "no-adversary" / "3").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    with pytest.warns(UserWarning, match="3: has no generator.safetensors yet; left out"):
        with pytest.raises(UserError, match="holds no trained variant of the ablations"):
            trained(tmp_path, "ablations")
    for arguments, words in (
        (("train", "--variant", "no drums", "--out", tmp_path), "no drums"),
        (("train", "--variant", JITTER, "--out", tmp_path), "no training of its own"),
        (("train", "--variant", RIVALS[0], "--resume", "--out", tmp_path), "no checkpoints"),
        (("train", "--variant", COIN, "--out", folder), "exists already"),
        (("train", "--steps", "0", "--out", tmp_path), "steps"),
        (("evaluate", "--trained", tmp_path, "--weights", "x", "--out", tmp_path / "a.json"), "leave one of them out"),
        (("evaluate", "--rows", "ablations", "--out", tmp_path / "a.json"), "--trained"),
        (("evaluate", "--rows", "all", "--out", tmp_path / "a.json"), "all"),
    ):
        code, _, err = run(*arguments, "--preset", "ci", capsys=capsys)
        assert code == 2 and words in err and err.count("\n") == 1, err
    assert not (tmp_path / "a.json").exists()


def test_the_paper_is_in_both_tables():
    assert [name for name, variant in VARIANTS.items() if len(variant.kinds) == 2] == [PAPER]
