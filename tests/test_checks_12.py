"""The checks of chapter 12: the solution passes, typical wrong answers get their hint, nonsense gets a verdict."""

import pytest

from tfrgan_lite.lesson.checks_12 import check_12_ramp, check_12_verdict


def solution(results):
    raw_low = results["systems"]["raw sum"]["matched_db"][1]
    return [name for name, row in results["systems"].items() if row["matched_db"][2] < raw_low]


def by(measure, index, raw_index):
    return lambda r: [
        name for name, row in r["systems"].items() if row[measure][index] < r["systems"]["raw sum"][measure][raw_index]
    ]


def test_solutions_pass():
    assert check_12_ramp(0, 0.025, 0.05)
    assert check_12_verdict(solution)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((0.05, 0.025, 0.05), "at_100"),
        ((0, 0.05, 0.05), "only begun"),
        ((0, 0.0125, 0.05), "what share"),
        ((0, 0.025, 0.1), "never exceeds"),
    ],
)
def test_wrong_ramps_get_their_hint(answer, hint):
    verdict = check_12_ramp(*answer)
    assert not verdict and hint in str(verdict)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (by("matched_db", 0, 0), "overlaps"),
        (by("matched_db", 1, 2), "itself"),
        (by("as_is_db", 2, 1), "as_is_db"),
        (lambda r: [], "not []"),
    ],
)
def test_wrong_verdicts_get_their_hint(answer, hint):
    verdict = check_12_verdict(answer)
    assert not verdict and hint in str(verdict)


@pytest.mark.parametrize("nonsense", ["x", 3, lambda: 1])
def test_nonsense_gets_a_verdict(nonsense):
    assert not check_12_ramp(nonsense, nonsense, nonsense)
    assert not check_12_verdict(nonsense)
