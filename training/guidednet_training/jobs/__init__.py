"""What keeps promises: a request in, events out."""

from .running import Outcome, execute

__all__ = ["Outcome", "execute"]
