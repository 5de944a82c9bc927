"""Which other labels the case is compared with, and how: in turn (blink) or by their difference."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QWidget

from ..layers.compare import DIFFERENCE_COLOURS
from ..layers.on_sight import ANOTHER, ONLY_HERE, ONLY_THERE
from ..state.others import Other, others, read_other
from .buttons import button
from .command import Command
from .guard import guarded
from .narrow import narrow

if TYPE_CHECKING:
    from ..state.correction import Correction
    from .desk import Desk

REST_MS = 80  # after a stroke, until the difference is drawn anew
NOBODY = "segment the case to compare"


class CompareBox(QWidget):
    """A choice of other labels, two ways to look at them, and what their colours mean."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._correction: Correction | None = None
        self._reading: str | None = None
        self.other = narrow(QComboBox())
        self.other.setToolTip(
            "Compare the labels with those of a model: the one in use, the one before or any other\n"
            "that has segmented this case; with one network of it, or with its class mixture"
        )
        self.other.currentIndexChanged.connect(self._forget)
        self.blink = button(
            "Blink", "Show the labels now and the other ones in turn (Shift+X)", self.turn_blink
        )
        self.differ = button(
            "Difference", "Colour what differs from the other labels (Shift+D)", self.turn_differ
        )
        for one in (self.blink, self.differ):
            one.setCheckable(True)
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self.legend.setVisible(False)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.other, 0, 0, 1, 2)
        layout.addWidget(self.blink, 1, 0)
        layout.addWidget(self.differ, 1, 1)
        layout.addWidget(self.legend, 2, 0, 1, 2)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(desk.layers.compare.refresh)
        desk.layers.compare.changed.connect(self._on_shown)
        desk.correction_changed.connect(self._on_case)
        desk.session.prediction_changed.connect(self.list_others)
        self._on_case(desk.correction)

    def commands(self) -> tuple[Command, ...]:
        """Give what can be done here by a key."""
        return (
            Command("blink", "Show the labels and those compared with in turn", "Shift-X", self.turn_blink),
            Command(
                "difference", "Colour what differs from the labels compared with", "Shift-D", self.turn_differ
            ),
        )

    @guarded
    def list_others(self, *_: object) -> None:
        """Offer the models that have segmented the open case."""
        found: tuple[Other, ...] = others(self.desk.session)
        chosen = self.other.currentData()
        with QSignalBlocker(self.other):
            self.other.clear()
            for other in found:
                self.other.addItem(other.title, other.key)
            if not found:
                self.other.addItem(NOBODY, None)
            self.other.setCurrentIndex(max(0, self.other.findData(chosen)))
        for widget in (self.other, self.blink, self.differ):
            widget.setEnabled(bool(found))
        if self.other.currentData() != chosen:
            self._forget()

    @guarded
    def turn_blink(self) -> None:
        """Show the other labels in place of the labels now, or the other way round."""
        self._turn("other")

    @guarded
    def turn_differ(self) -> None:
        """Show the difference, or leave it out."""
        self._turn("difference")

    def _turn(self, what: Any) -> None:
        compare = self.desk.layers.compare
        if compare.other is not None:
            compare.show("now" if compare.showing == what else what)
            self._tell()
            return
        case, key = self.desk.session.case, self.other.currentData()
        self._on_shown(compare.showing)  # the button shows what is shown, also while it is read
        if case is None or key is None:
            self.desk.say("There is nothing to compare with: segment this case in the step Segment first.")
            return
        self.desk.in_thread(
            f"Reading the labels of {self.other.currentText()} for {case.id}",
            partial(read_other, self.desk.session, case.id, key),
            partial(self._take, case.id, key, what),
            key="compare",
        )

    def _take(self, case: str, key: str, what: Any, labels: Any) -> None:
        now = self.desk.session.case
        if now is None or now.id != case or self.other.currentData() != key:
            return  # the person went on meanwhile
        self.desk.layers.compare.take(self.other.currentText(), labels)
        self.desk.layers.compare.show(what)
        self._tell()

    def _tell(self) -> None:
        compare, case = self.desk.layers.compare, self.desk.session.case
        name = "" if case is None else case.id
        texts = {
            "now": f"Showing the labels of {name} as they are now.",
            "other": f"Showing {compare.title} in place of the labels of {name}: Shift+X turns back to them.",
            "difference": f"Showing where the labels of {name} differ from {compare.title}.",
        }
        self.desk.say(texts[compare.showing])

    def _forget(self, *_: object) -> None:
        self.desk.layers.compare.clear()

    def _on_case(self, correction: Correction | None) -> None:
        if self._correction is not None:
            self._correction.changed.disconnect(self._on_changed, missing_ok=True)
        self._correction = correction
        if correction is not None:
            correction.changed.connect(self._on_changed)
        self.list_others()

    def _on_changed(self, *_: object) -> None:
        if self.desk.layers.compare.showing == "difference":
            self._rest.start()

    def _on_shown(self, what: str) -> None:
        for one, own in ((self.blink, "other"), (self.differ, "difference")):
            with QSignalBlocker(one):
                one.setChecked(what == own)
        self.legend.setVisible(what == "difference")
        self.legend.setText(_legend(self.desk.layers.compare.title))


def _legend(title: str) -> str:
    words = {ONLY_HERE: "only your labels", ONLY_THERE: f"only {title}", ANOTHER: "another organ"}
    return "<br>".join(
        f'<span style="color:{DIFFERENCE_COLOURS[value]}">■</span> {text}' for value, text in words.items()
    )
