"""The checks of chapter 12's exercises."""

from collections.abc import Callable

from .verdict import Verdict, check, right, wrong

RULE = "equal loudness"
Row = dict[str, tuple[float, float, float]]


@check
def check_12_ramp(at_100: float | None, at_180: float | None, at_500: float | None) -> Verdict:
    """Exercise 1: the adversary's weight at three steps, for 600 steps, a weight of 0.05, a wait of a fifth."""
    if at_100 is None or at_180 is None or at_500 is None:
        return wrong("Give all three weights.")
    if abs(at_100) > 1e-9:
        return wrong("at_100: the wait is a fifth of 600 steps; is step 100 past it?")
    if abs(at_180 - 0.05) < 1e-9:
        return wrong("at_180: the adversary has joined, but the ramp has only begun: it is as long as the wait.")
    if abs(at_180 - 0.025) > 1e-9:
        return wrong("at_180: 60 steps of a ramp of 120 are done; what share of 0.05 is that?")
    if at_500 > 0.05 + 1e-9:
        return wrong("at_500: the ramp stops at 1; the weight never exceeds 0.05.")
    if abs(at_500 - 0.05) > 1e-9:
        return wrong("at_500: the ramp ends at step 240; what holds after it?")
    return right("It waits for 120 steps, climbs for 120, and stays.")


@check
def check_12_verdict(verdict: Callable[[dict], list[str]]) -> Verdict:
    """Exercise 2: the systems whose whole intervals of error and energy distance lie below those of equal loudness."""

    def row(error: tuple[float, float, float], energy: tuple[float, float, float] | None) -> Row:
        # The other measure of error is turned round, so that an answer that reads it is caught.
        return {"matched_db": error, "as_is_db": (-error[0],) * 3} | ({"energy": energy} if energy else {})

    systems = {
        RULE: row((6.0, 5.0, 7.0), (2.0, 1.5, 2.5)),
        "near": row((3.0, 2.0, 4.0), (0.5, 0.2, 0.8)),
        "overlapping": row((4.5, 3.5, 5.5), (0.5, 0.2, 0.8)),
        "worse": row((9.0, 8.0, 10.0), (0.5, 0.2, 0.8)),
        "always the same": row((3.0, 2.0, 4.0), (1.8, 1.4, 2.2)),
        "a single engineer": row((2.0, 1.5, 2.5), None),
    }
    answer = list(verdict({"systems": systems}))
    if RULE in answer:
        return wrong("Equal loudness cannot be certainly nearer than itself: compare with its low end.")
    if "worse" in answer:
        return wrong("A larger error is further away, or you read as_is_db: loudness matched is asked for.")
    if "overlapping" in answer:
        return wrong("An error of 3.5 to 5.5 overlaps 5.0 to 7.0: compare its high end with the rule's low end.")
    if "always the same" in answer:
        return wrong("One system's error is below the rule's, but its energy distance is not: both are asked for.")
    if "a single engineer" in answer:
        return wrong("A system without an energy distance is not certain: both measures are asked for.")
    if answer != ["near"]:
        return wrong(f"One system of the six has both intervals below the rule's, 'near'; the answer was {answer}.")
    return right("Both high ends below the rule's low ends.")


@check
def check_12_change(results: dict | None, name: str | None, told: list[str] | None) -> Verdict:
    """Exercise 3: what ``evaluate`` returns with ``against``, the name of the changed system, and the measures in which
    it differs from the other by more than the interval of the difference.
    """
    if results is None or name is None or told is None:
        return wrong("Give three answers: results, the name of what was changed, and the measures that tell.")
    if "differences" not in results:
        return wrong("results: compare what is paired: name the unchanged system as evaluate's against.")
    if name not in results["differences"]:
        return wrong(f"name: {name!r} is not compared; there are {', '.join(results['differences'])}.")
    if few := [f"{system} has {count}" for system, count in results["seeds"].items() if count < 3]:
        return wrong(f"results: of three seeds {few[0]}; evaluate takes a list of generators for each name.")
    found = results["differences"][name]
    if not any(low or high for _, low, high in found.values()):
        return wrong(f"name: {name} differs in nothing, as if the change had not reached the training.")
    if unknown := set(told) - set(found):
        return wrong(f"told: {', '.join(sorted(unknown))} is not measured for both.")
    apart = [measure for measure, (_, low, high) in found.items() if low > 0 or high < 0]
    if ties := [measure for measure in told if measure not in apart]:
        value, low, high = found[ties[0]]
        return wrong(f"told: {ties[0]} differs by {value:+.3f} ({low:+.3f} to {high:+.3f}); 0 lies within: a tie.")
    if missing := [measure for measure in apart if measure not in told]:
        return wrong(f"told: {missing[0]} is missing; the interval of its difference leaves 0 out.")
    return right(f"{len(apart)} of {len(found)} measures tell: {', '.join(apart) or 'none'}. One may by chance.")
