"""Work runs in a thread; its outcome comes back on the main thread, in order."""

import gc
import threading
import time

import pytest
from qtpy.QtCore import QThread
from qtpy.QtWidgets import QApplication

from napari_guidednet.panels.load import Loader


@pytest.fixture
def loader(qtbot):
    loader = Loader()
    yield loader
    loader.close()
    assert loader.wait(5)


def test_work_leaves_the_main_thread_and_its_outcome_comes_back_to_it(loader, qtbot):
    main, seen = QApplication.instance().thread(), []
    loader.load(
        "Reading", lambda: QThread.currentThread() is main,
        lambda outcome: seen.append((outcome.value, QThread.currentThread() is main)),
    )  # fmt: skip
    qtbot.waitUntil(lambda: bool(seen), timeout=5000)
    assert seen == [(False, True)]


@pytest.mark.parametrize("error", [ValueError("bad"), RuntimeError("swallowed by superqt")])
def test_every_error_comes_back_as_an_outcome(loader, qtbot, error):
    def work():
        raise error

    seen = []
    loader.load("Reading", work, seen.append)
    qtbot.waitUntil(lambda: bool(seen), timeout=5000)
    assert seen[0].error is error
    assert seen[0].title == "Reading"


def test_a_newer_request_of_the_same_key_replaces_the_earlier_ones(loader, qtbot):
    gate, seen = threading.Event(), []
    loader.load("a", lambda: gate.wait(5), lambda o: seen.append("a"), key="case")
    loader.load("b", lambda: 1, lambda o: seen.append("b"), key="case")
    loader.load("other", lambda: 1, lambda o: seen.append("other"))
    loader.load("c", lambda: 1, lambda o: seen.append("c"), key="case")
    gate.set()
    qtbot.waitUntil(lambda: len(seen) == 2, timeout=5000)
    qtbot.wait(50)
    assert sorted(seen) == ["c", "other"]


def test_waiting_blocks_until_the_work_is_over(loader, qtbot):
    gate, done = threading.Event(), []
    loader.load("slow", lambda: (gate.wait(5), done.append(1)), lambda o: None)
    assert not loader.wait(0.05)
    gate.set()
    assert loader.wait(5)
    assert done == [1]


def test_at_the_end_what_waits_is_done_without_events(loader):
    gate, seen = threading.Event(), []
    loader.load("slow", lambda: (gate.wait(5), seen.append("slow")), lambda o: None)
    loader.load("next", lambda: seen.append("next"), lambda o: seen.append(o.title))
    threading.Timer(0.05, gate.set).start()
    loader.finish_here()
    assert seen == ["slow", "next", "next"]


def test_a_closed_loader_drops_results_and_takes_no_more_work(loader, qtbot):
    gate, seen = threading.Event(), []
    loader.load("a", lambda: gate.wait(5), seen.append)
    loader.close()
    gate.set()
    loader.load("b", lambda: 1, seen.append)
    assert loader.wait(5)
    qtbot.wait(100)
    assert seen == []


def test_busy_and_idle_are_announced(loader, qtbot):
    titles = []
    loader.started.connect(titles.append)
    with qtbot.waitSignal(loader.idle, timeout=5000):
        loader.load("Reading phantom_01", lambda: 1, lambda o: None)
    assert titles == ["Reading phantom_01"]
    assert not loader.busy


def test_work_that_no_thread_has_begun_is_done_at_the_end(qtbot):
    loader, done, seen = Loader(), [], []
    loader.load("Saving", lambda: done.append(1), seen.append)
    start = time.monotonic()
    loader.finish_here(timeout_s=30)  # no event has been handled since: the thread cannot have started
    assert time.monotonic() - start < 10
    assert (done, len(seen)) == ([1], 1)
    qtbot.wait(100)  # now it starts, and finds the work done
    assert (done, len(seen)) == ([1], 1)
    assert not loader.busy
    assert gc.isenabled()
