"""The door for programs that speak RunPod's REST API v2: `/v2`, with our own bearer tokens (the only speaker of it)."""

import re

from starlette.routing import BaseRoute, Mount

from api.app import app
from core.service import Services


def face(services: Services, token: str) -> BaseRoute:
    """What answers below `/v2`. Open to the local `token`, personal tokens and company logins."""
    mount = Mount("/v2", app=app(services, token))
    # As Starlette has it but for line breaks, which a path may hold: those are ours to refuse, too.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount
