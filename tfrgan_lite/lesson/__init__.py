"""What the chapters share."""

from .listen import listen
from .slide import slide

__all__ = ["listen", "slide"]
