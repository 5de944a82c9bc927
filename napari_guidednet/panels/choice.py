"""What a training starts from, how it is taught, how long it may take: three boxes with plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QWidget

from ..backend import PRESETS, MethodFacts
from ..state.training import DEFAULT, SCRATCH
from .narrow import narrow

NOTHING = "nothing (train from scratch)"


class TrainChoice(QWidget):
    """Offers models, methods and presets; what the user chose outlives a new list."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._methods: dict[str, MethodFacts] = {}
        self._model: str | None = None  # by the user; otherwise the model in use is started from
        self._taught: str | None = None  # by the user; otherwise the method that suits the cases
        self.model = narrow(QComboBox())
        self.model.setToolTip("A training that starts from a model needs far fewer steps")
        self.method = narrow(QComboBox())
        self.method.setToolTip("How labelled and unlabelled cases teach")
        self.preset = QComboBox()
        self.preset.setToolTip("Sets all settings below; each can be changed afterwards")
        self.when, self.about = _sentence(), _sentence()
        for preset in PRESETS.values():
            self.preset.addItem(preset.title, preset.name)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("Start from", self.model)
        form.addRow("Method", self.method)
        form.addRow("", self.when)
        form.addRow("Time", self.preset)
        form.addRow("", self.about)
        self.show_methods({}, DEFAULT)
        self.model.activated.connect(self._on_model)
        self.method.activated.connect(self._on_method)
        self.preset.currentIndexChanged.connect(self._on_preset)
        self._describe()

    @property
    def chosen_model(self) -> str | None:
        """Bundle to start from, or "scratch"; None while there is nothing to choose from."""
        return SCRATCH if PRESETS[self.chosen_preset].from_scratch else self.model.currentData()

    @property
    def chosen_method(self) -> MethodFacts:
        """How it is taught."""
        return self._methods.get(self.method.currentData(), DEFAULT)

    @property
    def chosen_preset(self) -> str:
        """Key of `PRESETS`."""
        return str(self.preset.currentData())

    def show_models(self, refs: Sequence[tuple[str, str]], in_use: str | None) -> None:
        """List the models (reference and title); the one in use is proposed."""
        with QSignalBlocker(self.model):
            self.model.clear()
            for ref, title in refs:
                self.model.addItem(title, ref)
            self.model.addItem(NOTHING, SCRATCH)
            found = self.model.findData(self._model) if self._model else -1
            self.model.setCurrentIndex(found if found >= 0 else max(0, self.model.findData(in_use)))

    def show_methods(self, methods: Mapping[str, MethodFacts], proposed: MethodFacts) -> None:
        """List the methods; the proposed one is taken unless the user chose another."""
        self._methods = dict(methods) or {proposed.name: proposed}
        with QSignalBlocker(self.method):
            self.method.clear()
            for name, facts in self._methods.items():
                self.method.addItem(name, name)
                self.method.setItemData(
                    self.method.count() - 1, facts.when_to_use, Qt.ItemDataRole.ToolTipRole
                )
            found = self.method.findData(self._taught) if self._taught else -1
            self.method.setCurrentIndex(found if found >= 0 else self.method.findData(proposed.name))
        self._describe()

    def choose_method(self, name: str) -> None:
        """Choose as the user does."""
        self.method.setCurrentIndex(self.method.findData(name))
        self._on_method()

    def choose_model(self, ref: str) -> None:
        """Choose as the user does: a bundle, or "scratch"."""
        self.model.setCurrentIndex(self.model.findData(ref))
        self._on_model()

    def choose_preset(self, name: str) -> None:
        """Choose as the user does."""
        self.preset.setCurrentIndex(self.preset.findData(name))

    def _on_model(self, *_: object) -> None:
        self._model = self.model.currentData()
        self.changed.emit()

    def _on_method(self, *_: object) -> None:
        self._taught = self.method.currentData()
        self._describe()
        self.changed.emit()

    def _on_preset(self, *_: object) -> None:
        self._describe()
        self.changed.emit()

    def _describe(self) -> None:
        self.when.setText(self.chosen_method.when_to_use)
        self.when.setVisible(bool(self.chosen_method.when_to_use))
        preset = PRESETS[self.chosen_preset]
        self.about.setText(preset.text)
        self.model.setEnabled(not preset.from_scratch)


def _sentence() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
