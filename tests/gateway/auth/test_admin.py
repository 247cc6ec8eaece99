"""Managing users with the service role."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import argon2
import bcrypt
import httpx
import pytest

from .harness import PASSWORD, AuthServer, StartAuth, error

ADA = "ada@example.test"


def sign_in(auth: AuthServer, email: str = ADA, password: str = PASSWORD) -> httpx.Response:
    with auth.http() as client:
        return client.post("/token?grant_type=password", json={"email": email, "password": password})


def create(auth: AuthServer, **attributes: Any) -> httpx.Response:
    with auth.admin as admin:
        return admin.post("/admin/users", json=attributes)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/users"),
        ("POST", "/admin/users"),
        ("GET", "/admin/users/00000000-0000-0000-0000-000000000001"),
        ("PUT", "/admin/users/00000000-0000-0000-0000-000000000001"),
        ("DELETE", "/admin/users/00000000-0000-0000-0000-000000000001"),
        ("GET", "/admin/users/00000000-0000-0000-0000-000000000001/factors"),
        ("POST", "/admin/generate_link"),
        ("POST", "/invite"),
        ("GET", "/admin/audit"),
        ("GET", "/admin/sso/providers"),
        ("GET", "/admin/oauth/clients"),
        ("GET", "/admin/custom-providers"),
    ],
)
def test_only_the_service_role_may(auth: AuthServer, method: str, path: str) -> None:
    user = auth.sign_up()["access_token"]
    with auth.http() as client:
        assert error(client.request(method, path)) == (403, "not_admin", "User not allowed")
        client.headers["authorization"] = f"Bearer {user}"
        assert error(client.request(method, path)) == (403, "not_admin", "User not allowed")
        del client.headers["authorization"]
        assert error(client.request(method, path))[:2] == (401, "no_authorization")


def test_a_user_whose_role_is_service_role_needs_a_living_session(auth: AuthServer) -> None:
    user = auth.sign_up()["user"]
    with auth.admin as admin:
        admin.put(f"/admin/users/{user['id']}", json={"role": "service_role"})
    token = sign_in(auth).json()["access_token"]
    with auth.http(token) as client:
        assert client.get("/admin/users").status_code == 200
        client.post("/logout")
        assert error(client.get("/admin/users"))[:2] == (403, "session_not_found")


def test_creating_a_user_with_everything(auth: AuthServer) -> None:
    user_id = str(uuid4())
    user = create(
        auth,
        id=user_id,
        email="Ada@example.test",
        phone="+49 170 1234567",
        password=PASSWORD,
        email_confirm=True,
        phone_confirm=True,
        user_metadata={"name": "Ada"},
        app_metadata={"plan": "pro"},
        role="authenticated",
    ).json()
    assert (user["id"], user["email"], user["phone"]) == (user_id, ADA, "491701234567")
    assert user["email_confirmed_at"]
    assert user["phone_confirmed_at"]
    assert user["app_metadata"] == {"provider": "email", "providers": ["email", "phone"], "plan": "pro"}
    assert user["user_metadata"] == {"name": "Ada", "email_verified": True}
    assert [identity["provider"] for identity in user["identities"]] == ["email", "phone"]
    assert sign_in(auth).json()["user"]["id"] == user_id
    assert auth.mails() == []


def test_a_user_who_was_not_confirmed_cannot_sign_in(confirming: AuthServer) -> None:
    create(confirming, email=ADA, password=PASSWORD)
    assert error(sign_in(confirming))[1] == "email_not_confirmed"


def test_password_hashes_from_elsewhere(auth: AuthServer) -> None:
    firebase = (
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZ"
        "JzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAy"
        "ZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
    )
    hashes = {
        "bcrypt": (bcrypt.hashpw(b"user1password", bcrypt.gensalt(4)).decode()),
        "argon2id": argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("user1password"),
        "argon2i": argon2.PasswordHasher(1, 64, 1, type=argon2.Type.I).hash("user1password"),
        "firebase": firebase,
    }
    for name, password_hash in hashes.items():
        email = f"{name}@example.test"
        assert create(auth, email=email, password_hash=password_hash, email_confirm=True).status_code == 200
        assert sign_in(auth, email, "user2password").status_code == 400, name
        assert sign_in(auth, email, "user1password").status_code == 200, name
        (row,) = auth.rows("select encrypted_password from auth.users where email = %s", email)
        assert row["encrypted_password"].startswith("$argon2id$v=19$m=19456"), name


@pytest.mark.parametrize(
    ("attributes", "status", "code"),
    [
        ({}, 400, "validation_failed"),
        ({"email": "nothing"}, 400, "validation_failed"),
        ({"phone": "+0"}, 400, "validation_failed"),
        ({"email": ADA, "password": "x", "password_hash": "y"}, 400, "validation_failed"),
        ({"email": ADA, "password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}, 400, "validation_failed"),
        (
            {"email": ADA, "password_hash": "$argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHQ$aGFzaA"},
            400,
            "validation_failed",
        ),
        ({"email": ADA, "id": "1"}, 400, "validation_failed"),
        ({"email": ADA, "id": "00000000-0000-0000-0000-000000000000"}, 400, "validation_failed"),
        ({"email": ADA, "ban_duration": "a while"}, 400, "validation_failed"),
        ({"email": ADA, "email_confirm": "yes"}, 400, "validation_failed"),
        ({"email": ADA, "app_metadata": "x"}, 400, "validation_failed"),
        ({"email": ADA, "password": "x" * 73}, 400, "validation_failed"),
    ],
)
def test_users_that_cannot_be(auth: AuthServer, attributes: Any, status: int, code: str) -> None:
    assert error(create(auth, **attributes))[:2] == (status, code)
    assert auth.rows("select id from auth.users") == []


def test_what_is_in_use_is_refused(auth: AuthServer) -> None:
    first = create(auth, email=ADA, phone="491701234567").json()
    assert error(create(auth, email=ADA)) == (
        422,
        "email_exists",
        "A user with this email address has already been registered",
    )
    assert error(create(auth, phone="+491701234567"))[:2] == (422, "phone_exists")
    assert error(create(auth, email="x@example.test", id=first["id"]))[:2] == (422, "user_already_exists")
    other = create(auth, email="bob@example.test").json()
    with auth.admin as admin:
        for change, code in (({"email": ADA}, "email_exists"), ({"phone": "491701234567"}, "phone_exists")):
            assert error(admin.put(f"/admin/users/{other['id']}", json=change))[:2] == (422, code)


def test_a_failing_trigger_is_told(auth: AuthServer) -> None:
    auth.run_as_postgres("""
        create function public.refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
        create trigger refuse before insert or delete on auth.users
          for each row execute function public.refuse();
    """)
    assert error(create(auth, email=ADA)) == (
        500,
        "unexpected_failure",
        "Database error creating new user",
    )


def test_updating_merges_metadata_and_moves_the_address(auth: AuthServer) -> None:
    user = create(auth, email=ADA, password=PASSWORD, app_metadata={"a": 1, "b": {"x": 1}}).json()
    with auth.admin as admin:
        changed = admin.put(
            f"/admin/users/{user['id']}",
            json={
                "email": "new@example.test",
                "email_confirm": True,
                "phone": "491701234567",
                "app_metadata": {"a": None, "b": {"y": 2}},
                "user_metadata": {"name": "Ada"},
            },
        ).json()
        assert changed == admin.get(f"/admin/users/{user['id']}").json()
    assert changed["app_metadata"] == {
        "provider": "email",
        "providers": ["email", "phone"],
        "b": {"y": 2},
    }
    assert (changed["email"], changed["phone"]) == ("new@example.test", "491701234567")
    assert changed["identities"][0]["identity_data"]["email"] == "new@example.test"
    assert sign_in(auth, "new@example.test").status_code == 200


def test_a_password_set_by_the_administrator_ends_every_session(auth: AuthServer) -> None:
    session = auth.sign_up()
    with auth.admin as admin:
        path = f"/admin/users/{session['user']['id']}"
        assert error(admin.put(path, json={"password": "abc"}))[:2] == (422, "weak_password")
        assert admin.put(path, json={"password": "set by admin 1"}).status_code == 200
    with auth.http(session["access_token"]) as client:
        assert error(client.get("/user"))[:2] == (403, "session_not_found")
    assert sign_in(auth, password="set by admin 1").status_code == 200


def test_an_anonymous_user_can_be_made_real(auth: AuthServer) -> None:
    with auth.http() as client:
        user = client.post("/signup", json={}).json()["user"]
    with auth.admin as admin:
        real = admin.put(f"/admin/users/{user['id']}", json={"email": ADA, "email_confirm": True}).json()
    assert (real["is_anonymous"], real["app_metadata"]["provider"]) == (False, "email")


def test_listing_pages_sorts_and_filters(auth: AuthServer) -> None:
    for index in range(3):
        create(auth, email=f"u{index}@example.test", user_metadata={"full_name": f"Name {index}"})
        auth.clock.move(seconds=1)
    with auth.admin as admin:
        response = admin.get("/admin/users", params={"page": 1, "per_page": 2})
        last = admin.get("/admin/users", params={"page": 2, "per_page": 2})
        oldest = admin.get("/admin/users", params={"sort": "created_at asc", "per_page": 1}).json()
        by_name = admin.get("/admin/users", params={"filter": "name 1"}).json()
        by_percent = admin.get("/admin/users", params={"filter": "%"}).json()
        empty = admin.get("/admin/users", params={"page": "", "per_page": ""}).json()
        beyond = admin.get("/admin/users", params={"page": 9}).json()
    assert response.json()["aud"] == "authenticated"
    assert [user["email"] for user in response.json()["users"]] == ["u2@example.test", "u1@example.test"]
    assert response.headers["x-total-count"] == "3"
    assert response.headers["link"] == (
        '</admin/users?page=2&per_page=2>; rel="next", </admin/users?page=2&per_page=2>; rel="last"'
    )
    assert last.headers["link"] == '</admin/users?page=2&per_page=2>; rel="last"'
    assert [user["email"] for user in oldest["users"]] == ["u0@example.test"]
    assert [user["email"] for user in by_name["users"]] == ["u1@example.test"]
    assert by_percent["users"] == beyond["users"] == []
    assert len(empty["users"]) == 3
    assert [len(user["identities"]) for user in empty["users"]] == [1, 1, 1]


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=x",
        "per_page=0",
        "per_page=99999999999999999999",
        "sort=email",
        "sort=created_at up",
    ],
)
def test_listings_that_cannot_be(auth: AuthServer, query: str) -> None:
    with auth.admin as admin:
        assert error(admin.get(f"/admin/users?{query}"))[:2] == (400, "validation_failed")


def test_unknown_users(auth: AuthServer) -> None:
    with auth.admin as admin:
        for method in ("GET", "PUT", "DELETE"):
            body = {} if method == "PUT" else None
            unknown = admin.request(method, f"/admin/users/{uuid4()}", json=body)
            assert error(unknown) == (404, "user_not_found", "User not found")
            assert error(admin.request(method, "/admin/users/me", json=body))[:2] == (
                404,
                "validation_failed",
            )


def test_deleting_for_good(auth: AuthServer) -> None:
    session = auth.sign_up()
    with auth.admin as admin:
        assert admin.delete(f"/admin/users/{session['user']['id']}").json() == {}
    for table in ("users", "identities", "sessions", "refresh_tokens"):
        assert auth.rows(f"select * from auth.{table}") == []
    auth.sign_up()


def test_deleting_softly_keeps_the_row_and_nothing_personal(auth: AuthServer) -> None:
    session = auth.sign_up(data={"name": "Ada"})
    user_id = session["user"]["id"]
    with auth.admin as admin:
        for _ in range(2):
            body = {"should_soft_delete": True}
            assert admin.request("DELETE", f"/admin/users/{user_id}", json=body).json() == {}
        left = admin.get(f"/admin/users/{user_id}").json()
    assert left["deleted_at"]
    assert not {ADA, "Ada", user_id} & set(json.dumps({**left, "id": "", "identities": []}).split('"'))
    assert ADA not in json.dumps(left)
    assert left["identities"][0]["id"] != user_id
    assert (left["user_metadata"], left["app_metadata"]) == ({}, {})
    assert sign_in(auth).status_code == 400
    with auth.http(session["access_token"]) as client:
        assert error(client.get("/user"))[1] == "session_not_found"
    assert auth.sign_up()["user"]["id"] != user_id


def test_an_app_that_holds_on_to_a_user_is_told(auth: AuthServer) -> None:
    user_id = auth.sign_up()["user"]["id"]
    auth.run_as_postgres(
        f"create table public.posts (author uuid references auth.users);"
        f"insert into public.posts values ('{user_id}')"
    )
    with auth.admin as admin:
        assert error(admin.delete(f"/admin/users/{user_id}")) == (
            500,
            "unexpected_failure",
            "Database error deleting user",
        )


def test_an_invitation_makes_a_user_of_somebody(confirming: AuthServer) -> None:
    with confirming.admin as admin:
        invited = admin.post("/invite", json={"email": ADA, "data": {"team": "a"}}).json()
        assert invited["invited_at"]
        assert admin.post("/invite", json={"email": ADA}).json()["id"] == invited["id"]
        with confirming.http() as client:
            location = client.get(confirming.newest(ADA)[0]).headers["location"]
        assert "type=invite" in location
        assert error(admin.post("/invite", json={"email": ADA}))[:2] == (422, "email_exists")
    token = parse_qs(urlsplit(location).fragment)["access_token"][0]
    with confirming.http(token) as client:
        assert client.put("/user", json={"password": PASSWORD}).json()["user_metadata"]["team"] == "a"
    assert sign_in(confirming).status_code == 200


@pytest.mark.parametrize("kind", ["signup", "invite", "magiclink"])
def test_links_for_new_users(confirming: AuthServer, kind: str) -> None:
    with confirming.admin as admin:
        link = admin.post(
            "/admin/generate_link", json={"type": kind, "email": ADA, "password": PASSWORD, "data": {"k": 1}}
        ).json()
    assert link["verification_type"] == ("signup" if kind == "magiclink" else kind)
    assert link["redirect_to"] == "http://127.0.0.1:3000"
    assert parse_qs(urlsplit(link["action_link"]).query)["token"] == [link["hashed_token"]]
    assert confirming.mails() == []
    with confirming.http() as client:
        verified = client.post("/verify", json={"type": "email", "email": ADA, "token": link["email_otp"]})
    assert verified.json()["user"]["user_metadata"]["k"] == 1


def test_links_for_known_users(auth: AuthServer) -> None:
    auth.sign_up()
    with auth.admin as admin, auth.http() as client:

        def generate(**body: Any) -> httpx.Response:
            return admin.post("/admin/generate_link", json={"email": ADA, **body})

        for kind in ("magiclink", "recovery"):
            link = generate(type=kind, redirect_to="http://127.0.0.1:3000/there").json()
            location = client.get(link["action_link"]).headers["location"]
            assert location.startswith("http://127.0.0.1:3000/there#access_token=")
        change = generate(type="email_change_new", new_email="new@example.test").json()
        assert client.get(change["action_link"]).status_code == 303
        assert error(generate(type="recovery")) == (
            404,
            "user_not_found",
            "User with this email not found",
        )
        known = {"email": "new@example.test"}
        assert error(generate(type="nonsense", **known))[:2] == (400, "validation_failed")
        nowhere = generate(type="email_change_new", new_email="nothing", **known)
        assert error(nowhere)[:2] == (400, "validation_failed")
    assert sign_in(auth, "new@example.test").status_code == 200


def test_both_links_of_a_change_of_address(confirming: AuthServer) -> None:
    create(confirming, email=ADA, password=PASSWORD, email_confirm=True)
    with confirming.admin as admin, confirming.http() as client:
        body = {"email": ADA, "new_email": "new@example.test"}
        new = admin.post("/admin/generate_link", json={"type": "email_change_new", **body}).json()
        current = admin.post("/admin/generate_link", json={"type": "email_change_current", **body}).json()
        assert "message=" in client.get(new["action_link"]).headers["location"]
        assert "access_token=" in client.get(current["action_link"]).headers["location"]
    assert sign_in(confirming, "new@example.test").status_code == 200


def test_a_link_for_a_taken_address_is_refused(auth: AuthServer, start_auth: StartAuth) -> None:
    auth.sign_up()
    auth.sign_up("bob@example.test")
    with auth.admin as admin:
        taken = {"type": "email_change_new", "email": ADA, "new_email": "bob@example.test"}
        assert error(admin.post("/admin/generate_link", json=taken))[1] == "email_exists"
        again = {"type": "signup", "email": ADA, "password": PASSWORD}
        assert error(admin.post("/admin/generate_link", json=again))[1] == "email_exists"
    single = start_auth({"email": {"double_confirm_changes": False}})
    with single.admin as admin:
        current = {"type": "email_change_current", "email": ADA, "new_email": "x@example.test"}
        assert error(admin.post("/admin/generate_link", json=current))[1] == "validation_failed"
