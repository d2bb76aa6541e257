"""Mixes without a network, to be beaten. Each takes (stems, sample_rate, roles=None) and returns (mix, wet_stems)."""

from .jitter import Jitter
from .knowledge import knowledge_rules
from .learned import StaticRule
from .levels import dugan, equal_loudness, raw_sum
from .logic import answer_set

__all__ = ["Jitter", "StaticRule", "answer_set", "dugan", "equal_loudness", "knowledge_rules", "raw_sum"]
