"""What a watched list reads does not depend on what has gathered before: counted in pages."""

from __future__ import annotations

import pytest

from sql.engine.backlog import fill
from support.engine import Caller, Engine

OWN_DATABASE = True

# As PostgREST makes them of what headway.client.list_watcher and headway.client.filters ask.
_COLUMNS = (
    "id, kind, status, percent, stage, message, attempt, run, seq, revision, batch_id, parent_id, updated_at"
)
_SINCE = "now() - interval '20 s'"
_READINGS = {
    "the latest ends": "finished_at is not null order by finished_at desc limit 50",
    "what is active": "finished_at is null order by id limit 500",
    "what has changed since": f"(finished_at is null or finished_at >= {_SINCE}) and updated_at >= {_SINCE}"
    " order by updated_at, id limit 500",
    "active()": "status = any ('{pending,processing}') and finished_at is null"
    " order by created_at desc, id desc limit 51",
}
_HISTORY = 30_000
# Some levels of a few indexes, and the rows that are told.
_MOST_PAGES = 120


@pytest.fixture
async def person(engine: Engine) -> Caller:
    """Somebody with a long history and little that goes on."""
    await engine.worker("k.a")
    await fill(engine.admin, kind="k.a", pending=5, finished=_HISTORY, tenants=1)
    await engine.admin.execute("alter table headway.jobs disable trigger user")
    await engine.admin.execute(
        """
        update headway.jobs
        set created_at = t.at, started_at = t.at, finished_at = t.at, updated_at = t.at
        from (select id, now() - interval '1 hour' - random() * interval '30 days' as at from headway.jobs) t
        where t.id = jobs.id and finished_at is not null
        """
    )
    await engine.admin.execute("alter table headway.jobs enable trigger user")
    await engine.admin.execute("vacuum full analyze headway.jobs")
    sub = await engine.admin.fetchval("select owner_id from headway.jobs limit 1")
    return await engine.caller("authenticated", sub)


async def check(caller: Caller, scope: str) -> None:
    """Read a list in every way, and count pages and rows."""
    for name, reading in _READINGS.items():
        statement = f"select {_COLUMNS} from headway.jobs where {scope} and {reading}"
        # Twice: the first notes what it finds out about rows that were just written.
        for _ in range(2):
            (plan,) = await caller.fetch(f"explain (analyze, buffers, format json) {statement}")
        top = plan["QUERY PLAN"][0]["Plan"]
        read = top["Shared Hit Blocks"] + top["Shared Read Blocks"]
        assert read <= _MOST_PAGES, (name, read, top)
        assert top["Actual Rows"] == (50 if name == "the latest ends" else 5), name


async def test_a_persons_list_is_read_without_its_history(person: Caller) -> None:
    await check(person, f"owner_id = '{person.sub}' and organization_id is null")


@pytest.mark.parametrize("column", ["organization_id", "project_id"])
async def test_so_is_an_organizations_and_a_projects(engine: Engine, person: Caller, column: str) -> None:
    owner = await engine.user()
    organization = await engine.organization(owner=owner)
    project = await engine.project(organization=organization)
    await engine.admin.execute("alter table headway.jobs disable trigger user")
    await engine.admin.execute(
        "update headway.jobs set organization_id = $1, project_id = $2", organization, project
    )
    await engine.admin.execute("alter table headway.jobs enable trigger user")
    await engine.admin.execute("vacuum full analyze headway.jobs")
    chosen = organization if column == "organization_id" else project
    await check(owner, f"{column} = '{chosen}'")
