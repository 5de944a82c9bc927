"""How a run stands: bar, stage, time left, Stop, and the log when it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QProgressBar, QVBoxLayout, QWidget

from ..state.jobs import Job
from .buttons import button
from .guard import guarded

if TYPE_CHECKING:
    from .desk import Desk

STEPS = 1000  # resolution of the bar


class JobProgress(QWidget):
    """Follows the newest run of one kind.

    Parameters
    ----------
    kind : str
        predict, train or evaluate.
    """

    def __init__(self, desk: Desk, kind: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.kind = kind
        self.job: Job | None = None
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.bar = QProgressBar()
        self.stop = button("Stop", "Ends after the current step; what is done is kept", self._stop)
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setMaximumHeight(120)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.title)
        row = QHBoxLayout()
        row.addWidget(self.bar, 1)
        row.addWidget(self.stop)
        layout.addLayout(row)
        layout.addWidget(self.log)
        desk.board.started.connect(self._take)
        desk.board.changed.connect(self._update)
        desk.board.ended.connect(self._update)
        desk.session.project_changed.connect(self._find)
        self._find()

    def _find(self, *_: object) -> None:
        running = self.desk.board.running(self.kind)
        self.follow(running[-1] if running else None)

    def _take(self, job: Job) -> None:
        if job.kind == self.kind:
            self.follow(job)

    def follow(self, job: Job | None) -> None:
        """Show this run."""
        self.job = job
        self.setVisible(job is not None)
        if job is not None:
            self._update(job)

    def _update(self, job: Job) -> None:
        if job is not self.job:
            return
        self.title.setText(f"{job.title}: {job.message}{_time_left(job)}")
        self.bar.setVisible(job.alive)
        self.stop.setVisible(job.alive)
        self.stop.setEnabled(job.state != "stopping")
        self.bar.setRange(0, STEPS if job.fraction is not None else 0)
        if job.fraction is not None:
            self.bar.setValue(round(STEPS * job.fraction))
        broken = job.state in ("failed", "lost")
        tail = job.log_tail() if broken else ""
        self.log.setVisible(bool(tail))
        self.log.setPlainText(tail)

    @guarded
    def _stop(self) -> None:
        if self.job is not None:
            self.desk.board.stop(self.job)


def _time_left(job: Job) -> str:
    if job.eta_s is None or job.eta_s < 1:
        return ""
    minutes, seconds = divmod(round(job.eta_s), 60)
    left = f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
    return f", about {left} left"
