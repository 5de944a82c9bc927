"""What a training would cost, in one line: measured in the background while somebody looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

from ..backend import Estimate, TrainRequest, Workload, estimate

if TYPE_CHECKING:
    from .desk import Desk

LATER = "What it costs can be measured when the running training has ended."
MEASURING = "Measuring a few steps on this computer …"
UNKNOWN = "What it costs could not be measured here."


class CostLine(QLabel):
    """Shows time and memory of a training that could be started, or why it cannot work."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.estimate: Estimate | None = None
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setObjectName("train_cost")
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        lines = 3 * self.fontMetrics().lineSpacing()  # or the button below moves when the figures arrive
        self.setMinimumHeight(lines + 2)

    @property
    def refusal(self) -> str:
        """Why it cannot work, as far as is known."""
        return self.estimate.refusal if self.estimate is not None else ""

    def consider(self, request: TrainRequest | None, work: Workload) -> None:
        """Show the cost of a training, measuring it if need be.

        Parameters
        ----------
        request : TrainRequest or None
            None: there is nothing to be started.
        work : Workload
            The cases it would read.
        """
        forecast = self.desk.forecast
        self.estimate = None
        self.setVisible(request is not None)
        if request is None:
            forecast.drop_pace()
            return
        pace = forecast.pace(request)
        if pace is not None:
            self.estimate = estimate(pace, request.spec, work)
            self.setText(("⚠ " if self.refusal else "") + self.estimate.text)
        elif forecast.knows(request):
            self.setText(UNKNOWN)
        elif self.desk.board.running("train"):
            forecast.drop_pace()
            self.setText(LATER)
        else:
            self.setText(MEASURING)
            if self.isVisible() and forecast.methods:
                forecast.ask_pace(request)
