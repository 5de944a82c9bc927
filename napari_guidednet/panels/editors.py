"""One Qt widget per kind of JSON-schema field: how to read it, write it and hear of its changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QHBoxLayout, QLineEdit, QSpinBox, QWidget

from .wheel import still

LARGEST = 2_000_000_000  # a QSpinBox holds a 32-bit integer
TINY = 1e-8  # smallest step of a number box; stands for "above zero"


@dataclass(frozen=True)
class Editor:
    """One field's widget: how to read it, write it and hear of its changes."""

    widget: QWidget
    read: Callable[[], Any]
    write: Callable[[Any], None]
    listen: Callable[[Callable[..., None]], Any]


def editor_for(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> Editor | None:
    """Give an editor for a field's schema, or None where there is none."""
    if "const" in field:
        return None  # one possible value: nothing to choose
    if "enum" in field:
        return _choice(field["enum"])
    if "anyOf" in field:
        return _optional(field["anyOf"], definitions)
    if field.get("type") == "array" and "prefixItems" in field:
        return _row([editor_for(part, definitions) for part in field["prefixItems"]])
    makers: dict[Any, Callable[[Mapping[str, Any]], Editor]] = {
        "boolean": _switch,
        "integer": _integer,
        "number": _real,
        "string": _text,
    }
    maker = makers.get(field.get("type"))
    return maker(field) if maker else None


class PlainDoubleSpinBox(QDoubleSpinBox):
    """A number box that shows no useless zeros."""

    def textFromValue(self, value: float) -> str:
        """Show 0.1, not 0.10000000."""
        return f"{value:.8g}"


def _switch(_: Mapping[str, Any]) -> Editor:
    box = QCheckBox()
    return Editor(box, box.isChecked, box.setChecked, box.toggled.connect)


def _text(_: Mapping[str, Any]) -> Editor:
    line = QLineEdit()
    return Editor(line, line.text, line.setText, line.textChanged.connect)


def _integer(field: Mapping[str, Any]) -> Editor:
    box = QSpinBox()
    still(box)
    low = field.get("minimum", field.get("exclusiveMinimum", -LARGEST - 1) + 1)
    high = field.get("maximum", field.get("exclusiveMaximum", LARGEST + 1) - 1)
    box.setRange(int(low), int(high))
    return Editor(box, box.value, lambda value: box.setValue(int(value)), box.valueChanged.connect)


def _real(field: Mapping[str, Any]) -> Editor:
    box = PlainDoubleSpinBox()
    still(box)
    box.setDecimals(8)
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    low = field.get("minimum", field.get("exclusiveMinimum", -1e12) + TINY)
    high = field.get("maximum", field.get("exclusiveMaximum", 1e12) - TINY)
    box.setRange(float(low), float(high))
    return Editor(box, box.value, lambda value: box.setValue(float(value)), box.valueChanged.connect)


def _choice(options: Sequence[Any]) -> Editor:
    box = QComboBox()
    still(box)
    for option in options:
        box.addItem(str(option).replace("_", " "))
    return Editor(
        box,
        lambda: options[box.currentIndex()],
        lambda value: box.setCurrentIndex(list(options).index(value)),
        box.currentIndexChanged.connect,
    )


def _optional(variants: Sequence[Mapping[str, Any]], definitions: Mapping[str, Any]) -> Editor | None:
    kinds = [variant for variant in variants if variant.get("type") != "null"]
    inner = editor_for(kinds[0], definitions) if len(kinds) == 1 and len(variants) == 2 else None
    if inner is None:
        return None
    use = QCheckBox()
    use.setToolTip("Unticked: off")
    row = _side_by_side([use, inner.widget])
    inner.widget.setEnabled(False)
    use.toggled.connect(inner.widget.setEnabled)

    def write(value: Any) -> None:
        use.setChecked(value is not None)
        if value is not None:
            inner.write(value)

    def listen(slot: Callable[..., None]) -> None:
        use.toggled.connect(slot)
        inner.listen(slot)

    return Editor(row, lambda: inner.read() if use.isChecked() else None, write, listen)


def _row(editors: Sequence[Editor | None]) -> Editor | None:
    known = [editor for editor in editors if editor is not None]
    if len(known) != len(editors):
        return None
    row = _side_by_side([editor.widget for editor in known])

    def write(values: Sequence[Any]) -> None:
        for editor, value in zip(known, values, strict=True):
            editor.write(value)

    def listen(slot: Callable[..., None]) -> None:
        for editor in known:
            editor.listen(slot)

    return Editor(row, lambda: [editor.read() for editor in known], write, listen)


def _side_by_side(widgets: Sequence[QWidget]) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget, 0 if isinstance(widget, QCheckBox) else 1)
    return row
