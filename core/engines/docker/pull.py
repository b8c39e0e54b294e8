"""The Docker engine's pull: an image that is here, for linux/amd64, or the reason why not in a sentence."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from core.engines.base import Step
from core.engines.docker.client import Client, Refused, section
from core.engines.docker.layers import Layers
from core.errors import InvalidInput, NoCapacity, PodError, PodFailed, Unavailable
from core.model import Credential, Stage, registry_of
from core.units import shorten

PLATFORM = "linux/amd64"
_STEP_EVERY = 0.25
_NAME = re.compile(r"^(?!.*(\.\.|//))[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}$", re.ASCII)
_REBUILD = f"Pods run {PLATFORM} images: build it with `docker build --platform {PLATFORM}`, push it, and try again."


def check_name(image: str) -> None:
    """InvalidInput unless it looks like an image name; it goes into the daemon's paths."""
    if _NAME.match(image) is None:
        raise InvalidInput(
            f"{shorten(image)!r} is not an image name. Write it as name:tag or registry.example/name:tag."
        )


async def find(client: Client, image: str) -> dict[str, Any] | None:
    """The image as the daemon has it, None when it has not."""
    try:
        return await client.call("GET", f"images/{image}/json")
    except Refused as error:
        if error.status == 404:
            return None
        raise


def platform_of(found: dict[str, Any]) -> str:
    """`linux/amd64`."""
    return f"{found['Os']}/{found['Architecture']}"


async def pull(client: Client, image: str, credential: Credential | None, bound: float | None) -> AsyncGenerator[Step]:
    """Pull it, telling how far it is a few times a second. With a bound, Unavailable when no byte came by then."""
    layers, loop = Layers(), asyncio.get_running_loop()
    last, deadline = 0.0, loop.time() + bound if bound is not None else None
    yield Step(stage=Stage.PULL, message=f"pulling {image}: {layers.message}", fraction=0.0)
    async with aclosing(_events(client, image, credential)) as events:
        while True:
            left = deadline - loop.time() if deadline is not None and not layers.moving else None
            try:
                event = await asyncio.wait_for(anext(events), left)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise Unavailable(f"The registry {registry_of(image)} sent nothing of {image} in time.") from None
            if "error" in event:
                message = str(section(event, "errorDetail").get("message") or event["error"])
                raise explain(image, message, credential)
            if layers.feed(event) and loop.time() - last >= _STEP_EVERY:
                last = loop.time()
                yield Step(stage=Stage.PULL, message=f"pulling {image}: {layers.message}", fraction=layers.fraction)


async def _events(client: Client, image: str, credential: Credential | None) -> AsyncGenerator[dict[str, Any]]:
    params = {"fromImage": image, "platform": PLATFORM}
    if ":" not in image.rpartition("/")[2] and "@" not in image:
        params["tag"] = "latest"  # without one, the daemon pulls every tag there is
    headers = {"X-Registry-Auth": _auth(credential)} if credential is not None else {}
    try:
        async with aclosing(client.stream("POST", "images/create", params=params, headers=headers)) as lines:
            async for line in lines:
                yield line
    except Refused as error:
        raise explain(image, error.reason, credential) from None


def _auth(credential: Credential) -> str:
    fields = {"username": credential.username, "password": credential.secret, "serveraddress": credential.host}
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()


def wrong_platform(image: str, platform: str) -> PodFailed:
    """The refusal of an image that is made for another machine."""
    return PodFailed(f"The image {image} is for {platform}. {_REBUILD}")


def explain(image: str, message: str, credential: Credential | None) -> PodError:
    """The daemon's words about a failed pull, as the error they mean."""
    text, host = message.lower(), registry_of(image)
    for words, make in _MEANINGS:
        if any(word in text for word in words):
            return make(image, host, credential)
    return PodFailed(
        f"The image {image} could not be pulled: {shorten(message, 300)}. Check its name and its registry."
    )


def _missing(image: str, host: str, _: Credential | None) -> PodError:
    return PodFailed(f"The registry {host} has no image {image}. Check the name and the tag.")


def _denied(image: str, host: str, credential: Credential | None) -> PodError:
    if credential is None:
        return PodFailed(
            f"The image {image} does not exist, or is private. Check the name and the tag; for a private one, store a "
            f"credential with `podkeeper registry add {host}`, then try again."
        )
    return PodFailed(
        f"The image {image} does not exist, or the stored credential of {shorten(credential.username)} for {host} may "
        "not read it. Check the name, the tag and what that account may see."
    )


def _unauthorized(image: str, host: str, credential: Credential | None) -> PodError:
    if credential is None:
        return InvalidInput(
            f"The registry {host} asks for a password for {image}. Store one with `podkeeper registry add {host}`, "
            "then try again."
        )
    return InvalidInput(
        f"The registry {host} refuses the stored credential of {shorten(credential.username)} for {image}. Store a "
        f"valid one with `podkeeper registry add {host}`, then try again."
    )


def _unreachable(image: str, host: str, _: Credential | None) -> PodError:
    return Unavailable(
        f"The registry {host} cannot be reached, so {image} was not pulled. Check its name and that it is up, "
        "then try again."
    )


def _insecure(image: str, host: str, _: Credential | None) -> PodError:
    return Unavailable(
        f"The registry {host} has no valid TLS certificate, so Docker does not talk to it and {image} was not pulled. "
        "Give it one, or list it under insecure-registries in Docker's daemon.json."
    )


def _limited(image: str, host: str, _: Credential | None) -> PodError:
    return Unavailable(
        f"The registry {host} limits how often it may be asked, and {image} was not pulled. Wait a while, or store a "
        f"credential with `podkeeper registry add {host}`."
    )


def _full(image: str, _host: str, _: Credential | None) -> PodError:
    return NoCapacity(
        f"The Docker Engine's disk is full, so {image} could not be stored. Free some space (`docker system df`, "
        "`docker image prune`), then try again."
    )


def _platform(image: str, _host: str, _: Credential | None) -> PodError:
    return PodFailed(f"The image {image} is not there for {PLATFORM}. {_REBUILD}")


# The first match counts. The wording is dockerd's and the registry protocol's, from 20.10 to 28.
_MEANINGS = (
    (("no space left on device",), _full),
    (("no matching manifest", "does not match the specified platform"), _platform),
    (("toomanyrequests", "too many requests"), _limited),
    (("pull access denied", "may require 'docker login'"), _denied),
    (("no basic auth credentials", "unauthorized", "authentication required", "incorrect username"), _unauthorized),
    (("403 forbidden", "401 unauthorized", "denied"), _unauthorized),
    (("manifest unknown", "name unknown", "not found: ", "manifest for ", "does not exist"), _missing),
    (("x509", "http response to https client", "certificate"), _insecure),
    (
        (
            "connection refused", "no such host", "timeout", "deadline exceeded", "unreachable", "no route to host",
            "server misbehaving", "connection reset", "eof", "bad gateway", "service unavailable", "dial tcp",
            "temporary failure", "tls handshake",
        ),
        _unreachable,
    ),
)  # fmt: skip
