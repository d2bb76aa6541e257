"""One job, many arguments, all cores; or one job that leaves a core to another."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky import process_executor

from .memory import keep_freed_memory

KEPT_BYTES = 4 * 2**30  # that a worker may grow by
T = TypeVar("T")


def on_all_cores(job: Callable[..., T], arguments: Iterable[tuple]) -> Iterator[T]:
    """The results of ``job(*arguments)``, in order. The job must be a function of a module, or a partial of one."""
    jobs = (delayed(_on_one_core)(job, each) for each in arguments)
    return Parallel(n_jobs=min(cpu_count(), 8), return_as="generator")(jobs)


def _on_one_core(job: Callable[..., T], arguments: tuple) -> T:
    torch.set_num_threads(1)  # the other cores are busy with other jobs
    keep_freed_memory()
    # A worker that grows is taken for one that leaks, and started anew, with a warning; this one keeps the bank's notes
    # and what it has freed. joblib has no setting for it.
    process_executor._MAX_MEMORY_LEAK_SIZE = KEPT_BYTES
    return job(*arguments)


@contextmanager
def one_core_left() -> Iterator[None]:
    """Leave a core to a thread that works ahead: where it takes one from those that share out every single operation,
    they all wait for it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads - 1))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
