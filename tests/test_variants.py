"""The table of variants: each is what its name says, for every preset, and can be named on a command line."""

from dataclasses import asdict

import pytest

from tfrgan_lite.config import PRESETS
from tfrgan_lite.errors import UserError
from tfrgan_lite.rivals import NETWORKS
from tfrgan_lite.variants import COIN, CURVE, KINDS, PAPER, RIVALS, SUBJECT, TIMES, VARIANTS, name_of, slug


def flat(config):
    fields = asdict(config)
    return {**fields.pop("architecture"), **fields}


@pytest.mark.parametrize("preset", PRESETS.values(), ids=str)
def test_a_variant_changes_what_it_says_and_no_more(preset):
    for name, variant in VARIANTS.items():
        one, other = flat(preset), flat(variant.config(preset))
        changed = {field for field in one if one[field] != other[field]}
        assert changed == {*variant.preset, *variant.architecture, *variant.times}, name
        assert all(field in variant.changes for field in changed)
        trains = not (variant.network or variant.weights_of or name == SUBJECT)
        assert bool(changed) == trains, name
        for field, factor in variant.times.items():
            assert other[field] == pytest.approx(factor * one[field])


def test_what_the_names_promise():
    config = {name: flat(variant.config(PRESETS["cpu"])) for name, variant in VARIANTS.items()}
    for name in (COIN, "regression"):  # reconstruction alone
        assert (config[name]["z"], config[name]["adversarial_weight"], config[name]["energy_weight"]) == (0, 0, 0)
    assert config[COIN]["mirror"] and not config["regression"]["mirror"]
    paper = config[PAPER]  # noise in the start token and an adversary, no encoder
    assert paper["z_to"] == "start" and not paper["posterior"] and paper["adversarial_weight"] > 0 < paper["z"]
    for name, beta in (("β = 0", 0), ("β = 1e-3", 1e-3), ("β = 1e-2", 1e-2), ("β = 1e-1", 1e-1)):
        assert config[name]["beta"] == beta
    assert [VARIANTS[name].network for name in RIVALS] == ["GainPanNetwork", "WaveUNet"]


def test_the_table_is_whole():
    assert len({slug(name) for name in VARIANTS}) == len(VARIANTS)
    for name, variant in VARIANTS.items():
        assert slug(name).replace("-", "").isalnum() and slug(name).isascii()
        assert variant.answers and "\n" not in variant.answers and set(variant.kinds) <= set(KINDS)
        assert variant.network is None or variant.network in NETWORKS
        assert variant.weights_of is None or not VARIANTS[variant.weights_of].weights_of
        if variant.kinds == (CURVE,):
            assert float(name.rpartition(TIMES)[2]) != 1
    assert set(VARIANTS[SUBJECT].kinds) == set(KINDS)


def test_a_variant_is_called_by_its_name_or_its_folder():
    for name in VARIANTS:
        assert name_of(name) == name_of(slug(name)) == name
    assert (slug("β = 1e-3"), slug("16×16 patches"), slug(PAPER)) == ("beta-1e-3", "16x16-patches", "papers-recipe")
    with pytest.raises(UserError, match="none called 'no drums'.*choose one of regression, "):
        name_of("no drums")
