"""The door under test: every answer of it is held against RunPod's published OpenAPI document, whole and unchanged."""

import json
import re
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from starlette.applications import Starlette

import api
from core.engines.fake import FakeEngine
from core.model import Caller, Event, Gpu, Scope
from tests.houses import FakeHouse, fake_house

PUBLISHED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "runpod-openapi-v2.json").read_text())
TOKEN = "pk_local_token"


class Door:
    """A client of RunPod's API, which speaks to us."""

    def __init__(self, http: httpx.AsyncClient, token: str | None, below: str = "") -> None:
        self._http = http
        self._token = token
        self._below = below

    async def ask(self, verb: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One request; its answer is as published."""
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        answer = await self._http.request(verb, f"{self._below}/v2{path}", content=content, headers=headers)
        as_published(verb, f"/v2{path}".partition("?")[0], answer)
        return answer

    async def get(self, path: str) -> Any:
        """The JSON of a 200."""
        answer = await self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def made(self, **body: Any) -> Any:
        """A new pod."""
        answer = await self.ask("POST", "/pods", {"name": "mine", "templateId": "hello", "cpu": CPU} | body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def refused(self, status: int, verb: str, path: str, body: Any = None, **headers: str) -> Any:
        """The problem that it is refused with."""
        answer = await self.ask(verb, path, body, **headers)
        assert answer.status_code == status, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        said = answer.json()
        assert said["status"] == status
        return said


CPU = {"id": "cpu", "vcpuCount": 2}


def as_published(verb: str, path: str, answer: httpx.Response) -> None:
    """The answer's body is what the document promises for this path, verb and status; a refusal, an ErrorResponse."""
    verbs = next((said for known, said in PUBLISHED["paths"].items() if _matches(known, path)), {})
    responses = verbs.get(verb.lower(), {}).get("responses", {})
    said = responses.get(str(answer.status_code)) or {"$ref": "#/components/responses/NotFoundError"}
    if "$ref" in said:
        said = PUBLISHED["components"]["responses"][said["$ref"].rpartition("/")[2]]
    content = said.get("content", {})
    if not content:
        assert answer.content == b""
    for kind, body in content.items():
        assert answer.headers["Content-Type"].partition(";")[0] == kind
        if kind != "text/event-stream":
            _validator(json.dumps(body["schema"])).validate(answer.json())


def _matches(known: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), path) is not None


@cache
def _validator(schema: str) -> Draft202012Validator:
    whole = json.loads(schema) | {"components": PUBLISHED["components"]}
    return Draft202012Validator(whole, format_checker=FormatChecker())


async def events_of(home: FakeHouse, pod_id: str) -> tuple[Event, ...]:
    """All of a pod, the oldest first."""
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    return tuple(await store.events(0, pod_id=pod_id))


async def token_of(home: FakeHouse, who: Caller, scope: Scope = Scope.OPERATE) -> str:
    """A personal token."""
    return (await home.house.services.tokens.make(who, "script", scope))[1]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[FakeHouse]:
    """A house with two GPUs."""
    devices = [Gpu(uuid=f"GPU-{n}", type="NVIDIA L4", memory=24 * 1024**3) for n in range(2)]
    async with fake_house(tmp_path / "data", engine=FakeEngine(gpus=devices)) as opened:
        yield opened


@pytest.fixture
async def http(home: FakeHouse) -> AsyncIterator[httpx.AsyncClient]:
    """To the door of `home`, where the service mounts it."""
    app = Starlette(routes=api.face(home.house.services, TOKEN))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://pods.test") as client:
        yield client


@pytest.fixture
def door(http: httpx.AsyncClient) -> Door:
    """With the local token."""
    return Door(http, TOKEN)
