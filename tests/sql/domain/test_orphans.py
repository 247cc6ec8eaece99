"""Objects that nothing refers to are found, a page at a time, and nothing else is."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

import pytest

from support.people import NOBODY, SERVICE, Project, Refused


def store(project: Project, bucket: str, *names: str, age: str = "8 days", owner: str | None = None) -> None:
    for name in names:
        project.owner(
            "insert into storage.objects (bucket_id, name, owner_id, created_at, updated_at)"
            " values (%s, %s, %s, now() - %s::interval, now() - %s::interval)",
            bucket, name, owner, age, age,
        )  # fmt: skip


def collect(project: Project, most: int = 2000) -> Any:
    return project.value(SERVICE, "select headway.collect_orphans(%s)", most)


def collect_all(project: Project, most: int = 2000) -> None:
    project.owner("update headway.cleaned_buckets set next_scan_at = now() - interval '1 s'")
    while collect(project, most)["next_in_seconds"] == 0:
        pass


def removals(project: Project) -> set[tuple[str, str]]:
    return {(row.bucket, row.path) for row in project.owner("select bucket, path from headway.file_removals")}


def test_what_nothing_refers_to_is_listed_for_removal(own_project: Project) -> None:
    project = own_project
    project.owner("insert into storage.buckets (id, name) values ('elsewhere', 'elsewhere')")
    person = project.person()
    organization = project.organization(person)
    ((project_id,),) = project.ask(
        person,
        "insert into public.projects (organization_id, name) values (%s, 'P') returning id",
        organization,
    )
    kind = project.kind()
    in_use, row, orphan = (f"{person.id}/{name}" for name in ("in-use", "row", "orphan"))
    store(project, "cvs", in_use, orphan, f"{person.id}/uploading", owner=person.id)
    store(project, "cvs", f"{person.id}/fresh", age="6 days")
    store(project, "videos", f"org/{organization}/row.mp4")
    store(project, "exports", row, orphan)
    store(project, "elsewhere", "orphan")
    project.call(
        person, "headway.submit", {"kind": kind, "files": [{"name": "cv", "bucket": "cvs", "path": in_use}]}
    )
    project.owner(
        "insert into public.videos (project_id, user_id, title, storage_path) values (%s, %s, 'V', %s)",
        project_id, person.id, f"org/{organization}/row.mp4",
    )  # fmt: skip
    project.owner(
        "insert into storage.s3_multipart_uploads (id, upload_signature, bucket_id, key, version)"
        " values ('u', 's', 'cvs', %s, 'v')",
        f"{person.id}/uploading",
    )

    collect_all(project)

    assert removals(project) == {("cvs", orphan), ("exports", orphan), ("exports", row)}
    (listed,) = project.ask(SERVICE, "select headway.prune()")
    assert {(f["bucket"], f["path"]) for f in listed[0]["files"]} == removals(project)
    # Somebody submits it after all.
    project.call(
        person, "headway.submit", {"kind": kind, "files": [{"name": "cv", "bucket": "cvs", "path": orphan}]}
    )
    (listed,) = project.ask(SERVICE, "select headway.prune()")
    assert ("cvs", orphan) not in {(f["bucket"], f["path"]) for f in listed[0]["files"]}


def test_the_search_goes_on_where_it_was_and_rests_for_a_day(own_project: Project) -> None:
    project = own_project
    project.owner("delete from headway.cleaned_buckets where bucket <> 'cvs'")
    store(project, "cvs", *(f"u/{name}" for name in ("a", "B", "ä", "c", "d")))
    answers = [collect(project, 2) for _ in range(4)]
    assert [(a["scanned"], a["found"]) for a in answers] == [(2, 2), (2, 2), (1, 1), (0, 0)]
    assert [a["next_in_seconds"] == 0 for a in answers] == [True, True, False, False]
    assert 86000 < answers[-1]["next_in_seconds"] <= 86400
    assert len(removals(project)) == 5
    collect_all(project)
    assert len(removals(project)) == 5, "what is listed already is not listed twice"


def test_several_workers_search_different_buckets(own_project: Project) -> None:
    project = own_project
    for bucket in ("cvs", "videos", "job-files", "exports"):
        store(project, bucket, *(f"{uuid.uuid4()}/{n}" for n in range(30)))
    failures: list[BaseException] = []

    def search() -> None:
        try:
            with project.another_connection() as connection:
                for _ in range(20):
                    with project.acting(SERVICE, connection=connection) as cursor:
                        cursor.execute("select headway.collect_orphans(7)")
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(removals(project)) == 120


def test_rows_forget_the_files_that_go_with_their_jobs(own_project: Project) -> None:
    project = own_project
    person = project.person()
    kind = project.kind()
    ((place,),) = project.ask(person, "insert into public.projects (name) values ('P') returning id")
    attached, kept, table = (f"{person.id}/{name}" for name in ("attached.mp4", "kept.mp4", "leads.csv"))
    store(project, "videos", attached, kept, owner=person.id)
    files = [{"name": "video", "bucket": "videos", "path": attached}]
    first, second = (
        project.call(person, "headway.submit", {"kind": kind, "files": files})["id"] for _ in range(2)
    )
    for path in (attached, kept):
        project.owner(
            "insert into public.videos (project_id, user_id, storage_path) values (%s, %s, %s)",
            place, person.id, path,
        )  # fmt: skip
    project.owner(
        "insert into public.campaigns (user_id, business_type, location, export_path)"
        " values (%s, 'b', 'l', %s)",
        person.id, table,
    )  # fmt: skip
    project.owner(
        "insert into headway.job_files (job_id, direction, name, bucket, path)"
        " values (%s, 'output', 'leads.csv', 'exports', %s)",
        first, table,
    )  # fmt: skip

    def paths() -> tuple[set[str | None], str | None]:
        videos = project.ask(person, "select storage_path from public.videos")
        ((export,),) = project.ask(person, "select export_path from public.campaigns")
        return {row.storage_path for row in videos}, export

    def retire(job: str) -> None:
        """Let a worker remove a job that is past its retention, and its files."""
        project.ask(person, "select headway.cancel(%s)", job)
        project.owner("update headway.jobs set delete_after = now() - interval '1 s' where id = %s", job)
        ((listed,),) = project.ask(SERVICE, "select headway.prune()")
        assert paths() == before, "a file that is still there is still named"
        project.ask(SERVICE, "select headway.files_removed(%s::json)", json.dumps(listed["files"]))

    before = ({attached, kept}, table)
    retire(first)
    # Another job still has the video.
    before = ({attached, kept}, None)
    assert paths() == before
    retire(second)
    assert paths() == ({None, kept}, None)


def test_what_is_kept_is_the_operators_choice(own_project: Project) -> None:
    project = own_project
    store(project, "cvs", "u/a", age="2 days")
    collect_all(project)
    assert removals(project) == set()
    project.ask(SERVICE, "update headway.cleaned_buckets set orphans_after = '1 day' where bucket = 'cvs'")
    project.ask(SERVICE, "insert into headway.cleaned_buckets (bucket) values ('mine')")
    project.ask(SERVICE, "delete from headway.cleaned_buckets where bucket = 'mine'")
    collect_all(project)
    assert removals(project) == {("cvs", "u/a")}


def test_is_for_workers(project: Project) -> None:
    for somebody in (NOBODY, project.person()):
        with pytest.raises(Refused) as refused:
            project.ask(somebody, "select headway.collect_orphans()")
        assert refused.value.code == "42501"
    for most in (0, 10001, None):
        with pytest.raises(Refused) as refused:
            project.ask(SERVICE, "select headway.collect_orphans(%s)", most)
        assert refused.value.code == "HW103"
