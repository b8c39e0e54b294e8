"""The paths of pods: each asks the pod service and shows what it answers."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from api import bodies, logs, shown
from api.problems import Invalid
from core.errors import Conflict, NotFound, PodError
from core.model import Caller, Pod, Role, Status
from core.service import Services

FACE = "api"
KEPT = timedelta(days=1)
"""How long an Idempotency-Key is known."""


class PodPaths:
    """Everything below `/pods`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def pods(self, _: Request, who: Caller) -> Response:
        """An admin's token sees everybody's, as an account's key does."""
        found = await self._services.pods.list(who, everyone=who.role is Role.ADMIN)
        hosts = await self._services.registries.hosts()
        return JSONResponse({"pods": [shown.pod(self._services, pod, who, hosts) for pod in found]})

    async def create(self, request: Request, who: Caller) -> Response:
        """201 with the new pod, or with the one that this Idempotency-Key has made already."""
        body = bodies.checked("CreatePodRequest", await bodies.read(request))
        key = _key(request, who)
        made = await self._once(key, who) if key is not None else None
        if made is None:
            try:
                made = await self._start(who, body)
            except PodError:
                # Refused before anything was made. After any other end nobody knows, and the key stays used.
                if key is not None:
                    await self._services.pods.may_repeat(f"{FACE}:{key}")
                raise
            if key is not None:
                await self._remember(key, made)
        return JSONResponse(await self._shown(who, made), 201)

    async def _start(self, who: Caller, body: Mapping[str, Any]) -> Pod:
        hosts = await self._services.registries.hosts()
        request = bodies.start(body, await self._services.templates.of(who), hosts)
        try:
            return await self._services.pods.start(who, request)
        except Conflict:
            # RunPod's names need not be unique, ours do.
            free = f"{request.name}-{secrets.token_hex(2)}"
            return await self._services.pods.start(who, request.model_copy(update={"name": free}))

    async def _once(self, key: str, who: Caller) -> Pod | None:
        """The pod that this key has made already; None: it may make one now."""
        if await self._services.pods.first_time(f"{FACE}:{key}"):
            return None
        made = (await self._services.notes.all(FACE, key)).get(key)
        if made is None:
            raise Conflict("A create with this Idempotency-Key is under way. Ask for the list of pods in a moment.")
        return await self._services.pods.get(who, made.partition(" ")[0])

    async def _remember(self, key: str, made: Pod) -> None:
        """For a day, as keys are."""
        notes, now = self._services.notes, self._services.now()
        await notes.put(FACE, key, f"{made.id} {now.isoformat()}")
        for older, text in (await notes.all(FACE)).items():
            if now - datetime.fromisoformat(text.partition(" ")[2]) > KEPT:
                await notes.drop(FACE, older)

    async def pod(self, request: Request, who: Caller) -> Response:
        """One pod."""
        return JSONResponse(await self._shown(who, await self._pod(request, who)))

    async def update(self, request: Request, who: Caller) -> Response:
        """What is said of it. One that runs is restarted where its container must be another."""
        body = bodies.checked("UpdatePodRequest", await bodies.read(request))
        pod = await self._pod(request, who)
        if "name" in body:
            body["name"] = bodies.slug(body["name"])
        catalog = await self._services.templates.of(who)
        template = catalog.get(body["templateId"]).spec if "templateId" in body else None
        new = self._new(who, pod, body, {} if "templateId" in body else await self._shown(who, pod))
        said = bodies.change(new, pod.spec, template, await self._services.registries.hosts())
        ports = body.get("ports", [str(port) for port in template.ports] if template is not None else None)
        if ports == [str(port) for port in pod.spec.ports]:
            ports = None
        if ports is not None and pod.status in (Status.EXITED, Status.ERROR):
            said, ports = said | {"ports": ports}, None
        # All that can be refused beforehand, so that it changes nothing.
        if said:
            await self._services.pods.plan_change(who, pod.id, said)
        if ports is not None:
            await self._services.ports.plan(who, pod.id, ports)
        if "name" in body:
            pod = await self._services.pods.rename(who, pod.id, body["name"])
        if ports is not None:
            pod = await self._ports(who, pod, ports)
        if said:
            pod = await self._services.pods.change(who, pod.id, said)
        return JSONResponse(await self._shown(who, pod))

    def _new(self, who: Caller, pod: Pod, body: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
        """Without what is as it is shown `now`, where sizes are rounded; a template would go before what is left out.

        Others see variables without their values, and so say them without.
        """
        new = {name: value for name, value in body.items() if name == "locked" or now.get(name) != value}
        if "env" in new and who.person != pod.owner:
            known = pod.spec.env
            new["env"] = {name: value or known.get(name, value) for name, value in new["env"].items()}
        return new

    async def _ports(self, who: Caller, pod: Pod, wanted: list[str]) -> Pod:
        here = [str(port) for port in pod.spec.ports]
        for port in here:
            if port not in wanted:
                pod = await self._services.ports.unexpose(who, pod.id, port)
        for port in wanted:
            if port not in here:
                pod = await self._services.ports.expose(who, pod.id, port)
        return pod

    async def delete(self, request: Request, who: Caller) -> Response:
        """Twice is as good as once."""
        pod = await self._pod(request, who)
        if pod.status not in (Status.TERMINATING, Status.TERMINATED):
            await self._services.pods.terminate(who, pod.id)
        return Response(status_code=204)

    async def action(self, request: Request, who: Caller) -> Response:
        """start, stop, restart or terminate; 409 when its status has no such action."""
        wanted = bodies.checked("PodActionRequest", await bodies.read(request))["action"]
        pod, pods = await self._pod(request, who), self._services.pods
        if wanted == "terminate":
            return await self.delete(request, who)
        act = {"start": pods.resume, "stop": pods.stop, "restart": pods.restart}[wanted]
        return JSONResponse(await self._shown(who, await act(who, pod.id)))

    async def logs(self, request: Request, who: Caller) -> Response:
        """Server-Sent Events."""
        pod = await self._pod(request, who)
        query, last = request.query_params, request.headers.get("Last-Event-ID")
        tail = int(query.get("tail", "100"))
        mark = logs.Mark.read(last) if last is not None else None
        if last is None and "since" in query:
            since = logs.moment(query["since"])
            if since is None:
                raise Invalid(["query since: this is no time of RFC 3339, such as 2026-11-24T14:00:00Z"])
            mark = logs.Mark(since, 0)
        stream = (
            logs.events(self._services, who, pod.id, tail, mark) if query.get("source") != "system" else logs.silence()
        )
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    async def _pod(self, request: Request, who: Caller) -> Pod:
        """By its whole id: names and beginnings of ids are for people."""
        wanted = request.path_params["id"]
        found = await self._services.pods.get(who, wanted)
        if found.id != wanted:
            raise NotFound(f"There is no pod with the id {wanted[:40]!r}.")
        return found

    async def _shown(self, who: Caller, pod: Pod) -> dict[str, Any]:
        return shown.pod(self._services, pod, who, await self._services.registries.hosts())


def _key(request: Request, who: Caller) -> str | None:
    """Of a create that may come twice; each person has keys of their own."""
    said = request.headers.get("Idempotency-Key")
    return hashlib.sha256(f"{who.person} {said}".encode()).hexdigest()[:40] if said else None
