"""Where the time of a program goes, stage by stage. Shared by the benchmarks."""

import time
from collections import Counter
from collections.abc import Callable

Stages = dict[str, tuple[tuple[object, str], ...]]  # stage -> the functions it is done by, as owner and name


def watched(stages: Stages) -> Counter:
    """Have every function of the stages add the CPU seconds that it takes to its stage's in the counter returned. No
    function of a stage may call one of another.
    """
    spent = Counter()
    for stage, places in stages.items():
        for owner, name in places:
            setattr(owner, name, _timed(stage, getattr(owner, name), spent))
    return spent


def _timed(stage: str, function: Callable, spent: Counter) -> Callable:
    def wrapped(*args, **kwargs):
        start = time.process_time()
        result = function(*args, **kwargs)
        spent[stage] += time.process_time() - start
        return result

    return wrapped
