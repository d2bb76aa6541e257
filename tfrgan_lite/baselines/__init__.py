"""Mixes without learning, to be beaten. Each takes (stems, sample_rate, roles=None) and returns (mix, wet_stems)."""

from .levels import dugan, equal_loudness, raw_sum

__all__ = ["dugan", "equal_loudness", "raw_sum"]
