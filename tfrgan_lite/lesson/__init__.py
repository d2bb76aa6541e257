"""What the chapters share."""

from .blind import blind
from .blind_results import blind_results
from .desk import desk
from .listen import listen
from .progress import progress
from .slide import slide

__all__ = ["blind", "blind_results", "desk", "listen", "progress", "slide"]
