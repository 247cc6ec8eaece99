"""A push that fails is a warning in the log, and fails nothing else."""

from __future__ import annotations

import pytest

from support.engine import Engine

OWN_DATABASE = True


@pytest.mark.parametrize(
    "breakage",
    [
        "alter function realtime.send(jsonb, text, text, boolean) rename to sent",
        "drop table realtime.messages cascade",
    ],
)
async def test_a_push_that_fails_fails_nothing_else(engine: Engine, breakage: str) -> None:
    superuser = await engine.connect("supabase_admin")
    await superuser.execute(breakage)
    worker = await engine.worker("k.a")
    user = await engine.user()
    warnings: list[str] = []
    worker.service.connection.add_log_listener(lambda _, message: warnings.append(message.message))
    answer = await user.submit_many([{"kind": "k.a"}], batch={"name": "b"})
    lease = await worker.claim_one()
    await worker.beat(lease, percent=10, stage="a")
    await worker.beat(lease, percent=20)
    await worker.finish(lease)
    await engine.service.call("resume_queue", queue="default")
    assert (await user.job(answer["jobs"][0]["id"]))["status"] == "completed"
    assert warnings, "the log says so"
