"""The checks of chapter 12: the solution passes, and typical wrong answers get their hint."""

import pytest

from tfrgan_lite.lesson.checks_12 import check_12_change, check_12_ramp, check_12_verdict


def by(index, rule_index, *measures):
    """The systems whose `index` of each measure (value, low, high) lies below the rule's `rule_index`."""

    def verdict(results):
        rule = results["systems"]["equal loudness"]
        return [
            name
            for name, row in results["systems"].items()
            if all(measure in row and row[measure][index] < rule[measure][rule_index] for measure in measures)
        ]

    return verdict


def without_a_thought_of_missing(results):
    rule = results["systems"]["equal loudness"]
    return [
        name
        for name, row in results["systems"].items()
        if row["matched_db"][2] < rule["matched_db"][1] and row.get("energy", (0, 0, 0))[2] < rule["energy"][1]
    ]


TIE = (0.01, -0.2, 0.3)


def compared(seeds=3, **differences):
    """What evaluate returns, as far as the check looks."""
    return {"seeds": {"with": 3, "without": seeds}, "differences": {"without": differences}}


COMPARED = compared(energy=(0.5, 0.2, 0.8), matched_db=TIE)


def test_solutions_pass():
    assert check_12_ramp(0, 0.025, 0.05)
    assert check_12_verdict(by(2, 1, "matched_db", "energy"))
    assert check_12_change(COMPARED, "without", ["energy"])
    assert "0 of 1 measures tell: none" in str(check_12_change(compared(matched_db=TIE), "without", []))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((None, 0.025, 0.05), "all three"),
        ((0.05, 0.025, 0.05), "at_100"),
        ((0, 0.05, 0.05), "only begun"),
        ((0, 0.0125, 0.05), "what share"),
        ((0, 0.025, 0.1), "never exceeds"),
        ((0, 0.025, 0.02), "what holds"),
    ],
)
def test_wrong_ramps_get_their_hint(answer, hint):
    verdict = check_12_ramp(*answer)
    assert not verdict and hint in str(verdict)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (by(1, 2, "matched_db", "energy"), "itself"),
        (by(0, 0, "matched_db", "energy"), "overlaps"),
        (by(2, 1, "as_is_db", "energy"), "as_is_db"),
        (by(2, 1, "matched_db"), "both are asked"),
        (without_a_thought_of_missing, "without an energy distance"),
        (lambda r: [], "was []"),
    ],
)
def test_wrong_verdicts_get_their_hint(answer, hint):
    verdict = check_12_verdict(answer)
    assert not verdict and hint in str(verdict)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((COMPARED, None, ["energy"]), "three answers"),
        (({"seeds": {}}, "without", ["energy"]), "evaluate's against"),
        ((COMPARED, "with", ["energy"]), "'with' is not compared"),
        ((compared(1, energy=TIE), "without", []), "of three seeds without has 1"),
        ((compared(energy=(0.0, 0.0, 0.0)), "without", []), "had not reached the training"),
        ((COMPARED, "without", ["energy", "loudness"]), "loudness is not measured"),
        ((COMPARED, "without", ["energy", "matched_db"]), "a tie"),
        ((COMPARED, "without", []), "energy is missing"),
        (("x", "without", []), "evaluate's against"),
        ((3, "without", []), "could not be tried"),
    ],
)
def test_wrong_readings_of_a_change_get_their_hint(answer, hint):
    verdict = check_12_change(*answer)
    assert not verdict and hint in str(verdict), verdict
