"""The checks of chapter 12: the solution passes, typical wrong answers get their hint, nonsense gets a verdict."""

import pytest

from tfrgan_lite.lesson.checks_12 import check_12_ramp, check_12_verdict


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


def test_solutions_pass(notebooks):
    assert check_12_ramp(0, 0.025, 0.05)
    assert check_12_verdict(by(2, 1, "matched_db", "energy"))
    text = "".join("".join(cell["source"]) for cell in notebooks["12_train_end_to_end"]["cells"])
    names = {}
    exec(text.split("```python\n")[1].split("```")[0], names)  # the solution as it is printed
    assert check_12_verdict(names["verdict_of"])


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


@pytest.mark.parametrize("nonsense", ["x", 3, lambda: 1])
def test_nonsense_gets_a_verdict(nonsense):
    assert not check_12_ramp(nonsense, nonsense, nonsense)
    assert not check_12_verdict(nonsense)
