"""Is somebody there to run the jobs that wait?"""

from __future__ import annotations

from headway.client.doctor.finding import Finding, fault, passed, skipped, warning
from headway.client.doctor.subject import Subject
from headway.errors import HeadwayError

__all__ = ["examine_workers"]

_RUN = "Run `headway worker MODULE` with SUPABASE_URL and SUPABASE_SECRET_KEY."


async def examine_workers(subject: Subject) -> Finding:
    """Whether workers have registered and are alive, and whether every kind that waits has one."""
    if subject.secret_key is None:
        return skipped("workers", "no secret key is set", "Set SUPABASE_SECRET_KEY to have it checked.")
    try:
        alive = await subject.rows(
            "worker_stats?select=name,kinds,running,slots&state=eq.alive&limit=1000", caller="secret"
        )
        silent = await subject.rows("worker_stats?select=id&state=eq.silent&limit=1000", caller="secret")
        ready = await subject.rows(
            "queue_stats?select=queue,state,ready,oldest_ready&ready=gt.0", caller="secret"
        )
        waiting = await subject.rows(
            "jobs?select=kind&ready_order=not.is.null&order=ready_order&limit=1000", caller="secret"
        )
    except HeadwayError as error:
        return fault("workers", error)
    served = {kind for worker in alive for kind in worker["kinds"]}
    orphans = sorted({job["kind"] for job in waiting} - served)
    backlog = sum(queue["ready"] for queue in ready)
    paused = sorted(queue["queue"] for queue in ready if queue["state"] == "paused")
    facts = {"alive": len(alive), "silent": len(silent), "ready": backlog, "kinds": sorted(served)}
    if orphans:
        return fault(
            "workers",
            f"{backlog} jobs are ready, and no worker is alive for: {', '.join(orphans[:5])}",
            _RUN,
            orphans=orphans,
            **facts,
        )
    if paused:
        return warning(
            "workers",
            f"jobs wait in paused queues: {', '.join(paused[:5])}",
            "select headway.resume_queue('<queue>');",
            paused=paused,
            **facts,
        )
    if not alive:
        return warning("workers", "no worker is alive", _RUN, **facts)
    busy = sum(worker["running"] for worker in alive)
    slots = sum(worker["slots"] for worker in alive)
    return passed(
        "workers", f"{len(alive)} alive, {busy} of {slots} slots busy, {backlog} jobs ready", **facts
    )
