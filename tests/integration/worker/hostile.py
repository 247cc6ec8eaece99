"""Handlers that do everything they should not, and an innocent one beside them.

Run by ``headway worker tests.integration.worker.hostile``; ``HOSTILE_PREFIX`` names kinds and queue.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

from headway import Context, SyncContext, Worker

PREFIX = os.environ["HOSTILE_PREFIX"]

worker = Worker()
hoard: list[bytearray] = []


def job(function: Any) -> Any:
    """Declare a handler under its own name, tried once."""
    return worker.job(f"{PREFIX}.{function.__name__}", queue=PREFIX, retries=1, timeout=120)(function)


class Evil(BaseException):
    """No ``Exception``."""


@job
async def innocent(ctx: Context) -> str:
    for done in range(40):
        ctx.progress(done, 40)
        await asyncio.sleep(0.1)
    return "unharmed"


@job
async def raises_base_exception(ctx: Context) -> None:
    raise Evil("all of you")


@job
async def exits(ctx: Context) -> None:
    sys.exit(3)


@job
async def exits_in_a_task(ctx: Context) -> None:
    async def leave() -> None:
        sys.exit(3)

    await asyncio.create_task(leave())


@job
async def exits_in_a_task_of_its_own(ctx: Context) -> str:
    async def leave() -> None:
        sys.exit(3)

    ctx.task = asyncio.create_task(leave())  # type: ignore[attr-defined]
    await asyncio.sleep(0.1)
    return "went on"


@job
def exits_in_a_thread(ctx: SyncContext) -> None:
    sys.exit(3)


@job
async def interrupts(ctx: Context) -> None:
    raise KeyboardInterrupt


@job
async def cancels_itself(ctx: Context) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(1)


@job
async def forks(ctx: Context) -> int:
    child = os.fork()
    await asyncio.sleep(0.05)
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    return -1


@job
async def starts_a_program(ctx: Context) -> str:
    program = await asyncio.create_subprocess_exec("echo", "hello", stdout=asyncio.subprocess.PIPE)
    output, _ = await program.communicate()
    return output.decode()


@job
def forks_in_a_thread(ctx: SyncContext) -> int:
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    return -1


@job
async def spins(ctx: Context) -> None:
    while True:
        pass


@job
async def sleeps(ctx: Context) -> None:
    time.sleep(100)


@job
async def blocks_for_good(ctx: Context) -> None:
    # Neither signals nor exceptions get through to a loop that swallows whatever it is interrupted with.
    while True:
        try:
            time.sleep(100)
        except Exception:  # noqa: BLE001
            continue


@job
async def returns_garbage(ctx: Context) -> object:
    return object()


@job
async def returns_too_much(ctx: Context) -> list[str]:
    return ["x" * 1000] * 2_000_000


@job
async def prints_secrets(ctx: Context) -> None:
    key = os.environ["SUPABASE_SECRET_KEY"]
    print(f"the key is {key}")
    print(f"and on the other stream {key}", file=sys.stderr)
    ctx.log.info("in the timeline: %s", key)
    ctx.progress(1, 2, message=f"in the bar: {key}")
    await ctx.emit("harmless", {"a": 1})
    raise ValueError(f"in the error: {key}")


@job
async def prints_two_gigabytes(ctx: Context) -> int:
    line = "x" * 999_999 + "\n"
    return sum(len(line) for _ in range(2_000) if print(line, end="") is None)


@job
async def leaves_tasks(ctx: Context) -> str:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    ctx.left = [asyncio.create_task(for_ever()) for _ in range(3)]  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    return "done"


@job
async def hoards(ctx: Context) -> str:
    hoard.append(bytearray(b"x" * 300_000_000))
    await asyncio.sleep(8)
    return "done"
