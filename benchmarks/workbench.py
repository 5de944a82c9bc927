"""How long a person waits on a 512 x 512 x 300 CT: stroke, slice, jump and tools, beside plain napari.

    xvfb-run -a -s "-screen 0 1600x1200x24" python benchmarks/workbench.py

Plain napari is a viewer with the same CT and the same labels and nothing else; ours is the dock with an open
case: the gate, the journal, the maps and the two side views. Both are measured in one process, turn by turn,
from the call to the drawn picture (a software renderer draws much slower than a graphics card does). What is
done in the thread does not hold up the screen; its time is that until the labels have changed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import napari
import numpy as np
from napari.utils.interactions import mouse_move_callbacks
from qtpy.QtWidgets import QApplication

from guidednet_training.core.geometry import Geometry
from guidednet_training.core.labels import AMOS_15
from guidednet_training.core.phantom import make_phantom
from guidednet_training.core.project import Project
from guidednet_training.core.volume import Volume, write_volume
from napari_guidednet.panels.main import MainPanel

FULL, SMALL = 4, 1  # times 75 x 128 x 128 voxels
SPACING_MM = (1.0, 0.8, 0.8)
RADIUS = 12  # voxels, of plain napari's brush and of ours


def main() -> None:
    """Measure everything once per round and print a table of medians."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=5, help="times each thing is done (default 5)")
    options.add_argument("--small", action="store_true", help="128 x 128 x 75; says nothing about speed")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ct, labels = patient(SMALL if arguments.small else FULL)
        bench = Bench(Path(folder), ct, labels, arguments.rounds)
        bench.run()
        bench.close()


def patient(factor: int) -> tuple[Volume, Volume]:
    """Give a synthetic CT of 75 x 128 x 128 times `factor`, with fresh noise in every voxel."""
    ct, labels = make_phantom(1, (75, 128, 128), tuple(s * FULL for s in SPACING_MM), AMOS_15)  # type: ignore[arg-type]

    def large(array: np.ndarray) -> np.ndarray:
        for axis in range(3):
            array = np.repeat(array, factor, axis)
        return np.ascontiguousarray(array)

    noise = np.random.default_rng(0).integers(-12, 13, large(labels.array).shape, dtype=np.int16)
    affine = ct.geometry.affine.copy()
    affine[:3, :3] /= factor
    geometry = Geometry(noise.shape, affine)
    return (
        Volume(large(ct.array) + noise, geometry, "ct_hu"),
        Volume(large(labels.array), geometry, "labels"),
    )


class Bench:
    """Two windows: plain napari, and napari with the dock and an open case."""

    def __init__(self, folder: Path, ct: Volume, labels: Volume, rounds: int) -> None:
        self.rounds = rounds
        self.shape = ct.array.shape
        project = Project.create(folder / "project", "bench", AMOS_15.name)
        write_volume(folder / "big.nii.gz", ct)
        project.add_case(folder / "big.nii.gz", "big", "train", labels)
        project.close()
        self.plain = napari.Viewer(title="plain")
        self.plain.add_image(ct.array, contrast_limits=(-160, 240), scale=SPACING_MM)
        self.labels = self.plain.add_labels(labels.array.copy(), scale=SPACING_MM, opacity=0.5)
        self.labels.brush_size = 2 * RADIUS
        self.ours = napari.Viewer(title="ours")
        self.panel = MainPanel(self.ours)
        self.ours.window.add_dock_widget(self.panel, name="GuidedNet")
        self.panel.open_project(folder / "project")
        start = time.perf_counter()
        self.panel.desk.open_case("big")
        self.wait(lambda: self.panel.desk.correction is not None)
        self.opened_s = time.perf_counter() - start
        self.panel.show_step("Correct")
        self.panel.correct.view.planes.click()
        self.settle(4.0)

    def run(self) -> None:
        """Do everything and print the table."""
        desk, correct = self.panel.desk, self.panel.correct
        ours = desk.layers.labels
        desk.layers.select_organ("liver")
        ours.brush_size = self.labels.brush_size
        value = AMOS_15.value("spleen")  # painted into the liver: every stroke changes what it touches
        z, y, x = (int(c) for c in np.argwhere(ours.data == AMOS_15.value("liver")).mean(0))
        print(f"| {' x '.join(str(n) for n in self.shape)} voxels | ours, ms | plain napari, ms | ratio |")
        print("| --- | --- | --- | --- |")
        self.report("open a case (read and shown)", [self.opened_s])
        places = [(z, y, x + 3 * step) for step in range(self.rounds)]
        plain = self.labels
        self.both(
            "brush, 2-D", lambda i: ours.paint(places[i], value), lambda i: plain.paint(places[i], value)
        )
        correct.tools.hu.setChecked(True)
        self.ours_only("brush within an HU range", lambda i: ours.paint(places[i], 0))
        correct.tools.hu.setChecked(False)
        correct.tools.smart.setChecked(True)
        self.ours_only("smart brush", lambda i: ours.paint(places[i], value))
        self.hovering([(z, y, x + 3 * step) for step in range(4 * self.rounds)])
        correct.tools.smart.setChecked(False)
        for layer in (ours, self.labels):
            layer.n_edit_dimensions = 3
        self.both("brush, 3-D ball", lambda i: ours.paint(places[i], 0), lambda i: plain.paint(places[i], 0))
        for layer in (ours, self.labels):
            layer.n_edit_dimensions = 2
        self.both("undo", lambda i: ours.undo(), lambda i: plain.undo())
        self.both(
            "next slice",
            lambda i: self.ours.dims.set_current_step(0, z + i + 1),
            lambda i: self.plain.dims.set_current_step(0, z + i + 1),
        )
        self.ours_only("jump to a place", lambda i: desk.layers.go_to((z, y + 5 * i, x)))
        regions = correct.regions
        for title, button in (
            ("grow the liver by 2 mm", regions.grow),
            ("shrink the liver by 2 mm", regions.shrink),
            ("smooth the liver with its neighbours", regions.smooth),
            ("keep the largest piece of the liver", regions.pieces.keep),
        ):
            self.region(title, button.click)
        self.hollow()
        self.region("fill the right kidney between slices", regions.fill.click, 1)

    def hovering(self, places: list[tuple[int, int, int]]) -> None:
        """Measure the cursor going over places: the preview alone, then until it is drawn."""
        layer, preview = self.panel.desk.layers.labels, self.panel.correct.tools.hover
        costs: list[float] = []

        def move(index: int) -> None:
            place = layer.data_to_world(places[index])
            event = SimpleNamespace(position=place, modifiers=(), is_dragging=False)
            mouse_move_callbacks(self.ours, event)
            preview.refresh()
            costs.append(preview.costs_s[-1])

        times = [self.timed(lambda index=index: move(index)) for index in range(len(places))]
        self.report(f"preview of the smart brush, computed (longest {1000 * max(costs):.1f} ms)", costs)
        self.report("preview of the smart brush, from the cursor's move to the drawn picture", times)

    def hollow(self) -> None:
        """Take five slices in the middle out of the right kidney."""
        correction = self.panel.desk.correction
        if correction is None:
            raise SystemExit("the case was not opened in time")
        value = AMOS_15.value("right_kidney")
        middle = int(np.argwhere((correction.labels == value).any(axis=(1, 2))).mean())
        box = (slice(middle - 2, middle + 3), slice(None), slice(None))
        new = correction.labels[box].copy()
        new[new == value] = 0
        correction.write(box, new, "erase")
        self.panel.desk.layers.select_organ("right_kidney")

    # measuring

    def both(self, title: str, ours: Callable[[int], object], plain: Callable[[int], object]) -> None:
        """Measure a thing in both windows, turn by turn."""
        times: tuple[list[float], list[float]] = ([], [])
        for index in range(self.rounds):
            for found, do in zip(times, (ours, plain), strict=True):
                found.append(self.timed(lambda do=do, index=index: do(index)))
        self.report(title, *times)

    def ours_only(self, title: str, do: Callable[[int], object]) -> None:
        """Measure what plain napari does not have."""
        self.report(title, [self.timed(lambda index=index: do(index)) for index in range(self.rounds)])

    def region(self, title: str, do: Callable[[], object], rounds: int = 3) -> None:
        """Measure a tool until it has said what it did."""
        times = []
        for _ in range(rounds):
            said: list[str] = []
            self.panel.desk.said.connect(lambda text, _a, _d, said=said: said.append(text))
            start = time.perf_counter()
            do()
            self.wait(lambda said=said: any(not text.endswith("…") for text in said))
            times.append(time.perf_counter() - start)
            self.settle(0.5)
        self.report(f"{title} ({said[-1]})" if said else title, times)

    def timed(self, do: Callable[[], object]) -> float:
        """Give the seconds from the call until everything is drawn."""
        start = time.perf_counter()
        do()
        self.draw()
        seconds = time.perf_counter() - start
        self.settle(0.2)
        return seconds

    def report(self, title: str, ours: list[float], plain: list[float] | None = None) -> None:
        """Print a line of the table: medians."""
        mine = 1000 * statistics.median(ours)
        other = 1000 * statistics.median(plain) if plain else None
        tail = "- | - |" if other is None else f"{other:.0f} | {mine / other:.2f} |"
        print(f"| {title} | {mine:.0f} | {tail}", flush=True)

    def draw(self) -> None:
        """Let Qt draw what is waiting to be drawn."""
        for _ in range(3):
            QApplication.processEvents()

    def wait(self, ready: Callable[[], bool], at_most_s: float = 120.0) -> None:
        """Let Qt work until something is ready."""
        end = time.monotonic() + at_most_s
        while not ready() and time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.002)

    def settle(self, seconds: float) -> None:
        """Let everything that goes on behind come to rest."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.005)

    def close(self) -> None:
        """Close both windows."""
        self.panel.desk.close()
        self.ours.close()
        self.plain.close()


if __name__ == "__main__":
    main()
