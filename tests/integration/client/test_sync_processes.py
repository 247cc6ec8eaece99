"""The synchronous client in real processes: web servers that fork, programs that fork, and Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.processes import all_gone, family

from .shift import Shift

APPS = Path(__file__).parent / "apps"


def environment(shift: Shift, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    source = str(Path(__file__).parents[3] / "src")
    project = {"SUPABASE_URL": shift.stack.url, "SUPABASE_PUBLISHABLE_KEY": shift.stack.keys.publishable_key}
    return {**kept, "PYTHONPATH": source, "PYTHONUNBUFFERED": "1", **project, **more}


@contextmanager
def prefork_server(shift: Shift, app: str, worker_class: str) -> Iterator[str]:
    """The app behind gunicorn with two forked workers; its address."""
    with shift.headway(access_token=(token := shift.token())) as hw:
        queue = shift.kind()
        watched = hw.submit(queue.kind)
    log_reader, log_writer = os.pipe()
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w", "2", "-k", worker_class]
    command += ["-b", "127.0.0.1:0", "--threads", "4", f"{app}:app"]
    process = subprocess.Popen(
        command,
        cwd=APPS,
        env=environment(shift, TEST_TOKEN=token, TEST_JOB=str(watched.id)),
        stdout=log_writer,
        stderr=log_writer,
    )
    os.close(log_writer)
    processes = []
    try:
        said = ""
        with os.fdopen(log_reader) as log:
            for line in log:
                said += line
                if (match := re.search(r"Listening at: (http://\S+)", said)) and said.count("Booting") == 2:
                    break
            assert match, said
            processes = family(process.pid)
            yield match[1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, log.read()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert all_gone(processes)


@pytest.mark.parametrize(
    ("app", "worker_class"), [("flask_app", "gthread"), ("flask_app", "sync"), ("django_app", "sync")]
)
def test_it_works_behind_a_prefork_server(shift: Shift, app: str, worker_class: str) -> None:
    queue = shift.kind()
    headers = {"Authorization": f"Bearer {shift.token()}"}
    with prefork_server(shift, app, worker_class) as url, httpx.Client(base_url=url, timeout=30) as http:
        answers = [
            http.post("/jobs", params={"kind": queue.kind}, json={"n": n}, headers=headers).json()
            for n in range(4)
        ]
        for answer in answers:
            hand = None
            seen = []
            with http.stream("GET", f"/jobs/{answer['id']}", headers=headers) as response:
                for line in response.iter_lines():
                    seen.append(json.loads(line))
                    # Live: the job is worked on only when the browser has been told of it.
                    if seen[-1]["seq"] == 1:
                        hand = shift.take(queue)
                        shift.run(hand.progress(percent=40))
                    elif seen[-1]["percent"] == 40 and hand is not None:
                        shift.run(hand.finish())
            assert [update["percent"] for update in seen if update["percent"]] == [40, 100]


def test_a_fork_goes_on_by_itself_and_the_parent_notices_nothing(shift: Shift) -> None:
    queue = shift.kind()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(APPS / "forking.py")],
        env=environment(shift, TEST_TOKEN=shift.token(), TEST_KIND=queue.kind),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        hands = [shift.take(queue) for _ in range(4)]
        parents = {h.job_id: h for h in hands if h.lease["payload"] == {"from": "parent"}}
        for hand in hands:
            if hand.job_id not in parents:
                shift.run(hand.finish(result="done"))
        assert process.stdout is not None
        assert process.stdout.readline() == "children [0, 0, 0]\n"
        for hand in parents.values():
            shift.run(hand.finish(result="done"))
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert out == "parent ['started', 'completed']\n"
    finally:
        process.kill()
        process.wait()


def test_ctrl_c_ends_a_watch_and_the_program_goes_on(shift: Shift) -> None:
    queue = shift.kind()
    token = shift.token()
    with shift.headway(access_token=token) as hw:
        job = hw.submit(queue.kind)
    process = subprocess.Popen(
        [sys.executable, str(APPS / "endless.py")],
        env=environment(shift, TEST_TOKEN=token, TEST_JOB=str(job.id)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "pending\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "interrupted pending\n", "")
    finally:
        process.kill()
        process.wait()
