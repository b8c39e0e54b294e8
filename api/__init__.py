"""The door for programs that speak RunPod's REST API v2: `/v2`, with our own bearer tokens (the only speaker of it)."""

from starlette.types import ASGIApp

from api.app import app
from core.service import Services


def face(services: Services, token: str) -> ASGIApp:
    """The application; mount it at `/v2`. Open to the local `token`, personal tokens and company logins."""
    return app(services, token)
