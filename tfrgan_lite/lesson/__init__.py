"""What the chapters share."""

from .listen import listen

__all__ = ["listen"]
