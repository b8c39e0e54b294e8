"""What a program says in RunPod's words, as what the core is asked for."""

import json
import re
import shlex
from collections.abc import Collection, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from api.contract import failures
from api.problems import Invalid
from api.shown import DATA_CENTER, GB, GB_PER_GPU, GB_PER_VCPU, JUPYTER, VCPU_PER_GPU
from core.errors import InvalidInput, NoCapacity, NotFound
from core.model import PodSpec, Template, registry_of
from core.service import SpecRequest
from core.templates import Catalog
from core.units import shorten

MOST = 1024 * 1024
"""Bytes of a request."""
_LONGEST_NAME = 56
"""Leaves room for what tells two of one name apart."""
_GENERATED = {"generate": "token"}
_LEAST = {"cpu": 2, "memory": "4g"}
"""What a pod of a saved template gets that is started without saying so: RunPod's smallest flavour."""


def checked(schema: str, body: object) -> dict[str, Any]:
    """The body, when it is as the contract has it; Invalid otherwise."""
    found = failures(schema, body)
    if found or not isinstance(body, dict):
        raise Invalid(found or ["$: an object is expected"])
    return body


async def read(request: Request) -> object:
    """Its JSON; Invalid when it is none, 413 when it is longer than `MOST`."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST:
            raise HTTPException(413, f"The body is longer than {MOST // 1024} kB.")
    try:
        found = json.loads(body, parse_float=_number, parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raise Invalid(["$: this is no JSON"]) from None
    return found


def _number(text: str) -> float | int:
    """`4.0` is an integer in JSON schemas, and one for us."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def start(body: Mapping[str, Any], templates: Catalog, hosts: Collection[str]) -> SpecRequest:
    """Of a create; `hosts` are those with a credential.

    InvalidInput, NoCapacity or NotFound, in words, for what we cannot do.
    """
    template = body.get("templateId")
    base = templates.get(template) if template is not None else None
    if ("gpu" in body) == ("cpu" in body):
        raise InvalidInput("Give exactly one of gpu and cpu.")
    if body.get("globalNetworking"):
        raise InvalidInput("globalNetworking: pods cannot reach each other here. Leave it out.")
    places = body.get("dataCenterIds") or [DATA_CENTER]
    if DATA_CENTER not in places:
        raise NoCapacity(f"dataCenterIds: there is one place here, {DATA_CENTER}. Nothing was started.")
    check_registry(body, body.get("image") or (base.spec.image if base is not None else ""), hosts)
    said: dict[str, Any] = {"image": body["image"]} if "image" in body else {}
    said |= _container(body) | (_gpu(body["gpu"], base) if "gpu" in body else _cpu(body["cpu"], base))
    env = _env(body)
    if body.get("startJupyter"):
        env.setdefault(JUPYTER, _GENERATED)
    if env:
        said["env"] = env
    mount, volume = _mount(body.get("mounts") or {})
    return SpecRequest(template=template, name=slug(body["name"]), said=said | mount, network_volume=volume)


def template(body: Mapping[str, Any], said: Mapping[str, Any], owner: str, hosts: Collection[str]) -> dict[str, Any]:
    """Of a create or a change of a template: what its file says then, `said` being what it says now; of that owner.

    InvalidInput or NotFound, in words, for what we cannot do.
    """
    if body.get("serverless"):
        raise InvalidInput("serverless: there are only pods here. Leave it out.")
    if body.get("public"):
        raise InvalidInput("public: all of your workspace see it already, and nobody else can. Leave it out.")
    if body.get("allowedCudaVersions"):
        raise InvalidInput("allowedCudaVersions: the CUDA versions of devices are not known here. Leave them out.")
    check_registry(body, body.get("image") or str(said.get("image", "")), hosts)
    was: dict[str, Any] = dict(said.get("env") or {})
    jupyter = body.get("startJupyter", was.get(JUPYTER) == _GENERATED if said else True)
    env = _env(body) if "env" in body else {name: value for name, value in was.items() if value != _GENERATED}
    if jupyter:
        env.setdefault(JUPYTER, _GENERATED)
    made = dict(said or _LEAST) | _container(body) | _mount(body.get("mounts") or {})[0] | {"env": env}
    if "image" in body:
        made["image"] = body["image"]
    if "name" in body:
        made["name"] = slug(body["name"])
    # RunPod's words have no description, and lists of templates show one.
    made["description"] = f"{shorten(str(made['image']), 120)}, saved by {shorten(owner, 60)}."
    return made


def check_registry(body: Mapping[str, Any], image: str, hosts: Collection[str]) -> None:
    """A credential may be named where it is the one that is used anyway: that of the image's host."""
    named, host = body.get("registry"), registry_of(image)
    if not named or named.lower() == host in hosts:
        return
    if named.lower() not in hosts:
        known = f"There are: {', '.join(sorted(hosts))}." if hosts else "None is stored."
        raise NotFound(f"registry: there is no credential {shorten(named, 60)!r}. {known} Name one, or leave it out.")
    raise InvalidInput(
        f"registry: {shorten(named, 60)} is not where {shorten(image, 80)} comes from, which is {host}. "
        f"Credentials go by the image's host here: leave it out."
    )


def labels(body: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    """What a template has in RunPod's words and no pod of it: `category`, and `startSsh`, which does nothing."""
    said = {name: json.dumps(body[name]) for name in ("category", "startSsh") if name in body}
    return {"category": '"NVIDIA"', "startSsh": "true", **known, **said}


def change(body: Mapping[str, Any], spec: PodSpec, template: PodSpec | None, hosts: Collection[str]) -> dict[str, Any]:
    """Of a patch of a pod: what its spec is to say, by keys of a template file; its ports and its name apart.

    `template`: whose container it is to have, but for what the body says itself. InvalidInput or NotFound, in words,
    for what we cannot do.
    """
    if body.get("globalNetworking"):
        raise InvalidInput("globalNetworking: pods cannot reach each other here. Leave it out.")
    if body.get("locked"):
        raise InvalidInput("locked: there are no locks here; `podkeeper pod keep` holds off a stop for a time.")
    check_registry(body, body.get("image") or (template or spec).image, hosts)
    said: dict[str, Any] = {}
    if template is not None:
        # What was made up for this pod stays: its owner has it.
        known = {name: spec.env[name] for name in spec.generated if spec.env.get(name)}
        made = {name: known.get(name, _GENERATED) for name in template.generated}
        said = {"image": template.image, "args": list(template.args), "env": {**made, **template.env}}
        ready = template.ready
        within = f"{round(ready.timeout.total_seconds())}s" if ready is not None else ""
        said["ready"] = ready and {"port": ready.port, "path": ready.path, "timeout": within}
        if template.container_disk is not None:
            said["container_disk"] = str(template.container_disk)
    said |= {key: value for key, value in _container(body).items() if key != "ports"}
    if "image" in body:
        said["image"] = body["image"]
    if "env" in body:
        said["env"] = {**said.get("env", {}), **_env(body)}
    return said | _other_mount(body.get("mounts") or {}, spec)


def _other_mount(mounts: Mapping[str, Any], spec: PodSpec) -> dict[str, Any]:
    said, volume = _mount(mounts)
    if "network" in mounts and not mounts["network"]:
        raise InvalidInput("mounts.network: a pod keeps the mounts it was made with.")
    if volume is not None and volume != spec.network_volume:
        raise InvalidInput("mounts.network: a pod keeps the network volume it was made with; only its path may change.")
    if "volume" in said and (spec.volume is None or spec.network_volume is not None):
        raise InvalidInput("mounts.persistent: this pod was made without a volume disk and gets none later.")
    return said


def check_place(body: Mapping[str, Any]) -> None:
    """Of a network volume."""
    if body["dataCenter"] != DATA_CENTER:
        raise InvalidInput(f"dataCenter: there is one place here, {DATA_CENTER}. Nothing was created.")
    if body.get("type", "STANDARD") != "STANDARD":
        raise InvalidInput("type: STANDARD is all there is here. Nothing was created.")


def slug(name: str) -> str:
    """A name as ours are: RunPod's may hold anything."""
    clean = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    if not clean:
        raise InvalidInput(f"name: {shorten(name)!r} holds no letter and no digit (a-z, 0-9).")
    return clean


def words(args: str) -> list[str]:
    """As a shell reads them."""
    try:
        return shlex.split(args)
    except ValueError as error:
        raise InvalidInput(f"args: {error}; quotes go in pairs.") from None


def _container(body: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if "args" in body:
        said["args"] = words(body["args"])
    if "ports" in body:
        said["ports"] = body["ports"]
    if "disk" in body:
        said["container_disk"] = f"{body['disk']}g"
    return said


def _env(body: Mapping[str, Any]) -> dict[str, Any]:
    # Every pod has these from the Podkeeper that runs it; a program that is itself one sends its own.
    return {name: value for name, value in (body.get("env") or {}).items() if not name.startswith("PODKEEPER_")}


def _gpu(asked: Mapping[str, Any], base: Template | None) -> dict[str, Any]:
    if asked.get("allowedCudaVersions") or "minCudaVersion" in asked:
        raise InvalidInput("gpu: the CUDA versions of devices are not known here. Leave them out.")
    count = asked.get("count", 1)
    said: dict[str, Any] = {"gpu": f"{asked['id']}:{count}"}
    if base is None or base.saved is not None:
        said |= {"cpu": VCPU_PER_GPU * count, "memory": f"{GB_PER_GPU * count}g"}
    return said


def _cpu(asked: Mapping[str, Any], base: Template | None) -> dict[str, Any]:
    count = asked["vcpuCount"]
    if count & (count - 1):
        raise InvalidInput(f"cpu.vcpuCount: {count} is no power of two.")
    memory = max(count * GB_PER_VCPU * GB, base.spec.memory if base is not None else 0)
    return {"cpu": count, "memory": str(memory), "gpu": None}


def _mount(mounts: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    persistent, network = mounts.get("persistent"), mounts.get("network") or []
    if persistent is not None and network:
        raise InvalidInput("mounts: a pod has either a persistent or a network mount.")
    if persistent is not None:
        return {"volume": f"{persistent['size']}g", "volume_path": persistent["path"]}, None
    if network:
        return {"volume_path": network[0]["path"]}, network[0]["volumeId"]
    return {}, None
