"""What waits to be sent to one socket, bounded."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from headway.local.realtime.faults import RealtimeFaults
from headway.local.realtime.protocol.outbound import Frame

__all__ = ["Outbox"]

# Frames sent before the loop is given to others; an unhindered ASGI send never suspends by itself.
_FRAMES_PER_TURN = 16
_REORDER_PATIENCE_S = 0.1

SendFrame = Callable[[Frame], Awaitable[None]]


class Outbox:
    """Takes frames without waiting and sends them in order.

    A task exists only while something waits, so an idle socket costs a few hundred bytes here.

    Args:
        send: Sends one frame; raises when the connection is gone.
        faults: The service's faults.
        max_bytes: What may wait.
        overflow: Called once when more would wait; the connection is then to be cut.
    """

    __slots__ = (
        "_faults",
        "_frames",
        "_held",
        "_max_bytes",
        "_overflow",
        "_send",
        "_sending_since",
        "_task",
        "closed",
        "waiting_bytes",
    )

    def __init__(
        self, send: SendFrame, faults: RealtimeFaults, max_bytes: int, overflow: Callable[[], None]
    ) -> None:
        self._send = send
        self._faults = faults
        self._max_bytes = max_bytes
        self._overflow = overflow
        self._frames: deque[Frame] = deque()
        self._held: Frame | None = None
        self._task: asyncio.Task[None] | None = None
        self._sending_since = 0.0
        self.closed = False
        self.waiting_bytes = 0

    def put(self, frame: Frame, *, message_of: str | None = None) -> None:
        """Send a frame as soon as the connection takes it.

        Args:
            frame: Text or binary.
            message_of: The topic when the frame is a message (a broadcast, a change, a presence diff) that
                faults may lose, duplicate or reorder.
        """
        if self.closed:
            return
        if self._faults.disturbs_sending:
            self._disturb(frame, message_of)
        else:
            self._enqueue(frame)

    def close(self) -> None:
        """Forget what waits and take no more."""
        self.closed = True
        self._frames.clear()
        self._held = None
        self.waiting_bytes = 0
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def flushed(self, timeout_s: float) -> None:
        """Wait until nothing waits any more, at most ``timeout_s`` seconds."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout_s)

    def blocked_for(self, now: float) -> float:
        """Seconds for which the connection has taken nothing although something waits."""
        return now - self._sending_since if self._task is not None else 0.0

    def _enqueue(self, frame: Frame) -> None:
        if self.closed:
            return
        self.waiting_bytes += len(frame)
        if self.waiting_bytes > self._max_bytes:
            self.close()
            self._overflow()
            return
        self._frames.append(frame)
        if self._task is None:
            self._sending_since = time.monotonic()
            self._task = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        sent = 0
        try:
            while self._frames:
                frame = self._frames.popleft()
                await self._send(frame)
                self.waiting_bytes -= len(frame)
                self._sending_since = time.monotonic()
                sent += 1
                if sent % _FRAMES_PER_TURN == 0:
                    await asyncio.sleep(0)
        except Exception:  # noqa: BLE001 - whatever the server raises, the peer is gone; the reader says why
            self.closed = True
            self._frames.clear()
        finally:
            self._task = None

    def _disturb(self, frame: Frame, message_of: str | None) -> None:
        faults = self._faults
        if faults.silent:
            return
        copies, later = (1, False) if message_of is None else faults.fate(message_of)
        if copies == 0:
            return
        if later and self._held is None:
            self._held = frame
            asyncio.get_running_loop().call_later(_REORDER_PATIENCE_S, self._release, frame)
            return
        held, self._held = self._held, None
        for one in [frame] * copies + ([] if held is None else [held]):
            self._send_late(one)

    def _release(self, frame: Frame) -> None:
        if self._held is frame:
            self._held = None
            self._send_late(frame)

    def _send_late(self, frame: Frame) -> None:
        if self._faults.delay_ms:
            asyncio.get_running_loop().call_later(self._faults.delay_ms / 1000, self._enqueue, frame)
        else:
            self._enqueue(frame)
