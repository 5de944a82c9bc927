"""Work runs in a thread; its outcome comes back on the main thread, in order."""

import gc
import threading
import weakref

import pytest
from qtpy.QtCore import QObject, QThread
from qtpy.QtWidgets import QApplication

from napari_guidednet.panels.load import Loader


@pytest.fixture
def loader(qtbot):
    loader = Loader()
    yield loader
    loader.close()
    assert loader.wait(60)


def test_work_leaves_the_main_thread_and_its_outcome_comes_back_to_it(loader, qtbot):
    main, seen = QApplication.instance().thread(), []
    loader.load(
        "Reading", lambda: QThread.currentThread() is main,
        lambda outcome: seen.append((outcome.value, QThread.currentThread() is main)),
    )  # fmt: skip
    qtbot.waitUntil(lambda: bool(seen), timeout=60_000)
    assert seen == [(False, True)]


@pytest.mark.parametrize("error", [ValueError("bad"), RuntimeError("swallowed by superqt")])
def test_every_error_comes_back_as_an_outcome(loader, qtbot, error):
    def work():
        raise error

    seen = []
    loader.load("Reading", work, seen.append)
    qtbot.waitUntil(lambda: bool(seen), timeout=60_000)
    assert seen[0].error is error
    assert seen[0].title == "Reading"


def test_a_newer_request_of_the_same_key_replaces_the_earlier_ones(loader, qtbot):
    gate, seen = threading.Event(), []
    loader.load("a", lambda: gate.wait(60), lambda o: seen.append("a"), key="case")
    loader.load("b", lambda: 1, lambda o: seen.append("b"), key="case")
    loader.load("other", lambda: 1, lambda o: seen.append("other"))
    loader.load("c", lambda: 1, lambda o: seen.append("c"), key="case")
    gate.set()
    qtbot.waitUntil(lambda: len(seen) == 2, timeout=60_000)
    qtbot.wait(50)
    assert sorted(seen) == ["c", "other"]


def test_waiting_blocks_until_the_work_is_over(loader, qtbot):
    gate, done = threading.Event(), []
    loader.load("slow", lambda: (gate.wait(60), done.append(1)), lambda o: None)
    assert not loader.wait(0.05)
    gate.set()
    assert loader.wait(60)
    assert done == [1]


def test_at_the_end_what_waits_is_done_without_events(loader):
    gate, seen = threading.Event(), []
    loader.load("slow", lambda: (gate.wait(60), seen.append("slow")), lambda o: seen.append(o.title))
    loader.load("next", lambda: seen.append("next"), lambda o: seen.append(o.title))
    threading.Timer(0.05, gate.set).start()
    loader.finish_here()
    assert seen == ["slow", "slow", "next", "next"]


def test_a_closed_loader_drops_results_and_takes_no_more_work(loader, qtbot):
    gate, seen = threading.Event(), []
    loader.load("a", lambda: gate.wait(60), seen.append)
    loader.close()
    gate.set()
    loader.load("b", lambda: 1, seen.append)
    assert loader.wait(60)
    qtbot.wait(100)
    assert seen == []


def test_busy_and_idle_are_announced(loader, qtbot):
    titles = []
    loader.started.connect(titles.append)
    with qtbot.waitSignal(loader.idle, timeout=60_000):
        loader.load("Reading phantom_01", lambda: 1, lambda o: None)
    assert titles == ["Reading phantom_01"]
    assert not loader.busy


def test_what_was_finished_here_is_not_told_again_when_events_come(qtbot):
    loader, done, seen = Loader(), [], []
    loader.load("Saving", lambda: done.append(1), seen.append)
    loader.finish_here(timeout_s=30)
    assert (done, len(seen)) == ([1], 1)
    assert not loader.busy
    qtbot.waitUntil(gc.isenabled, timeout=60_000)  # the thread's end has been handled
    assert (done, len(seen)) == ([1], 1)


def test_work_of_several_loaders_comes_back_to_each(qtbot):
    loaders, seen = [Loader() for _ in range(3)], []
    for number, loader in enumerate(loaders):
        loader.load("Reading", lambda number=number: number, lambda o, n=number: seen.append((n, o.value)))
    qtbot.waitUntil(lambda: len(seen) == 3, timeout=60_000)
    assert sorted(seen) == [(0, 0), (1, 1), (2, 2)]


def test_a_loader_holds_no_result_that_it_gave(loader, qtbot):
    class Volume:
        pass

    kept = []
    loader.load("Reading", Volume, lambda o: kept.append(weakref.ref(o.value)))
    qtbot.waitUntil(lambda: bool(kept), timeout=60_000)
    qtbot.waitUntil(lambda: kept[0]() is None, timeout=60_000)


def test_the_callback_is_never_called_before_loading_returns(loader, qtbot):
    seen = []
    for _ in range(50):
        loader.load("Reading", lambda: None, seen.append)
        assert seen == []
        qtbot.waitUntil(lambda: bool(seen), timeout=60_000)
        seen.clear()


def test_what_only_the_work_holds_is_given_up_on_the_main_thread(qtbot):
    class Held(QObject):
        def work(self):
            gate.wait(60)
            return self

    where = []
    for _ in range(20):
        loader, held, gate = Loader(), Held(), threading.Event()
        weakref.finalize(held, lambda: where.append(threading.current_thread().name))
        loader.load("Reading", held.work, lambda _: None)
        loader.close()
        del loader, held
        gate.set()
    qtbot.waitUntil(lambda: len(where) == 20, timeout=60_000)
    assert set(where) == {threading.main_thread().name}
