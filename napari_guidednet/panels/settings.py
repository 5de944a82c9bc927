"""Settings of a training: the few that matter at once, the rest behind "More settings"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QFormLayout, QScrollArea, QVBoxLayout, QWidget
from superqt import QCollapsible

from ..backend import TrainSpec, describe_methods
from .form import SettingsForm

if TYPE_CHECKING:
    from .desk import Desk

QUICK = ("steps", "validate_every", "devices")
TUNING = ("optim", "patch", "seed", "validate_from", "gradients_every")
FREE = ("net", "preprocess")  # a training that starts from a model keeps that model's network


class TrainSettings(QWidget):
    """Shows a TrainSpec and gives it back as edited."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._spec: TrainSpec | None = None
        self._free = False
        self._quick: SettingsForm | None = None
        self._tuning: SettingsForm | None = None
        self._method_settings: SettingsForm | None = None
        self.method = QComboBox()
        self.method.currentIndexChanged.connect(self._on_method)
        self.more = QCollapsible("More settings")
        self.more.setDuration(0)
        self._page = QWidget()
        self._page_layout = QVBoxLayout(self._page)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setMinimumHeight(260)
        area.setWidget(self._page)
        self.more.addWidget(area)
        self.more.toggled.connect(self._on_more)
        choice = QFormLayout()
        choice.addRow("Method", self.method)
        self._page_layout.addLayout(choice)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self.more)

    def show_spec(self, spec: TrainSpec, free: bool) -> None:
        """Show other settings; the same ones again keep what the user has edited.

        Parameters
        ----------
        spec : TrainSpec
            What the plan proposes.
        free : bool
            Whether network and preprocessing may be chosen (training from scratch).
        """
        if self._quick is not None and spec == self._spec and free == self._free:
            return
        self._spec, self._free = spec, free
        self._quick = self._replace(self._quick, SettingsForm.of(spec, QUICK), self._layout, 0)
        if self._tuning is not None:
            self._show_tuning()
            self._choose_method(spec.method)

    def spec(self) -> TrainSpec:
        """Give the settings as edited.

        Raises
        ------
        SpecError
            When the values do not go together.
        """
        content = self._shown().model_dump(mode="json")
        for form in (self._quick, self._tuning):
            if form is not None:
                content |= {name: form.value()[name] for name in form.names}
        if self._method_settings is not None:
            content |= {"method": self.method.currentData(), "settings": self._method_settings.value()}
        return TrainSpec.parse(content, origin="These settings")

    def _shown(self) -> TrainSpec:
        if self._spec is None:
            raise RuntimeError("settings are edited before any were shown")
        return self._spec

    def _on_more(self, opened: bool) -> None:
        if opened and self._tuning is None and self._spec is not None:
            self._show_tuning()
            self.desk.in_thread("Asking for the methods", describe_methods, self._list_methods, quiet=True)

    def _show_tuning(self) -> None:
        fields = (*TUNING, *FREE) if self._free else TUNING
        form = SettingsForm.of(self._shown(), fields)
        self._tuning = self._replace(self._tuning, form, self._page_layout, self._page_layout.count())

    def _list_methods(self, methods: dict[str, dict[str, Any]]) -> None:
        self.method.blockSignals(True)
        self.method.clear()
        for name, about in methods.items():
            self.method.addItem(name, name)
            self.method.setItemData(self.method.count() - 1, about["schema"], SCHEMA)
            self.method.setItemData(self.method.count() - 1, about["when_to_use"], 3)  # Qt.ToolTipRole
        self.method.blockSignals(False)
        self._choose_method(self._shown().method)

    def _choose_method(self, name: str) -> None:
        index = self.method.findData(name)
        if index == self.method.currentIndex():
            self._on_method()
        else:
            self.method.setCurrentIndex(index)

    def _on_method(self, *_: object) -> None:
        schema = self.method.currentData(SCHEMA)
        if schema is None:
            return
        spec = self._shown()
        form = SettingsForm(schema, spec.settings if self.method.currentData() == spec.method else {})
        self._method_settings = self._replace(self._method_settings, form, self._page_layout, 1)

    @staticmethod
    def _replace(
        old: SettingsForm | None, new: SettingsForm, layout: QVBoxLayout, place: int
    ) -> SettingsForm:
        if old is not None:
            place = layout.indexOf(old)
            layout.removeWidget(old)
            old.deleteLater()
        layout.insertWidget(place, new)
        return new


SCHEMA = 256 + 1  # Qt.UserRole + 1: the JSON schema of a method's settings
