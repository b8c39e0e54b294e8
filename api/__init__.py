"""The door for programs that speak RunPod's REST API v2: `/v2`, with our own bearer tokens (the only speaker of it)."""

import re

from starlette.routing import BaseRoute, Mount

from api.app import app
from core.service import Services


def face(services: Services, token: str, below: str = "") -> list[BaseRoute]:
    """What answers below `/v2`. Open to the local `token`, personal tokens and company logins.

    `below`: a path below which it answers as well, for a proxy that leaves the path as it is.
    """
    door = app(services, token)
    mounts = [Mount(f"{path}/v2", app=door) for path in dict.fromkeys(("", below.rstrip("/")))]
    for mount in mounts:
        # As Starlette has it but for line breaks, which a path may hold: those are ours to refuse, too.
        mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return [*mounts]
