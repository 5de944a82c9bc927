"""The line at the foot of the panel: what just happened, and what comes next."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ..backend import GuidedNetError, bug_report
from .guide import NextStep


class StatusLine(QFrame):
    """Shows the last message, an error with its hint, a busy sign, and a button to the next step."""

    next_requested = Signal(object)  # NextStep

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._step: NextStep | None = None
        self._action: Callable[[], object] | None = None
        self._report = ""
        self.happened = _text("status_happened")
        self.happened.setMinimumHeight(2 * self.happened.fontMetrics().lineSpacing() + 2)
        self.hint = _text("status_hint")
        self.next = QPushButton()
        self.next.setObjectName("status_next")
        self.next.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # names can be long
        self.next.clicked.connect(self._go)
        self.action = QPushButton()
        self.action.clicked.connect(self._act)
        self.copy = QPushButton("Copy the report")
        self.copy.setToolTip("What went wrong, as text to paste into a bug report")
        self.copy.clicked.connect(self._copy)
        self.busy = QProgressBar()
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setMaximumHeight(6)
        self._lay_out()
        self.say("Ready.")
        self.busy.hide()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addWidget(self.busy)
        layout.addWidget(self.happened)
        layout.addWidget(self.hint)
        row = QHBoxLayout()
        for button in (self.copy, self.action):
            row.addWidget(button)
            button.hide()
        row.addStretch(1)
        layout.addLayout(row)
        layout.addWidget(self.next)

    def say(self, text: str, action: str = "", do: Callable[[], object] | None = None) -> None:
        """Show what just happened.

        Parameters
        ----------
        text : str
            One or two sentences.
        action, do : str and callable, optional
            A button offered beside it, such as "Undo".
        """
        self.happened.setText(text)
        self.hint.hide()
        self.copy.hide()
        self._action = do
        self.action.setText(action)
        self.action.setVisible(do is not None)

    def show_error(self, error: Exception, doing: str) -> None:
        """Show a user's mistake with its hint, or a bug with a report to copy."""
        self.say("")
        if isinstance(error, GuidedNetError):
            self.happened.setText(f"⚠ {error.message}")
            self.hint.setText(error.hint)
            self.hint.setVisible(bool(error.hint))
            return
        self._report = bug_report(error, doing)
        kind = type(error).__name__
        self.happened.setText(f"⚠ Something in GuidedNet is broken ({kind}). Your labels are safe.")
        self.hint.setText("Copy the report and send it to the developers; you can go on working.")
        self.hint.show()
        self.copy.show()

    def offer(self, action: str, do: Callable[[], object]) -> None:
        """Offer a button beside what is shown, such as a way out of an error."""
        self._action = do
        self.action.setText(action)
        self.action.show()

    def show_next(self, step: NextStep) -> None:
        """Show what comes next; the button leads there."""
        self._step = step
        self.next.setText(f"Next: {step.text}")
        self.next.setToolTip(f"{step.text[:1].upper()}{step.text[1:]}. {step.why}".strip())

    def show_busy(self, on: bool) -> None:
        """Show or hide the sign that something is being read."""
        self.busy.setVisible(on)

    def _go(self) -> None:
        if self._step is not None:
            self.next_requested.emit(self._step)

    def _act(self) -> None:
        do, self._action = self._action, None
        self.action.hide()
        if do is not None:
            do()

    def _copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._report)
        self.hint.setText("The report is in the clipboard.")


def _text(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
