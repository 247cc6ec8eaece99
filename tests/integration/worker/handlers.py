"""Handlers that processes can import."""

from __future__ import annotations

import os
import subprocess
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from headway import SyncContext, Worker

__all__ = ["worker_for"]


class Question(BaseModel):
    text: str
    times: int = 1


class Answer(BaseModel):
    text: str
    length: int


def work(ctx: SyncContext, question: Question) -> dict[str, Any]:
    """Everything that a blocking handler can do."""
    ctx.stage("work", "Working")
    ctx.progress(1, 2)
    answer = ctx.step("repeat", _repeat, question)
    ctx.metrics(a=1)
    ctx.emit("half", 1)
    with ctx.paid_call(provider="openai", max_cost=Decimal("0.5")) as call:
        call.cost(cost=Decimal("0.25"))
    ctx.files.upload("out.txt", answer.text.encode())
    ctx.log.info("worked")
    assert not ctx.cancelled
    assert not ctx.told_to_stop
    assert ctx.time_left > 0
    return {"pid": os.getpid(), "answer": answer.model_dump()}


def _repeat(question: Question) -> Answer:
    text = question.text * question.times
    return Answer(text=text, length=len(text))


def crash(ctx: SyncContext) -> None:
    """Takes its process down."""
    os._exit(9)


def spin(ctx: SyncContext) -> None:
    """Never looks up."""
    while True:
        pass


def leave(ctx: SyncContext) -> None:
    """Tries to end the process."""
    raise SystemExit(3)


def copies(ctx: SyncContext) -> int:
    """Forks; the copy speaks and returns as well."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    print("from the copy")
    ctx.emit("copied")
    return -1


def terminates(ctx: SyncContext) -> int:
    """Starts a program, and ends it."""
    with subprocess.Popen(["sleep", "600"]) as program:
        program.terminate()
        try:
            return program.wait(30)
        finally:
            program.kill()


def keep(ctx: SyncContext) -> object:
    """Answers what cannot leave the process."""
    return lambda: None


def worker_for(prefix: str, queue: str) -> Worker:
    """A worker with these handlers, under kinds of a test's own."""
    worker = Worker()
    for run_in in ("thread", "process"):
        worker.job(f"{prefix}.{run_in}", queue=queue, stages=["work"], run_in=run_in)(work)  # type: ignore[arg-type]
    for handler in (crash, spin, leave, keep, copies, terminates):
        worker.job(f"{prefix}.{handler.__name__}", queue=queue, timeout=60, run_in="process")(handler)
    return worker
