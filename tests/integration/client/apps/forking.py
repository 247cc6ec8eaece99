"""Forks while the client is busy; the child goes on by itself, and the parent notices nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading

from headway.client import Headway
from headway.errors import TransportError

hw = Headway(
    url=os.environ["SUPABASE_URL"],
    key=os.environ["SUPABASE_PUBLISHABLE_KEY"],
    access_token=os.environ["TEST_TOKEN"],
)
kind = os.environ["TEST_KIND"]


def child(watch: object) -> None:
    # A hang would be the end of it, and of the test.
    signal.alarm(30)
    code = None
    try:
        next(watch)  # type: ignore[call-overload]
    except TransportError as error:
        code = error.code
    assert code == "forked", code
    job = hw.submit(kind, {"from": "child"})
    types = [update.event.type for update in job.watch() if update.event]
    assert types == ["submitted", "started", "completed"], types
    assert job.result() == "done"
    hw.close()


def busy(stop: threading.Event) -> None:
    while not stop.is_set():
        hw.list(limit=1)


def main() -> None:
    stop = threading.Event()
    threads = [threading.Thread(target=busy, args=(stop,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    job = hw.submit(kind, {"from": "parent"})
    watch = job.watch()
    next(watch)
    children = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                child(watch)
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        children.append(pid)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    print("children", statuses, flush=True)
    rest = [update.event.type for update in watch if update.event]
    print("parent", rest, flush=True)
    stop.set()
    for thread in threads:
        thread.join()
    assert job.result() == "done"
    # Left open: the program ends all the same.


main()
