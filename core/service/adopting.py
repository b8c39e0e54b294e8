"""Taking in a pod that somebody made at RunPod without Podkeeper; the one service that is about one engine only."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from core.engines.runpod.adoption import Adoption, Candidate, Claim, check, spec_of, unseen
from core.engines.runpod.marks import Ref
from core.errors import Conflict, PodError, Unavailable
from core.model import Caller, Draft, Pod, PodSpec, Ready, Status, Upstream
from core.policy import check_name
from core.service.looking import LIVE
from core.service.pods import ID_LENGTH, new_id
from core.settings import Settings
from core.store import Store
from core.store.whole import whole
from core.templates import Catalog
from core.templates.catalog import NO_TEMPLATE
from core.units import shorten

_LONGEST = 58
"""Of a name that is made here: room for a number behind it."""
_OUR_ID = re.compile(rf"[a-z0-9]{{{ID_LENGTH}}}")


@dataclass(frozen=True)
class Offer:
    """What taking it in would make; nothing is changed yet."""

    found: Candidate
    pod: Pod
    """The row: as it would be, or as it is."""
    known: bool = False
    """The row is there: only the mark at RunPod is missing, since the one who took it in was broken off."""
    remarks: tuple[str, ...] = ()
    """A sentence each, for the one who is asked."""


class Adopting:
    """Only the terminal, which reads the data directory itself, has this door. Only PodErrors come out.

    `reach`: whether a web port answers at RunPod's address.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        account: Adoption,
        reach: Callable[[Upstream], Awaitable[bool]],
        catalog: Catalog,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._settings = settings
        self._account = account
        self._reach = reach
        self._catalog = catalog
        self._now = now

    async def look(self, owner: Caller, ref: str, name: str | None = None) -> Offer:
        """What would become of the pod of this id at RunPod; `name`: what to call it.

        NotFound, InvalidInput (the id, the name, what Podkeeper cannot say again), Conflict (it is somebody's already,
        in no status for it, in a cluster, on a strange volume, or does not answer; the name is taken), Unavailable.
        """
        found = await self._account.find(ref)
        claim = self._account.claim(found)
        row = await self._row(found.id)
        if row is not None and claim is None:
            return Offer(found, row, known=True)
        await self._is_free(found, claim, row)
        check(found)
        spec = await self._spec(found)
        now = self._now()
        pod = Pod(
            id=claim.pod_id if claim is not None else new_id(),
            workspace=owner.workspace,
            name=await self._name(owner.workspace, found, claim, name),
            owner=owner.person,
            owner_name=owner.name,
            via=owner.via,
            spec=spec,
            status=Status.PROVISIONING,
            # Not made by this run: should its start fail, it is stopped and not deleted.
            ref=str(Ref(found.id, run=1)),
            created_at=now,
            started_at=now,
            changed_at=now,
        )
        return Offer(found, pod, remarks=_remarks(found, spec))

    async def take(self, by: Caller, offer: Offer) -> Pod:
        """Do it: first the row, from which all else follows, then the mark at RunPod, where the pod goes on running.

        A service that runs carries the row on within a minute, the next one at its start. Broken off in between, the
        row is good and the mark is missing: `look` offers that then. Conflict (it has changed since the look, or the
        name is taken now), QuotaExceeded, Unavailable (it is taken in, and RunPod did not take the mark).
        """
        found = offer.found
        now = await self._account.find(found.id)
        if (now.status, now.name) != (found.status, found.name) or self._account.claim(now) != self._account.claim(
            found
        ):
            raise Conflict(f"{found.id} was changed at RunPod just now. Nothing was done: look at it again.")
        return await self._put(by, offer)

    @whole
    async def _put(self, by: Caller, offer: Offer) -> Pod:
        pod, found = offer.pod, offer.found
        if not offer.known:
            await self._is_free(found, self._account.claim(found), await self._row(found.id))
            data = by.signature | {"adopted": found.id}
            draft = Draft(kind="pod.created", actor=by.person, via=by.via, data=data)
            pod, _ = await self._store.add_pod(pod, draft, stem=None, limit=self._settings.max_pods_per_user)
        try:
            await self._account.mark(found.id, pod.name, pod.id)
        except PodError as error:
            raise Unavailable(
                f"{pod.name} is taken in, but not marked at RunPod: {error} Run `podkeeper adopt {found.id}` once more "
                "to finish that."
            ) from None
        return pod

    async def _row(self, ref: str) -> Pod | None:
        """The pod of ours that is this one at RunPod."""
        for pod in await self._store.pods(status=LIVE):
            known = Ref.parse(pod.ref)
            if known is not None and known.pod == ref:
                return pod
        return None

    async def _is_free(self, found: Candidate, claim: Claim | None, row: Pod | None) -> None:
        """Conflict unless it is nobody's, or ours without a row that says so."""
        if claim is not None and claim.installation != self._store.installation:
            raise Conflict(
                f"{found.id} belongs to another Podkeeper (installation {shorten(claim.installation, 20)}), which "
                "goes on stopping and starting it. Nothing was changed. If that one is gone for good, take its mark "
                "off in RunPod's console: give the pod another name, and remove the variable PODKEEPER_INSTALLATION."
            )
        if row is None and claim is not None:
            if not _OUR_ID.fullmatch(claim.pod_id):
                raise Conflict(f"{found.id} carries a mark of this Podkeeper that is not right. Give it another name.")
            row = await self._store.pod(claim.pod_id)
        if row is not None:
            raise Conflict(f"{found.id} is {row.name} ({row.status}) of this Podkeeper already. Nothing was changed.")

    async def _spec(self, found: Candidate) -> PodSpec:
        template = found.template if found.template in {one.name for one in self._catalog.list()} else None
        volume = await self._account.volume(found)
        idle = self._catalog.spec(None, {"image": "any"}).idle
        spec = spec_of(found, idle, template=template or NO_TEMPLATE, network_volume=volume)
        spec = await self._account.fit(spec, found)
        return await self._answering(found, spec) if found.running and spec.http_ports else spec

    async def _answering(self, found: Candidate, spec: PodSpec) -> PodSpec:
        """With the port that tells that it is up. A start that waits for one in vain ends in a stop, with a loss."""
        doors = self._account.doors(found, spec)
        answers = await asyncio.gather(*(self._reach(door) for door in doors.values()))
        port = next((port for port, answered in zip(doors, answers, strict=True) if answered), None)
        if port is None:
            raise Conflict(
                f"It runs, and none of its web ports ({', '.join(map(str, doors))}) answers at RunPod's address, so "
                "Podkeeper would take it for failed and stop it. Nothing was changed. Start what it serves (on "
                "0.0.0.0), or stop it at RunPod first."
            )
        return spec.model_copy(update={"ready": Ready(port=port)})

    async def _name(self, workspace: str, found: Candidate, claim: Claim | None, wanted: str | None) -> str:
        """The wanted one, or that which it has, as ours are; a number goes behind one that is taken."""
        taken = {pod.name for pod in await self._store.pods(workspace=workspace, status=LIVE)}
        if wanted is not None:
            if check_name(wanted) in taken:
                raise Conflict(f"The name {shorten(wanted)!r} is taken. Nothing was changed: choose another one.")
            return wanted
        theirs = found.name.lower() if claim is None else found.name.partition("-pk-")[0]
        own = re.sub(r"[^a-z0-9]+", "-", theirs).strip("-")[:_LONGEST].strip("-")
        stem = own or NO_TEMPLATE
        numbered = (f"{stem}-{number}" for number in range(1, len(taken) + 2))
        return own if own and own not in taken else next(name for name in numbered if name not in taken)


def _remarks(found: Candidate, spec: PodSpec) -> tuple[str, ...]:
    told: list[str] = []
    if found.locked:
        told.append("It is locked at RunPod: Podkeeper cannot stop it before it is unlocked there.")
    if not spec.http_ports:
        told.append("It has no web port: only what it uses of its CPU and GPU shows whether anybody works with it.")
    left_out = unseen(found)
    if left_out:
        told.append(f"Its ports {', '.join(left_out)} are left out: they have no address here.")
    return tuple(told)
