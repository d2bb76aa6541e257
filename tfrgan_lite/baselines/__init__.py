"""Mixes without learning, to be beaten. Each takes (stems, sample_rate, roles=None) and returns (mix, wet_stems)."""

from .levels import dugan, equal_loudness, raw_sum
from .logic import answer_set

__all__ = ["answer_set", "dugan", "equal_loudness", "raw_sum"]
