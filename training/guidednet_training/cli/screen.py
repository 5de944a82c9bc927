"""Events on a terminal: a live bar where there is one, plain lines in a pipe or a log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from ..core.events import CaseDone, Event, Failed, Note, Relabelled, Stage, Started, Step, Validated
from ..core.words import counted

_LINE_PERIOD_S = 10.0  # in a log, a sign of life this often is enough


def console() -> Console:
    """Give a console on standard output, wide enough for tables in a pipe too; brackets are brackets."""
    plain = Console(markup=False, emoji=False)
    return plain if plain.is_terminal else Console(width=120, markup=False, emoji=False)


class RunScreen:
    """Shows the events of a run; call it with each event.

    Parameters
    ----------
    out : Console, optional
        Where to write; standard output when left out.
    """

    def __init__(self, out: Console | None = None) -> None:
        self.out = out or console()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.out,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None, count="")
        self._line_s = 0.0
        self._title = ""

    def __enter__(self) -> Self:
        if self.out.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.out.is_terminal:
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Show one event; those that need no words are passed over."""
        match event:
            case Started():
                self.out.print(f"device: {event.device}", highlight=False)
            case Stage():
                self._show(event.title, event.done, event.total)
            case Step():
                self._show("training", event.step, event.steps, _terms(event.terms))
            case Validated():
                best = ", best so far" if event.best else ""
                network = f" ({event.network})" if event.network else ""
                self.say(f"step {event.step}: validation Dice{network} {event.mean_dice:.3f}{best}")
            case Relabelled():
                self.say(f"round {event.round}: {counted(event.cases, 'case')} labelled anew")
            case CaseDone():
                self.say(f"{event.case}: done in {event.seconds:.1f} s, {event.folder}")
            case Note():
                self.say(event.text)
            case Failed():
                self.say(f"failed: {event.message}")

    def say(self, text: str) -> None:
        """Print one line above the bar."""
        self.out.print(text, highlight=False, markup=False)

    def _show(self, title: str, done: int, total: int, extra: str = "") -> None:
        count = f"{done}/{total}" if total else ""
        if self.out.is_terminal:
            shown = f"{title}  {extra}" if extra else title
            self._bar.update(
                self._task, description=shown, completed=done, total=total or None, count=count, refresh=False
            )
            return
        now_s = time.monotonic()
        if title == self._title and now_s - self._line_s < _LINE_PERIOD_S and (done != total or not total):
            return
        self._title, self._line_s = title, now_s
        self.say(" ".join(part for part in (title, count, extra) if part))


def _terms(terms: Mapping[str, float]) -> str:
    """The loss terms in few words: the player's name is dropped, gradients and rates are left out."""
    shown = {
        name.split(".")[-1]: value
        for name, value in terms.items()
        if name != "lr" and not name.startswith("gradient")
    }
    return " ".join(f"{name} {value:.3g}" for name, value in list(shown.items())[:4])


def table(title: str, *columns: str, figures: bool = True) -> Table:
    """Start a table: the first column holds words, the others figures (or words, too)."""
    started = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        started.add_column(column, justify="right" if index and figures else "left")
    return started
