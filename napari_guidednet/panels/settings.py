"""Settings of a training: the few that matter at once, the rest behind "More settings"."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGroupBox, QScrollArea, QVBoxLayout, QWidget
from superqt import QCollapsible

from ..backend import MethodFacts, TrainSpec
from .form import SettingsForm

QUICK = ("steps", "validate_every", "devices")
TUNING = ("learn", "optim", "patch", "seed", "validate_from", "gradients_every")
FREE = ("net", "preprocess")  # a training that starts from a model keeps that model's network


class TrainSettings(QWidget):
    """Shows a TrainSpec and gives it back as edited."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._spec: TrainSpec | None = None
        self._method: MethodFacts | None = None
        self._free = False
        self._quick: SettingsForm | None = None
        self._tuning: SettingsForm | None = None
        self._method_settings: SettingsForm | None = None
        self.more = QCollapsible("More settings")
        self.more.setDuration(0)
        self._page = QWidget()
        self._page_layout = QVBoxLayout(self._page)
        self._of_method = QGroupBox()
        self._method_layout = QVBoxLayout(self._of_method)
        self._page_layout.addWidget(self._of_method)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setMinimumHeight(260)
        area.setWidget(self._page)
        self.more.addWidget(area)
        self.more.toggled.connect(self._on_more)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self.more)

    def show_spec(self, spec: TrainSpec, method: MethodFacts, free: bool) -> None:
        """Show other settings; the same ones again keep what the user has edited.

        Parameters
        ----------
        spec : TrainSpec
            What the plan proposes.
        method : MethodFacts
            Whose settings the form is made of.
        free : bool
            Whether network and preprocessing may be chosen (training from scratch).
        """
        known = self._method
        self._method = method
        if self._quick is not None and (spec, free) == (self._spec, self._free):
            if method != known and self._tuning is not None:
                self._show_method()
            return
        self._spec, self._free = spec, free
        self._quick = self._replace(self._quick, SettingsForm.of(spec, QUICK), self._layout)
        if self._tuning is not None:
            self._show_more()

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
            content["settings"] = self._method_settings.value()
        return TrainSpec.parse(content, origin="These settings")

    def _shown(self) -> TrainSpec:
        if self._spec is None:
            raise RuntimeError("settings are edited before any were shown")
        return self._spec

    def _on_more(self, opened: bool) -> None:
        if opened and self._tuning is None and self._spec is not None:
            self._show_more()

    def _show_more(self) -> None:
        fields = (*TUNING, *FREE) if self._free else TUNING
        form = SettingsForm.of(self._shown(), fields)
        self._tuning = self._replace(self._tuning, form, self._page_layout)
        self._show_method()

    def _show_method(self) -> None:
        facts = self._method
        known = facts is not None and bool(facts.settings_schema["properties"])
        self._of_method.setVisible(known)
        if facts is not None and known:
            self._of_method.setTitle(f"Settings of {facts.name}")
            form = SettingsForm(facts.settings_schema, self._shown().settings)
            self._method_settings = self._replace(self._method_settings, form, self._method_layout)
        elif self._method_settings is not None:  # a method that is not known keeps the proposed settings
            self._method_settings.deleteLater()
            self._method_settings = None

    def _replace(self, old: SettingsForm | None, new: SettingsForm, layout: QVBoxLayout) -> SettingsForm:
        """Put a form in the place of another; a first one goes to the end of its page, or on top of all."""
        place = layout.count() if layout is not self._layout else 0
        if old is not None:
            place = layout.indexOf(old)
            layout.removeWidget(old)
            old.deleteLater()
        layout.insertWidget(place, new)
        new.changed.connect(self.changed)
        return new
