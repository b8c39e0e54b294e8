"""`podkeeper adopt …`: takes in a pod of the RunPod account that Podkeeper did not make; on the database itself."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cli.client import is_ours
from cli.direct import on_store
from cli.output import complain, print_json, say
from cli.pods import Json, Yes, confirm
from core.errors import InvalidInput

if TYPE_CHECKING:
    from core.model import Pod, PodSpec
    from core.service import Adopting, Offer, People
    from core.settings import Settings
    from core.store import Store

T = TypeVar("T")


def adopt(
    runpod_id: Annotated[str, typer.Argument(help="Its id at RunPod: 7h9k2m4n6pq1rs.", metavar="RUNPOD-ID")],
    name: Annotated[str | None, typer.Option("--name", help="What to call it. Default: as RunPod does.")] = None,
    user: Annotated[
        str | None,
        typer.Option("--user", help="Whose it is: a Slack user id that was seen here, or a name. Default: yours."),
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Take in a pod of the RunPod account that Podkeeper did not make; from then on it stops it when nobody uses it."""
    from core.settings import Settings

    settings = Settings.load()
    if settings.engine != "runpod":
        raise InvalidInput(
            f"adopt takes in pods of a RunPod account, and PODKEEPER_ENGINE is {settings.engine}. Set "
            "PODKEEPER_ENGINE=runpod and RUNPOD_API_KEY, as for the service."
        )

    offer = asyncio.run(_looked(runpod_id.strip(), name, user))
    if not (as_json and yes):
        for line in _told(offer, settings):
            complain(line)
    if not yes:
        confirm(_question(offer))
    pod = asyncio.run(_taken(offer))
    if as_json:
        print_json(_document(pod, offer, settings))
        return
    say(f"{pod.name} is taken in ({pod.id}).")
    here = settings.model_copy(update={"url": None}).service_url
    when = "The Podkeeper that runs here" if asyncio.run(is_ours(here)) else "The next `podkeeper up`"
    complain(f"{when} takes it up, within a minute. `podkeeper pod show {pod.name}` tells how far it is.")


async def _looked(ref: str, name: str | None, user: str | None) -> "Offer":
    async def look(people: "People", adopting: "Adopting") -> "Offer":
        owner = await people.local("terminal") if user is None else await people.named(user.strip(), "terminal")
        return await adopting.look(owner, ref, name)

    return await _with(look)


async def _taken(offer: "Offer") -> "Pod":
    """In a second look at the database: nobody waits for a person with a database open."""

    async def take(people: "People", adopting: "Adopting") -> "Pod":
        return await adopting.take(await people.local("terminal"), offer)

    return await _with(take)


async def _with(act: "Callable[[People, Adopting], Awaitable[T]]") -> T:
    import certifi

    from core.app import utcnow
    from core.engines.runpod.adoption import Adoption
    from core.gateway.probe import Prober
    from core.parts import runpod_account
    from core.service import Adopting, People
    from core.templates import Catalog

    async def work(store: "Store", settings: "Settings") -> T:
        assert settings.runpod_api_key is not None, "the settings see to that"
        account = Adoption(runpod_account(settings, settings.runpod_api_key.get_secret_value()), store.installation)
        prober = Prober(tls=False, ca=settings.upstream_ca or Path(certifi.where()))
        catalog = Catalog.load(settings.templates_dir, settings.idle_timeout, settings.idle_warning)
        try:
            adopting = Adopting(store, settings, account, lambda door: prober.reach(door, None), catalog, utcnow)
            return await act(People(store, settings, utcnow), adopting)
        finally:
            await prober.close()
            await account.close()

    return await on_store(work)


def _told(offer: "Offer", settings: "Settings") -> list[str]:
    """What it is, and what it becomes."""
    from core.units import format_money

    found, pod = offer.found, offer.pod
    if offer.known:
        return [f"{found.id} is {pod.name} ({pod.status}) already; only its mark at RunPod is missing."]
    size = str(pod.spec.gpu) if pod.spec.gpu is not None else f"{pod.spec.cpu:g} vCPUs"
    cost = pod.spec.price_per_hour
    price = f", {format_money(cost)} an hour while it runs" if cost else ""
    urls = [url for _, url in _addresses(pod, settings) if url is not None]
    where = f", reached at {' and '.join(urls)}. Who uses RunPod's own address instead is not seen" if urls else ""
    return [
        f"{found.name or found.id} at RunPod: {found.status}, {pod.spec.image}, {size}{_disk(pod.spec)}{price}.",
        f"It becomes {pod.name}, of {pod.owner_name}{where}.",
        *offer.remarks,
    ]


def _disk(spec: "PodSpec") -> str:
    from core.units import format_bytes

    if spec.network_volume is not None:
        return f", a network volume at {spec.volume_path}"
    return f", a volume disk of {format_bytes(spec.volume)} at {spec.volume_path}" if spec.volume is not None else ""


def _question(offer: "Offer") -> str:
    from core.units import format_duration

    if offer.known:
        return "Mark it at RunPod?"
    limit = offer.pod.spec.idle.timeout
    then = (
        f"Podkeeper stops it when nobody uses it for {format_duration(limit)}; its container disk is lost then."
        if limit
        else "Podkeeper does not stop it by itself (PODKEEPER_IDLE_TIMEOUT is 0)."
    )
    begins = "" if offer.found.running else " It is stopped now, and is started by this."
    return f"Take it in?{begins} {then}"


def _document(pod: "Pod", offer: "Offer", settings: "Settings") -> dict[str, Any]:
    addresses = _addresses(pod, settings)
    return {
        "id": pod.id,
        "name": pod.name,
        "status": str(pod.status),
        "template": pod.spec.template,
        "owner": pod.owner_name,
        "runpod_id": offer.found.id,
        "ports": [{"port": port, "url": url} for port, url in addresses],
        "url": next((url for _, url in addresses if url is not None), None),
    }


def _addresses(pod: "Pod", settings: "Settings") -> list[tuple[str, str | None]]:
    """Each port as declared, with its address at the gateway; TCP ports have RunPod's once it runs."""
    from core.model import route_key

    scheme, suffix = settings.public_proxy
    web = {
        port: f"{scheme}://{route_key(pod.id, port)}.{settings.proxy_domain}{suffix}" for port in pod.spec.http_ports
    }
    return [(str(port), web.get(port.number)) for port in pod.spec.ports]
