"""The measures of mixes: perfect, useless and in between; and what evaluation reports."""

import json
from dataclasses import replace

import pytest
import torch
from small import SMALL

from tfrgan_lite.config import preset
from tfrgan_lite.errors import UserError
from tfrgan_lite.evaluate import evaluate, table
from tfrgan_lite.generator import Generator
from tfrgan_lite.metrics.mixing import log_mel_distance, mean_and_interval
from tfrgan_lite.studio import engineer, song

RATE = 44100


@pytest.fixture(scope="module")
def mix():
    return engineer(song(5, "pop", 2.0), 0).mix


def test_distance_of_a_perfect_and_a_useless_mix(mix):
    assert log_mel_distance(mix, mix, RATE) == 0
    assert log_mel_distance(mix.flip(0), mix, RATE) == 0  # a mirrored mix is as good
    noise = torch.randn(mix.shape, generator=torch.Generator().manual_seed(0))
    useless = log_mel_distance(noise, mix, RATE)
    slightly_worse = log_mel_distance(mix + 0.003 * noise, mix, RATE)
    assert 0 < slightly_worse < 0.5 * useless
    assert log_mel_distance(torch.zeros_like(mix), mix, RATE) > slightly_worse


def test_distance_is_in_decibels_and_matches_loudness(mix):
    loud = torch.randn(2, RATE, generator=torch.Generator().manual_seed(1)) * 0.3
    assert log_mel_distance(loud * 10 ** (-6 / 20), loud, RATE, matched=False) == pytest.approx(6, abs=0.02)
    assert log_mel_distance(loud * 10 ** (-6 / 20), loud, RATE) == pytest.approx(0, abs=1e-3)


def test_distance_refuses_mixes_of_other_lengths(mix):
    with pytest.raises(UserError, match="cut them alike"):
        log_mel_distance(mix[:, 1:], mix, RATE)


def test_interval_covers_the_mean_about_as_often_as_it_says():
    source = torch.Generator().manual_seed(0)
    hits = 0
    for _ in range(100):
        mean, low, high = mean_and_interval(torch.randn(40, generator=source).tolist())
        assert low < mean < high
        hits += low < 0 < high
    assert 85 <= hits <= 100
    with pytest.raises(UserError, match="two songs"):
        mean_and_interval([1.0])


def test_evaluation_reports_every_system_with_its_provenance():
    config = replace(preset("ci"), architecture=SMALL, held_out=3, seconds=1.0)
    results = json.loads(json.dumps(evaluate(Generator(SMALL), config, progress=False)))
    assert list(results["systems"]) == ["raw sum", "equal loudness", "TFR-GAN", "another engineer"]
    for row in results["systems"].values():
        for mean, low, high in row.values():
            assert 0 < low <= mean <= high
    systems = results["systems"]
    # Engineers agree with each other more than with tracks that nobody mixed.
    assert systems["another engineer"]["matched_db"][0] < systems["raw sum"]["matched_db"][0]
    assert {"preset", "seed", "device", "commit", "date", "torch"} <= set(results["provenance"])
    assert results["songs"] == 3
    assert "| TFR-GAN | " in table(results)
