"""A process that keeps what it frees does not ask for it again."""

import ctypes
import subprocess
import sys

import pytest

from tfrgan_lite import memory

COUNT = """
import resource, sys, torch
from tfrgan_lite.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def work():
    for _ in range(20):
        torch.zeros(10_000_000).add_(1)
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    return int(subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not memory.keep_freed_memory(), reason="the C library is not glibc")
def test_freed_memory_is_used_again():
    """Twenty tensors of 40 MB, one after the other: thousands of pages are asked for anew, or next to none."""
    assert faults("kept") < faults("usual") / 20


def test_other_allocators_are_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert memory.keep_freed_memory.__wrapped__() is False
