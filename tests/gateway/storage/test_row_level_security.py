"""What one user can do to another's objects: nothing, and not even learn that they are there."""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx
import pytest

from . import tus
from .harness import ALICE, MALLORY, StorageSite
from .test_http_shapes import refusal

FORBIDDEN = (400, "403", "Unauthorized", "new row violates row-level security policy")
MISSING = (400, "404", "not_found", "Object not found")


@pytest.fixture
def bucket(site: StorageSite, alice: httpx.Client) -> str:
    """A bucket where everyone has a folder of their own; Alice has a file in hers."""
    bucket = site.bucket()
    site.allow_own_folder(bucket)
    assert alice.post(f"/object/{bucket}/{ALICE}/diary.txt", content=b"secret").is_success
    return bucket


@pytest.fixture
def untouched(site: StorageSite, bucket: str, service: httpx.Client) -> Callable[[], None]:
    """Checks that Alice's file is what it was, and nothing else is there."""
    before = site.rows(bucket)

    def check() -> None:
        assert site.rows(bucket) == before
        assert service.get(f"/object/{bucket}/{ALICE}/diary.txt").content == b"secret"
        ((owner,),) = site.execute("select owner_id from storage.objects where bucket_id = %s", bucket)
        assert owner == ALICE

    return check


def test_the_owner_can_do_everything(site: StorageSite, alice: httpx.Client, bucket: str) -> None:
    path = f"{bucket}/{ALICE}"
    assert alice.get(f"/object/{path}/diary.txt").content == b"secret"
    assert alice.put(f"/object/{path}/diary.txt", content=b"new").is_success
    move = {"bucketId": bucket, "sourceKey": f"{ALICE}/diary.txt", "destinationKey": f"{ALICE}/old.txt"}
    assert alice.post("/object/move", json=move).is_success
    copy = {"bucketId": bucket, "sourceKey": f"{ALICE}/old.txt", "destinationKey": f"{ALICE}/copy.txt"}
    assert alice.post("/object/copy", json=copy).is_success
    assert alice.post(f"/object/sign/{path}/copy.txt", json={"expiresIn": 5}).is_success
    assert alice.post(f"/object/upload/sign/{path}/later.txt").is_success
    assert alice.delete(f"/object/{path}/old.txt").is_success
    gone = alice.request("DELETE", f"/object/{bucket}", json={"prefixes": [f"{ALICE}/copy.txt"]})
    assert gone.json()[0]["owner_id"] == ALICE
    assert site.rows(bucket) == {}


@pytest.mark.parametrize("name", ["diary.txt", "not-there.txt"])
def test_another_cannot_tell_what_is_there(
    mallory: httpx.Client, bucket: str, untouched: Callable[[], None], name: str
) -> None:
    """Every answer is the same whether the object exists or not."""
    path = f"{bucket}/{ALICE}/{name}"
    assert refusal(mallory.get(f"/object/{path}")) == MISSING
    assert refusal(mallory.get(f"/object/authenticated/{path}")) == MISSING
    assert refusal(mallory.get(f"/object/info/{path}")) == MISSING
    assert mallory.head(f"/object/{path}").status_code == 400
    assert refusal(mallory.post(f"/object/sign/{path}", json={"expiresIn": 60})) == MISSING
    (entry,) = mallory.post(
        f"/object/sign/{bucket}", json={"expiresIn": 60, "paths": [f"{ALICE}/{name}"]}
    ).json()
    assert entry["signedURL"] is None
    assert refusal(mallory.delete(f"/object/{path}")) == MISSING
    removed = mallory.request("DELETE", f"/object/{bucket}", json={"prefixes": [f"{ALICE}/{name}"]})
    assert removed.json() == []
    for body in (
        {"bucketId": bucket, "sourceKey": f"{ALICE}/{name}", "destinationKey": f"{MALLORY}/x"},
        {"bucketId": bucket, "sourceKey": f"{ALICE}/{name}", "destinationKey": f"{ALICE}/x"},
    ):
        assert refusal(mallory.post("/object/move", json=body)) == MISSING
        assert refusal(mallory.post("/object/copy", json=body)) == MISSING
    for upsert in ("false", "true"):
        headers = {"x-upsert": upsert}
        assert refusal(mallory.post(f"/object/{path}", content=b"x", headers=headers)) == FORBIDDEN
        assert refusal(mallory.post(f"/object/upload/sign/{path}", headers=headers)) == FORBIDDEN
        created = tus.create(mallory, bucket, f"{ALICE}/{name}", 1, headers=headers)
        assert (created.status_code, created.text) == (403, FORBIDDEN[3])
    assert refusal(mallory.put(f"/object/{path}", content=b"x")) == FORBIDDEN
    untouched()


@pytest.mark.parametrize("name", ["diary.txt", "not-there.txt"])
def test_nothing_can_be_moved_or_copied_onto_anothers_name(
    mallory: httpx.Client, bucket: str, service: httpx.Client, name: str
) -> None:
    assert mallory.post(f"/object/{bucket}/{MALLORY}/x", content=b"x").is_success
    body = {
        "bucketId": bucket,
        "sourceKey": f"{MALLORY}/x",
        "destinationKey": f"{ALICE}/{name}",
    }
    assert refusal(mallory.post("/object/move", json=body)) == FORBIDDEN
    for upsert in ("false", "true"):
        copied = mallory.post("/object/copy", json=body, headers={"x-upsert": upsert})
        assert refusal(copied) == FORBIDDEN
    assert service.get(f"/object/{bucket}/{ALICE}/diary.txt").content == b"secret"
    assert mallory.get(f"/object/{bucket}/{MALLORY}/x").content == b"x"


def test_lists_hide_what_is_anothers(mallory: httpx.Client, bucket: str) -> None:
    for body in ({"prefix": ""}, {"prefix": ALICE}, {"prefix": "", "search": ALICE[:4]}):
        assert mallory.post(f"/object/list/{bucket}", json=body).json() == []
        page = mallory.post(f"/object/list-v2/{bucket}", json={"prefix": body["prefix"]}).json()
        assert (page["objects"], page["folders"]) == ([], [])


def test_nobody_is_not_somebody(site: StorageSite, bucket: str, untouched: Callable[[], None]) -> None:
    with site.client(site.stack.keys.anon_key) as anon:
        path = f"{bucket}/{ALICE}/diary.txt"
        assert refusal(anon.get(f"/object/{path}")) == MISSING
        assert refusal(anon.put(f"/object/{path}", content=b"x")) == FORBIDDEN
        assert refusal(anon.delete(f"/object/{path}")) == MISSING
        assert refusal(anon.post("/bucket", json={"name": "mine"})) == FORBIDDEN
        assert anon.get("/bucket").json() == []
        assert refusal(anon.get(f"/bucket/{bucket}"))[1] == "404"
        assert refusal(anon.put(f"/bucket/{bucket}", json={"public": True}))[1] == "404"
        assert anon.delete(f"/bucket/{bucket}").json()["statusCode"] in ("404", "409")
    untouched()


def test_upsert_needs_the_right_to_update(site: StorageSite, alice: httpx.Client) -> None:
    """INSERT alone lets a user add, not replace: the real service asks for SELECT and UPDATE too."""
    bucket = site.bucket()
    site.allow(bucket, "insert")
    assert alice.post(f"/object/{bucket}/a", content=b"1").is_success
    upsert = {"x-upsert": "true"}
    assert refusal(alice.post(f"/object/{bucket}/a", content=b"2", headers=upsert)) == FORBIDDEN
    site.allow(bucket, "select")
    assert refusal(alice.post(f"/object/{bucket}/a", content=b"2", headers=upsert)) == FORBIDDEN
    assert refusal(alice.put(f"/object/{bucket}/a", content=b"2")) == FORBIDDEN
    site.allow(bucket, "update")
    assert alice.post(f"/object/{bucket}/a", content=b"2", headers=upsert).is_success


def test_each_verb_has_its_own_policies(
    site: StorageSite, alice: httpx.Client, service: httpx.Client
) -> None:
    bucket = site.bucket()
    service.post(f"/object/{bucket}/a", content=b"1")
    move = {"bucketId": bucket, "sourceKey": "a", "destinationKey": "b"}
    site.allow(bucket, "select")
    assert alice.get(f"/object/{bucket}/a").is_success
    # Visible but not deletable: this caller may know that it is there.
    assert refusal(alice.delete(f"/object/{bucket}/a")) == (400, "403", "Unauthorized", "Access denied")
    assert refusal(alice.post("/object/move", json=move)) == MISSING
    assert refusal(alice.post("/object/copy", json=move)) == FORBIDDEN
    assert refusal(alice.post(f"/object/{bucket}/c", content=b"1")) == FORBIDDEN
    site.allow(bucket, "update")
    assert alice.post("/object/move", json=move).is_success
    site.allow(bucket, "delete")
    assert alice.delete(f"/object/{bucket}/b").is_success


def test_deleting_needs_select_too(site: StorageSite, alice: httpx.Client, service: httpx.Client) -> None:
    bucket = site.bucket()
    service.post(f"/object/{bucket}/a", content=b"1")
    site.allow(bucket, "delete")
    assert refusal(alice.delete(f"/object/{bucket}/a")) == MISSING
    assert alice.request("DELETE", f"/object/{bucket}", json={"prefixes": ["a"]}).json() == []
    site.allow(bucket, "select")
    assert alice.delete(f"/object/{bucket}/a").is_success


def test_policies_see_the_operation_the_claims_and_the_file(
    site: StorageSite, alice: httpx.Client, service: httpx.Client
) -> None:
    bucket = site.bucket()
    site.allow(
        bucket,
        "insert",
        "storage.operation() = 'storage.object.upload' and auth.jwt() ->> 'plan' = 'pro'"
        " and metadata ->> 'mimetype' = 'text/css' and (metadata ->> 'contentLength')::int <= 5"
        " and owner_id = auth.uid()::text and (storage.foldername(name))[1] = 'css'",
    )
    with site.client(site.token(ALICE, plan="pro")) as pro:
        css = {"content-type": "text/css"}
        assert pro.post(f"/object/{bucket}/css/a", content=b"12345", headers=css).is_success
        for answer in (
            pro.post(f"/object/{bucket}/css/b", content=b"123456", headers=css),
            pro.post(f"/object/{bucket}/css/b", content=b"1", headers={"content-type": "text/plain"}),
            pro.post(f"/object/{bucket}/js/b", content=b"1", headers=css),
            pro.post(f"/object/upload/sign/{bucket}/css/b", headers=css),
            alice.post(f"/object/{bucket}/css/b", content=b"1", headers=css),
        ):
            assert refusal(answer) == FORBIDDEN
    site.allow(bucket, "select", "storage.allow_only_operation('object.list')")
    with site.client(site.token(ALICE)) as client:
        assert len(client.post(f"/object/list/{bucket}", json={"prefix": "css"}).json()) == 1
        assert refusal(client.get(f"/object/{bucket}/css/a")) == MISSING


def test_a_user_with_policies_on_buckets_manages_their_own(site: StorageSite, alice: httpx.Client) -> None:
    name = f"test buckets {MALLORY}"
    site.execute(
        f'create policy "{name}" on storage.buckets to authenticated'
        " using (owner_id = auth.uid()::text) with check (owner_id = auth.uid()::text)"
    )
    bucket = f"own-{ALICE}"
    site.buckets.append(bucket)
    try:
        assert alice.post("/bucket", json={"name": bucket}).is_success
        assert alice.get(f"/bucket/{bucket}").json()["owner"] == ALICE
        with site.client(site.token(MALLORY)) as mallory:
            assert refusal(mallory.get(f"/bucket/{bucket}"))[1] == "404"
            assert refusal(mallory.put(f"/bucket/{bucket}", json={"public": True}))[1] == "404"
            assert refusal(mallory.delete(f"/bucket/{bucket}"))[1] == "404"
        assert alice.put(f"/bucket/{bucket}", json={"public": True}).is_success
        assert alice.delete(f"/bucket/{bucket}").is_success
    finally:
        site.execute(f'drop policy "{name}" on storage.buckets')


def test_a_race_for_a_name_replaces_nobodys_object(
    site: StorageSite, alice: httpx.Client, mallory: httpx.Client, service: httpx.Client
) -> None:
    """Mallory's slow upload begins before the name is Alice's; it must not replace her object."""
    bucket = site.bucket()
    site.allow(bucket, "insert")
    site.allow(bucket, "select", "owner_id = auth.uid()::text")
    site.allow(bucket, "update", "owner_id = auth.uid()::text")
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> object:
        yield b"x" * 100_000
        begun.set()
        assert go_on.wait(30)
        yield b"x"

    for upsert in ("false", "true"):
        begun.clear()
        go_on.clear()
        answers: list[httpx.Response] = []

        def upload(upsert: str = upsert, answers: list[httpx.Response] = answers) -> None:
            headers = {"x-upsert": upsert}
            answers.append(
                mallory.post(f"/object/{bucket}/prize-{upsert}", content=slowly(), headers=headers)  # type: ignore[arg-type]
            )

        thread = threading.Thread(target=upload)
        thread.start()
        assert begun.wait(30)
        assert alice.post(f"/object/{bucket}/prize-{upsert}", content=b"alice was here").is_success
        go_on.set()
        thread.join()
        assert answers[0].json()["statusCode"] in ("409", "403")
        assert service.get(f"/object/{bucket}/prize-{upsert}").content == b"alice was here"
    assert list((site.root / "incoming").iterdir()) == []


def test_a_policy_that_is_taken_away_counts_at_once(
    site: StorageSite, alice: httpx.Client, service: httpx.Client
) -> None:
    bucket = site.bucket()
    name = site.allow(bucket, "insert")
    url = tus.create(alice, bucket, "a", 3).headers["location"]
    site.execute(f'drop policy "{name}" on storage.objects')
    site.policies.remove(name)
    answer = tus.patch(alice, url, 0, b"abc")
    assert (answer.status_code, answer.text) == (403, FORBIDDEN[3])
    assert site.rows(bucket) == {}
    # With a signed URL the policy has had its say when the URL was made.
    name = site.allow(bucket, "insert")
    token = alice.post(f"/object/upload/sign/{bucket}/b").json()["token"]
    site.execute(f'drop policy "{name}" on storage.objects')
    site.policies.remove(name)
    assert alice.put(f"/object/upload/sign/{bucket}/b?token={token}", content=b"1").is_success
    ((owner,),) = site.execute("select owner_id from storage.objects where bucket_id = %s", bucket)
    assert owner == ALICE


def test_what_a_policys_function_sets_does_not_reach_the_next_caller(
    site: StorageSite, alice: httpx.Client, mallory: httpx.Client, service: httpx.Client
) -> None:
    """Connections are shared: a careless function must not lend one caller's settings to another."""
    bucket = site.bucket()
    service.post(f"/object/{bucket}/a", content=b"1")
    site.execute(
        "create or replace function public.careless() returns boolean language sql volatile as"
        " $$ select set_config('app.vip', auth.uid()::text, false) is not null $$;"
        " grant execute on function public.careless() to authenticated"
    )
    site.allow(bucket, "select", f"auth.uid() = '{ALICE}' and public.careless()")
    site.allow(bucket, "select", f"current_setting('app.vip', true) = '{ALICE}'")
    assert alice.get(f"/object/authenticated/{bucket}/a").is_success
    for _ in range(20):
        assert refusal(mallory.get(f"/object/authenticated/{bucket}/a")) == MISSING
