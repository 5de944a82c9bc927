"""How long a model's labels of a whole CT (512 x 512 x 300) hold the window up: coming in, taken back, saved.

    python benchmarks/fill.py

Measured is what runs on the thread that draws: drawing itself is left out. What is worked out in the worker
thread, and packed in the writing thread, is told beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from workbench import FULL, patient

from guidednet_training.core.case import Annotation, OrganState
from guidednet_training.core.journal import Change, packed
from guidednet_training.core.labels import AMOS_15
from guidednet_training.core.prediction import PredictionRecord
from napari_guidednet.state.correction import Correction
from napari_guidednet.state.merging import plan_merge
from napari_guidednet.state.session import OpenCase, Prediction

ROUNDS = 7


def main() -> None:
    """Take, pack, take back, do again and save; print medians."""
    ct, labels = patient(FULL)
    untouched = Annotation(scheme=AMOS_15.name, organs=dict.fromkeys(AMOS_15.names, OrganState.UNTOUCHED))
    record = PredictionRecord(case="big", bundle="m", scheme=AMOS_15.name, organs={}, mean_confidence=0.5)
    prediction = Prediction("big", "m", labels, {}, record, AMOS_15)
    empty = np.zeros(labels.array.shape, np.uint8)
    correction = Correction(OpenCase("big", "train", ct, empty, untouched, AMOS_15))
    changes: list[Change] = []
    correction.journaled.connect(changes.append)
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        plan = timed(times, "worked out (worker)", lambda: plan_merge(correction, prediction))
        timed(times, "taken", lambda plan=plan: correction.merge_planned(plan))
        entry = timed(times, "packed (writing thread)", lambda: packed(changes[-1]))
        correction.history.packed(entry)
        timed(times, "taken back", correction.undo)
        timed(times, "done again", correction.redo)
        snapshot = timed(times, "copied to be saved", correction.snapshot)
        correction.saved(snapshot)
        correction.undo()
    print(f"{plan.piece[0].size:,} voxels of {labels.array.size:,} change; medians of {ROUNDS}, in ms")
    for title, seconds in times.items():
        print(f"{title:24} {1000 * statistics.median(seconds):5.0f}   (at most {1000 * max(seconds):.0f})")


def timed(times: dict[str, list[float]], title: str, do: Callable[[], Any]) -> Any:
    """Do something and note how long it took."""
    start = time.perf_counter()
    result = do()
    times.setdefault(title, []).append(time.perf_counter() - start)
    return result


if __name__ == "__main__":
    main()
