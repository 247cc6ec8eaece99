"""The gateway's own rules, over real HTTP, with services that only echo what reaches them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
import websockets
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from headway.errors import ConfigError
from headway.local.gateway.app import Gateway
from headway.local.gateway.keyring import KeyRing
from headway.local.gateway.server import HttpServer, bind
from headway.local.keys import StackKeys

KEYS = StackKeys.generate()
APIKEY = {"apikey": KEYS.publishable_key}


class Echo:
    """Answers with what it saw; ``/boom`` raises, ``/hang`` waits until it is released."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            seen = {n.decode(): v.decode() for n, v in scope["headers"]}
            await send(
                {"type": "websocket.send", "text": json.dumps({"headers": seen, "path": scope["path"]})}
            )
            await send({"type": "websocket.close", "code": 1000})
            return
        request = Request(scope, receive)
        if scope["path"] == "/boom":
            raise RuntimeError("the secret cause")
        if scope["path"] == "/hang":
            self.entered.set()
            await self.release.wait()
        body = await request.body()
        response: Response = JSONResponse(
            {
                "path": scope["path"],
                "raw_path": scope["raw_path"].decode(),
                "root_path": scope["root_path"],
                "query": scope["query_string"].decode(),
                "headers": {n.decode(): v.decode() for n, v in scope["headers"]},
                "length": len(body),
            }
        )
        await response(scope, receive, send)


class Served:
    def __init__(self, url: str, server: HttpServer, echo: Echo, client: httpx.AsyncClient) -> None:
        self.url, self.server, self.echo, self.client = url, server, echo, client


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    echo = Echo()

    async def admin(method: str, action: str) -> tuple[int, Mapping[str, Any]]:
        return 200, {"method": method, "action": action}

    listener = bind("127.0.0.1", 0, setting="test")
    services = {"rest": echo, "auth": echo, "storage": echo, "realtime": echo}
    server = HttpServer(Gateway(KeyRing(KEYS), services, admin), listener, grace_s=5)
    await server.start()
    url = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(base_url=url) as client:
        yield Served(url, server, echo, client)
    echo.release.set()
    await server.stop()


async def test_a_service_sees_its_own_path_and_the_keys_jwt(served: Served) -> None:
    answer = await served.client.get("/rest/v1/jobs?select=id&apikey=x&limit=1", headers=APIKEY)
    seen = answer.json()
    assert (seen["path"], seen["root_path"], seen["query"]) == ("/jobs", "/rest/v1", "select=id&limit=1")
    assert seen["headers"]["authorization"] == f"Bearer {KEYS.anon_key}"
    assert "apikey" not in seen["headers"]
    assert not [value for value in seen["headers"].values() if "sb_" in value]


async def test_the_key_may_come_by_query_in_any_case(served: Served) -> None:
    for name in ("apikey", "apiKey", "APIKEY"):
        answer = await served.client.get(f"/rest/v1/jobs?{name}={KEYS.secret_key}")
        assert answer.json()["headers"]["authorization"] == f"Bearer {KEYS.service_role_key}"
        assert answer.json()["query"] == ""


async def test_a_missing_and_a_wrong_key_answer_401_as_documented(served: Served) -> None:
    missing = await served.client.get("/rest/v1/jobs")
    assert missing.status_code == 401
    assert missing.json() == {
        "message": "No API key found in request",
        "hint": "No `apikey` request header or url param was found.",
    }
    wrong = await served.client.get("/rest/v1/jobs", headers={"apikey": "sb_publishable_guess"})
    assert (wrong.status_code, wrong.json()["message"]) == (401, "Invalid API key")


@pytest.mark.parametrize(
    "path",
    [
        "/auth/v1/verify",
        "/auth/v1/callback",
        "/auth/v1/.well-known/jwks.json",
        "/storage/v1/object/public/a/b",
    ],
)
async def test_open_paths_need_no_key(served: Served, path: str) -> None:
    answer = await served.client.get(path)
    assert answer.status_code == 200
    assert "authorization" not in answer.json()["headers"]


@pytest.mark.parametrize(
    "path",
    [
        "/auth/v1/user",
        "/auth/v1/verify/../user",
        "/auth/v1/verifyx",
        "/auth/v1/admin/users",
        "/realtime/v1/api",
    ],
)
async def test_other_paths_do(served: Served, path: str) -> None:
    request = served.client.build_request("GET", "/")
    request.url = httpx.URL(served.url).copy_with(raw_path=path.encode())
    assert (await served.client.send(request)).status_code == 401


async def test_a_bare_sb_bearer_reaches_storage_as_its_roles_jwt(served: Served) -> None:
    answer = await served.client.get(
        "/storage/v1/bucket", headers={"authorization": f"Bearer {KEYS.secret_key}"}
    )
    assert answer.json()["headers"]["authorization"] == f"Bearer {KEYS.service_role_key}"
    refused = await served.client.get(
        "/storage/v1/bucket", headers={"authorization": "Bearer sb_secret_guess"}
    )
    assert refused.status_code == 401


async def test_a_preflight_needs_no_key_and_allows_what_was_asked(served: Served) -> None:
    answer = await served.client.options(
        "/rest/v1/jobs",
        headers={
            "origin": "https://app.example",
            "access-control-request-method": "PATCH",
            "access-control-request-headers": "apikey, authorization, prefer, x-upsert",
        },
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == "apikey, authorization, prefer, x-upsert"
    assert "PATCH" in answer.headers["access-control-allow-methods"]


async def test_every_answer_can_be_read_cross_origin_errors_included(served: Served) -> None:
    for path, headers in (("/rest/v1/jobs", APIKEY), ("/rest/v1/jobs", {}), ("/nowhere", {})):
        answer = await served.client.get(path, headers=headers)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-expose-headers"] == "*"


async def test_each_answer_has_a_request_id_and_a_clean_given_one_is_kept(served: Served) -> None:
    one, two = [(await served.client.get("/")).headers["sb-request-id"] for _ in range(2)]
    assert one != two
    kept = await served.client.get("/", headers={"sb-request-id": "trace-1"})
    assert kept.headers["sb-request-id"] == "trace-1"
    forged = await served.client.get("/", headers={"sb-request-id": "x" * 65})
    assert forged.headers["sb-request-id"] != "x" * 65


async def test_a_crash_of_a_service_shows_no_cause(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="headway.gateway"):
        answer = await served.client.get("/rest/v1/boom", headers=APIKEY)
    assert answer.status_code == 500
    assert "secret cause" not in answer.text
    assert answer.headers["sb-request-id"] in answer.json()["hint"]
    assert "the secret cause" in caplog.text


async def test_sizes_are_limited_by_declaration_and_by_count(served: Served) -> None:
    declared = await served.client.post("/auth/v1/signup", headers=APIKEY, content=b"x" * (1024**2 + 1))
    assert declared.status_code == 413
    assert "1048576" in declared.json()["hint"]

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 65536

    counted = await served.client.post("/auth/v1/signup", headers=APIKEY, content=chunks())
    assert counted.status_code == 413
    exact = await served.client.post("/auth/v1/signup", headers=APIKEY, content=b"x" * 1024**2)
    assert exact.json()["length"] == 1024**2


async def test_an_endless_url_and_endless_headers_are_refused(served: Served) -> None:
    long_url = await served.client.get(f"/rest/v1/jobs?id=in.({'1,' * 20_000}1)", headers=APIKEY)
    assert long_url.status_code == 414
    headers = APIKEY | {f"x-h{n}": "v" * 7000 for n in range(10)}
    assert (await served.client.get("/rest/v1/jobs", headers=headers)).status_code == 431


async def test_an_encoded_prefix_is_no_prefix(served: Served) -> None:
    request = served.client.build_request("GET", "/", headers=APIKEY)
    request.url = httpx.URL(served.url).copy_with(raw_path=b"/%72est/v1/jobs")
    assert (await served.client.send(request)).status_code == 404


async def test_admin_actions_need_the_secret_key(served: Served) -> None:
    assert (await served.client.get("/_headway/status")).status_code == 401
    assert (await served.client.get("/_headway/status", headers=APIKEY)).status_code == 403
    answer = await served.client.get("/_headway/status", headers={"apikey": KEYS.secret_key})
    assert answer.json() == {"method": "GET", "action": "status"}


async def test_the_access_log_has_a_line_without_secrets(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="headway.access"):
        await served.client.get(f"/rest/v1/jobs?apikey={KEYS.secret_key}&id=eq.1")
        await served.client.get("/nowhere/%0d%0aforged", headers={"authorization": "Bearer a.b.c"})
    lines = [record.getMessage() for record in caplog.records if record.name == "headway.access"]
    assert lines[0].startswith("GET /rest/v1/jobs?apikey=***&id=eq.1 200 ")
    assert len(lines) == 2
    assert "\n" not in lines[1]
    assert KEYS.secret_key not in caplog.text
    assert "a.b.c" not in caplog.text


async def test_nothing_logs_the_key_in_a_sockets_url(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    url = served.url.replace("http", "ws")
    with caplog.at_level(logging.INFO):
        async with websockets.connect(f"{url}/realtime/v1/websocket?apikey={KEYS.secret_key}") as socket:
            await socket.recv()
            await socket.wait_closed()
    assert "apikey=***" in caplog.text
    assert KEYS.secret_key not in caplog.text


async def test_a_socket_reaches_realtime_with_the_keys_jwt(served: Served) -> None:
    url = served.url.replace("http", "ws")
    async with websockets.connect(
        f"{url}/realtime/v1/websocket?apikey={KEYS.publishable_key}&vsn=1.0.0"
    ) as socket:
        seen = json.loads(await socket.recv())
    assert seen["path"] == "/websocket"
    assert seen["headers"]["x-api-key"] == KEYS.anon_key


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/realtime/v1/websocket", 401),
        ("/realtime/v1/websocket?apikey=guess", 401),
        ("/elsewhere", 404),
    ],
)
async def test_a_socket_without_a_key_is_refused_by_status(served: Served, path: str, status: int) -> None:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await websockets.connect(served.url.replace("http", "ws") + path)
    assert refusal.value.response.status_code == status
    assert json.loads(refusal.value.response.body)["error"]


async def test_stop_lets_an_open_request_finish(served: Served) -> None:
    open_request = asyncio.create_task(served.client.get("/rest/v1/hang", headers=APIKEY))
    await served.echo.entered.wait()
    stopping = asyncio.create_task(served.server.stop())
    served.echo.release.set()
    assert (await open_request).status_code == 200
    await stopping
    with pytest.raises(httpx.ConnectError):
        await served.client.get("/")


async def test_stop_is_safe_twice_and_before_start() -> None:
    listener = bind("127.0.0.1", 0, setting="test")
    server = HttpServer(Echo(), listener)
    await server.stop()
    await server.stop()


async def test_a_taken_port_is_named_with_what_chose_it(served: Served) -> None:
    with pytest.raises(ConfigError, match=r"in use.*api\.port") as raised:
        bind("127.0.0.1", served.server.port, setting="api.port")
    assert raised.value.code == "port_in_use"


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("127.0.0.1", 70_000), ("nonsense", 0)])
async def test_an_impossible_address_is_named(host: str, port: int) -> None:
    with pytest.raises(ConfigError, match="cannot listen"):
        bind(host, port, setting="api.port")
