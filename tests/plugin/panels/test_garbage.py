"""What nobody holds any more is collected in the GUI thread, never in the one that works."""

import gc
import threading
import weakref

from napari_guidednet.panels.load import Loader


class Knot:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.me = self


def test_work_collects_no_garbage_in_its_thread(qtbot):
    gc.collect()
    where: list[int] = []
    knots = [Knot() for _ in range(100)]
    for knot in knots:
        weakref.finalize(knot, lambda: where.append(threading.get_ident()))

    def work() -> int:
        return len([[n] for n in range(200_000)])  # many times what makes the collector run

    loader, seen = Loader(), []
    loader.load("Reading", work, seen.append)
    knots.clear()
    del knot
    qtbot.waitUntil(lambda: bool(seen) and gc.isenabled(), timeout=60_000)
    gc.collect()
    assert where == [threading.get_ident()] * 100


def test_collection_goes_on_when_all_threads_are_done(qtbot):
    assert gc.isenabled()
    first, second, seen = Loader(), Loader(), []
    hold = threading.Event()
    first.load("Reading", lambda: hold.wait(60), seen.append)
    second.load("Reading", lambda: None, seen.append)
    qtbot.waitUntil(lambda: len(seen) == 1, timeout=60_000)
    assert not gc.isenabled()
    first.close()  # its result is dropped; the thread ends all the same
    hold.set()
    qtbot.waitUntil(gc.isenabled, timeout=60_000)
