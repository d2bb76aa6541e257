"""What evaluation reports."""

import json
from dataclasses import replace

from small import SMALL

from tfrgan_lite.config import preset
from tfrgan_lite.evaluate import evaluate, table
from tfrgan_lite.generator import Generator


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
