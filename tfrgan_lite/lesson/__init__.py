"""What the chapters share."""

from .desk import desk
from .listen import listen
from .slide import slide

__all__ = ["desk", "listen", "slide"]
