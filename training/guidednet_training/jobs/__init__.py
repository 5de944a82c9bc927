"""What keeps promises: a request in, events out."""

from .execute import Outcome, execute

__all__ = ["Outcome", "execute"]
