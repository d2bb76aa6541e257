"""Memory that is freed and asked for again all the time."""

import ctypes
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


@cache
def keep_freed_memory() -> bool:
    """Let this process keep what it frees, up to 2 GiB, for the next time; whether that could be asked for.

    glibc gives large blocks back to the system at once and gets them again page by page, emptied: a third of the time
    of a training step, whose tensors are of the same sizes again and again. Other systems' allocators are left alone.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # no glibc
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 2**30) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
