"""What the chapters share."""

from .desk import desk
from .listen import listen
from .progress import progress
from .slide import slide

__all__ = ["desk", "listen", "progress", "slide"]
