"""A Qt form made from a JSON schema: titles, descriptions, ranges and choices come from the fields.

A pydantic model gives such a schema of itself, and a child process can send one, so the settings
of a method are edited without importing it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QGroupBox, QLabel, QVBoxLayout, QWidget

from .editors import Editor, editor_for

Schema = Mapping[str, Any]


class SettingsForm(QWidget):
    """Edit an object that a JSON schema describes, field by field.

    Parameters
    ----------
    schema : mapping
        JSON schema of an object, as pydantic's `model_json_schema` gives it.
    value : mapping
        What to show; fields without an editor are carried along unchanged.
    only : collection of str, optional
        Show these fields alone, in this order.
    """

    changed = Signal()

    def __init__(
        self,
        schema: Schema,
        value: Mapping[str, Any],
        only: Collection[str] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._carried = dict(value)
        self._editors: dict[str, Editor] = {}
        self._rows = QFormLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self._rows.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)  # a dock is narrow
        definitions = schema.get("$defs", {})
        fields = schema["properties"]
        for name in only if only is not None else fields:
            self._add(name, resolve(fields[name], definitions), definitions)
        self.set_value(value)

    @classmethod
    def of(cls, value: BaseModel, only: Collection[str] | None = None) -> SettingsForm:
        """Make a form for a pydantic model."""
        return cls(value.model_json_schema(), value.model_dump(mode="json"), only)

    def _add(self, name: str, field: Schema, definitions: Schema) -> None:
        editor = self._nested(field, definitions) or editor_for(field, definitions)
        if editor is None:
            return
        editor.widget.setObjectName(name)
        editor.widget.setToolTip(explain(name, field))
        self._editors[name] = editor
        if isinstance(editor.widget, SettingsForm):
            box = QGroupBox(title_of(name, field))
            QVBoxLayout(box).addWidget(editor.widget)
            self._rows.addRow(box)
        else:
            label = QLabel(title_of(name, field))
            label.setToolTip(explain(name, field))
            label.setBuddy(editor.widget)
            self._rows.addRow(label, editor.widget)
        if "default" in field:
            editor.write(field["default"])
        editor.listen(lambda *_: self.changed.emit())

    @staticmethod
    def _nested(field: Schema, definitions: Schema) -> Editor | None:
        if not field.get("properties"):
            return None
        form = SettingsForm({**field, "$defs": definitions}, field.get("default", {}))
        return Editor(form, form.value, form.set_value, form.changed.connect)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields that can be edited."""
        return tuple(self._editors)

    def editor(self, name: str) -> Editor:
        """Give the editor of one field."""
        return self._editors[name]

    def value(self) -> dict[str, Any]:
        """Give the object as edited, as JSON would hold it."""
        return self._carried | {name: editor.read() for name, editor in self._editors.items()}

    def set_value(self, value: Mapping[str, Any]) -> None:
        """Show another object; fields it does not name keep what they show."""
        self._carried |= value
        for name, editor in self._editors.items():
            if name in value:
                editor.write(value[name])


def resolve(field: Schema, definitions: Schema) -> Schema:
    """Follow a reference to a shared definition; what stands beside it wins."""
    if "$ref" not in field:
        return field
    target = definitions[field["$ref"].rsplit("/", 1)[-1]]
    beside = {key: content for key, content in field.items() if key != "$ref"}
    return {**target, **beside}


def title_of(name: str, field: Schema) -> str:
    """Give the field's title, or its name in words."""
    return str(field.get("title") or name.replace("_", " ").capitalize())


def explain(name: str, field: Schema) -> str:
    """Give the tooltip: what the field does and its name in files."""
    description = str(field.get("description") or title_of(name, field)).strip()
    return f"{description[:1].upper()}{description[1:]}\n(setting: {name})"
