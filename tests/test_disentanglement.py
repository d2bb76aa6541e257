"""tfrgan_lite.metrics.disentanglement: a perfect, a rotated, a duplicated and a random code, and bad input."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mutual_info_score

from tfrgan_lite.errors import UserError
from tfrgan_lite.metrics.disentanglement import dci, factor_vae, mig, sap, separation

N = 900


@pytest.fixture(scope="module")
def factors() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (N, 3))


def rotation(k: int) -> np.ndarray:
    """An orthogonal matrix without any small entry: it spreads each factor over all units."""
    return {2: np.array([[1, 1], [-1, 1]]) / 2**0.5, 3: np.array([[2, -1, 2], [2, 2, -1], [-1, 2, 2]]) / 3}[k]


def perfect(factors):
    """Order, sign, scale and offset of units are free; two units are noise."""
    noise = np.random.default_rng(1).normal(size=(len(factors), 2))
    return np.concatenate([factors[:, [2]] * -30 + 5, noise, factors[:, [0]], factors[:, [1]] * 1e-3], axis=1)


def random(factors):
    return np.random.default_rng(2).normal(size=(len(factors), 4))


def test_perfect_code_scores_one(factors):
    codes = perfect(factors)
    # Noise units carry chance information in 20 x 20 cells: about 19² / (2 n) nats of log 20.
    assert mig(codes, factors) == pytest.approx(1 - 19**2 / (2 * N) / np.log(20), abs=0.02)
    assert sap(codes, factors) == pytest.approx(1, abs=0.01)
    assert factor_vae(codes, factors) == 1
    score = dci(codes, factors)
    assert min(score) > 0.97 and max(score) <= 1


def test_random_code_scores_nothing(factors):
    codes = random(factors)
    assert mig(codes, factors) < 0.02
    assert sap(codes, factors) < 0.01
    assert factor_vae(codes, factors) == pytest.approx(1 / 3, abs=0.1)
    score = dci(codes, factors)
    assert score.disentanglement < 0.05 and score.completeness < 0.05 and score.informativeness < 0.02


def test_rotated_code_knows_all_and_separates_nothing(factors):
    codes = factors[:, :2] @ rotation(2)
    assert mig(codes, factors[:, :2]) < 0.05
    assert sap(codes, factors[:, :2]) < 0.1
    assert factor_vae(codes, factors[:, :2]) == pytest.approx(0.5, abs=0.15)
    score = dci(codes, factors[:, :2])
    assert score.disentanglement < 0.1 and score.completeness < 0.1 and score.informativeness > 0.9


def test_a_rotation_of_three_lies_between(factors):
    codes = factors @ rotation(3)
    for metric in (mig, sap, lambda c, f: dci(c, f).disentanglement):
        assert (
            metric(random(factors), factors) - 0.02 < metric(codes, factors) < 0.5 * metric(perfect(factors), factors)
        )


def test_duplicated_code_loses_the_gap_and_completeness_but_not_disentanglement(factors):
    codes = np.concatenate([factors, factors], axis=1)
    assert mig(codes, factors) == pytest.approx(0, abs=1e-9)
    assert sap(codes, factors) == pytest.approx(0, abs=1e-9)
    assert factor_vae(codes, factors) == 1
    score = dci(codes, factors)
    assert score.disentanglement > 0.97
    assert score.completeness == pytest.approx(1 - np.log(2) / np.log(6), abs=0.05)


def test_mig_equals_the_definition_worked_out_by_hand():
    # Two fair bits. Unit 0 is bit a; unit 1 is bit a with every fourth flipped, and says nothing of b; unit 2 is b.
    a, b, flip = (x.ravel() for x in np.meshgrid(range(2), range(2), np.repeat([1, 0, 0, 0], 10), indexing="ij"))
    codes, factors = np.stack([a, np.abs(a - flip), b], 1), np.stack([a, b], 1)
    entropy_of_a_quarter = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))  # bits
    second_best = 1 - entropy_of_a_quarter
    assert mig(codes, factors) == pytest.approx(((1 - second_best) + (1 - 0)) / 2)


def test_mig_counts_information_as_scikit_learn_does():
    rng = np.random.default_rng(7)
    factors = rng.integers(0, 6, (300, 2))
    codes = np.stack([factors[:, 0] + rng.integers(0, 3, 300), factors[:, 1] // 2, rng.integers(0, 4, 300)], 1)
    gaps = []
    for factor in factors.T:
        information = sorted(mutual_info_score(factor, code) for code in codes.T)
        gaps.append((information[-1] - information[-2]) / mutual_info_score(factor, factor))
    assert mig(codes, factors) == pytest.approx(np.mean(gaps))


def test_sap_is_the_difference_of_regressions(factors):
    rng = np.random.default_rng(8)
    codes = np.concatenate([factors @ rng.normal(size=(3, 3)) + rng.normal(size=(N, 3)), np.ones((N, 1))], 1)
    gaps = []
    for factor in factors.T:
        scores = sorted(LinearRegression().fit(code, factor).score(code, factor) for code in codes.T[..., None])
        gaps.append(scores[-1] - scores[-2])
    assert sap(codes, factors) == pytest.approx(np.mean(gaps))


def test_sap_is_the_difference_of_squared_correlations(factors):
    rng = np.random.default_rng(3)
    codes = np.stack([factors[:, 0] + rng.normal(0, s, N) for s in (0.2, 0.7, 3.0)], 1)
    best, second, _ = (np.corrcoef(code, factors[:, 0])[0, 1] ** 2 for code in codes.T)
    assert sap(codes, factors[:, :1]) == pytest.approx(best - second)


def by_hand(r: np.ndarray) -> tuple[float, float]:
    """Disentanglement and completeness from their definition, one entry at a time."""
    units, factors = r.shape
    disentanglement = 0.0
    for unit in r:
        entropy = -sum(share * np.log(share) / np.log(factors) for share in unit / unit.sum() if share > 0)
        disentanglement += unit.sum() / r.sum() * (1 - entropy)
    completeness = 0.0
    for factor in r.T:
        entropy = -sum(share * np.log(share) / np.log(units) for share in factor / factor.sum() if share > 0)
        completeness += (1 - entropy) / factors
    return disentanglement, completeness


def test_separation_equals_the_definition_worked_out_by_hand():
    # Unit 0 counts for a alone, unit 1 for both alike, unit 2 half as much, for b alone. Entropies to base 2 are 0, 1
    # and 0, weights 2/5, 2/5 and 1/5: disentanglement 3/5. Each factor in thirds of one unit and two of another, of 3.
    r = np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    of_a = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3)) / np.log(3)
    of_b = np.log(2) / np.log(3)
    assert separation(r) == pytest.approx((3 / 5, (1 - of_a + 1 - of_b) / 2))
    drawn = np.random.default_rng(4).uniform(size=(5, 3)) ** 3
    assert separation(drawn) == pytest.approx(by_hand(drawn))
    assert separation(np.eye(3)) == (1, 1) and separation(np.ones((4, 3))) == pytest.approx((0, 0))
    assert separation([[1.0, 0.0], [0.0, 0.0]]) == (1, 0.5)  # the second factor is told by no unit
    assert separation(np.zeros((4, 3))) == (0, 0) and separation([[1.0, 0.0]]) == (1, 1)


def test_dci_of_codes_whose_importances_are_known():
    # One unit tells two bits apart and the other is constant: R = [[1, 1], [0, 0]], so D = 0, C = 1, all is known.
    a, b = np.random.default_rng(5).integers(0, 2, (2, 400))
    mixed = np.stack([a + 2 * b, np.zeros(400)], 1)
    assert dci(mixed, np.stack([a, b], 1)) == pytest.approx((0, 1, 1))
    # Each bit has a unit: the forest's trees need one split, on that unit, so R is the identity.
    assert min(dci(np.stack([a, b], 1), np.stack([a, b], 1))) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("bad", [np.ones(3), np.zeros((0, 2)), [[1.0, -1.0]], [[1.0, np.nan]]])
def test_importances_that_are_none_are_named(bad):
    with pytest.raises(UserError, match="importances: have shape"):
        separation(bad)


def test_factor_vae_equals_the_definition_worked_out_by_hand():
    # Two fair bits a and b, each pair as often; half of the observations share a bit's value, so a batch has them all.
    a, b = (np.tile(x.ravel(), 50) for x in np.meshgrid([0, 1], [0, 1], indexing="ij"))
    factors = np.stack([a, b], 1)
    # Unit a + b / 2: variance 1/4 + 1/16; 1/16 is left if a is fixed, a fifth, and 1/4 if b is, four fifths.
    # Unit a - b: variance 1/2; 1/4 is left either way, a half. So a fixed bit a names the first, b the second.
    assert factor_vae(np.stack([a + b / 2, a - b], 1), factors, share=0.5) == 1
    # Unit a + b keeps half, unit a xor b keeps all, whichever bit is fixed: the first votes for both, half is right.
    assert factor_vae(np.stack([a + b, a ^ b], 1), factors, share=0.5) == 0.5
    # Of the first unit alone, and a third factor that it does not know: it always votes, for one of three.
    third = np.random.default_rng(6).integers(0, 2, 200)
    assert factor_vae((a + b)[:, None], np.column_stack([a, b, third]), votes=300, share=0.5) == pytest.approx(1 / 3)


def test_dci_separates_its_two_halves(factors):
    mixed = factors[:, [0]] + factors[:, [1]]  # two factors in one unit
    # one factor in two units, with its two signs
    split = np.concatenate([np.maximum(factors[:, [0]], 0), np.minimum(factors[:, [0]], 0)], 1)
    one = dci(np.concatenate([mixed, random(factors)[:, :1]], 1), factors[:, :2])
    two = dci(np.concatenate([split, factors[:, [1]]], 1), factors[:, :2])
    assert one.disentanglement < 0.1
    assert two.disentanglement > 0.95 and two.completeness < 0.9


@pytest.mark.parametrize("metric", [mig, sap, factor_vae, dci])
def test_torch_tensors_are_taken_and_results_repeat(metric, factors):
    codes = perfect(factors)[:200]
    tensors = torch.from_numpy(codes), torch.from_numpy(factors[:200])
    assert metric(codes, factors[:200]) == metric(codes, factors[:200]) == metric(*tensors)


def test_dead_units_and_discrete_factors(factors):
    steps = np.round(factors[:, :2] * 2)
    codes = np.concatenate([steps, np.zeros((N, 3))], 1)
    assert mig(codes, steps) == pytest.approx(1, abs=0.01)  # two samples agree a little by chance
    assert sap(codes, steps) == pytest.approx(1, abs=0.01)
    assert factor_vae(codes, steps) == 1
    assert min(dci(codes, steps)) > 0.99


@pytest.mark.parametrize("metric", [mig, sap, factor_vae, lambda c, f: dci(c, f).disentanglement])
def test_a_code_that_says_nothing_at_all(metric, factors):
    assert metric(np.zeros((N, 4)), factors) == (pytest.approx(1 / 3) if metric is factor_vae else 0)


@pytest.mark.parametrize(
    ("codes", "factors", "named"),
    [
        (np.zeros(50), np.zeros((50, 1)), "codes: have shape"),
        (np.zeros((50, 2)), np.zeros((50, 0)), "factors: have shape"),
        (np.full((50, 2), np.nan), np.arange(50)[:, None], "codes: hold NaN"),
        (np.zeros((50, 2)), np.arange(51)[:, None], "50 observations and factors 51"),
        (np.zeros((10, 2)), np.arange(10)[:, None], "too few"),
        (np.zeros((50, 2)), np.stack([np.arange(50), np.ones(50)], 1), "column 1 is constant"),
    ],
)
@pytest.mark.parametrize("metric", [mig, sap, dci, factor_vae])
def test_bad_input_is_one_line_that_names_it(metric, codes, factors, named):
    with pytest.raises(UserError, match=named) as caught:
        metric(codes, factors)
    assert "\n" not in str(caught.value)
