"""What stands between a click and a crash: a failing slot tells the desk instead of raising."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol


class Tells(Protocol):
    """Whoever shows a failure to the user."""

    def fail(self, error: Exception, doing: str = "") -> None:
        """Show an error: a user's mistake as message and hint, a bug as a report."""


def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method of a panel a slot that may fail; Qt's extra arguments are left out.

    The error goes to `self.desk.fail`, or to `self.fail` where the object has no desk.
    """
    wanted = len(inspect.signature(method).parameters) - 1

    @wraps(method)
    def slot(self: Any, *arguments: Any) -> Any:
        try:
            return method(self, *arguments[:wanted])
        except Exception as error:  # every kind: a bug becomes a report that can be copied
            teller: Tells = getattr(self, "desk", self)
            teller.fail(error, doing=f"{type(self).__name__}.{method.__name__}")
            return None

    return slot
