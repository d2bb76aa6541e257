"""The checks of chapter 12's exercises."""

from collections.abc import Callable

from .verdict import Verdict, check, right, wrong


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
    """Exercise 2: which systems' whole interval lies below the raw sum's."""

    def results(**rows: tuple[float, float, float]) -> dict:
        # The other measure is turned round, so that an answer that reads it is caught.
        return {"systems": {k.replace("_", " "): {"matched_db": v, "as_is_db": (-v[0],) * 3} for k, v in rows.items()}}

    given = results(raw_sum=(6.0, 5.0, 7.0), near=(3.0, 2.0, 4.0), overlapping=(4.5, 3.5, 5.5), worse=(9.0, 8.0, 10.0))
    answer = list(verdict(given))
    if "raw sum" in answer:
        return wrong("The raw sum cannot be certainly nearer than itself: compare with its low end.")
    if "worse" in answer:
        return wrong("A larger distance is further away, or you read as_is_db: loudness matched is asked for.")
    if "overlapping" in answer:
        return wrong("An interval of 3.5 to 5.5 overlaps 5.0 to 7.0: compare its high end with the raw sum's low end.")
    if answer != ["near"]:
        return wrong(
            f"For a system at 2 to 4 dB beside a raw sum at 5 to 7 dB the answer is that system, not {answer}."
        )
    return right("The high end of one below the low end of the other.")
