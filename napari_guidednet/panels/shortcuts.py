"""Keys of the Correct step, bound in napari while the dock is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt

from .organs import LOCK

if TYPE_CHECKING:
    import napari

    from .correct import CorrectPanel

NEXT_PLACE, LOCK_ORGAN, CONFIRM_ORGAN = "Alt-N", "Alt-L", "Alt-C"


class Shortcuts:
    """Binds the keys to a viewer and lets go of them again."""

    def __init__(self, viewer: napari.Viewer, panel: CorrectPanel) -> None:
        self._viewer = viewer
        self._panel = panel
        for key, action in (
            (NEXT_PLACE, self._next_place),
            (LOCK_ORGAN, self._turn_lock),
            (CONFIRM_ORGAN, self._confirm),
        ):
            viewer.bind_key(key, action, overwrite=True)

    def release(self) -> None:
        """Unbind the keys."""
        for key in (NEXT_PLACE, LOCK_ORGAN, CONFIRM_ORGAN):
            self._viewer.bind_key(key, None, overwrite=True)

    def _next_place(self, _viewer: Any) -> None:
        self._panel.places.next.click()

    def _turn_lock(self, _viewer: Any) -> None:
        table = self._panel.table
        if table.current is not None:
            box = table.cell(table.row_of(table.current), LOCK)
            locked = box.checkState() == Qt.CheckState.Checked
            box.setCheckState(Qt.CheckState.Unchecked if locked else Qt.CheckState.Checked)

    def _confirm(self, _viewer: Any) -> None:
        self._panel.confirm.click()
