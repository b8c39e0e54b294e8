"""What all nouns share: immutability, and the names by which pods and registries go."""

from pydantic import BaseModel, ConfigDict

POD_LABEL = "podkeeper.pod"
"""The label that everything we create on an engine carries; its value is the pod id."""


class Frozen(BaseModel):
    """Immutable, and strict about what it does not know."""

    # No inputs in errors: they would carry people's environment variables into the log.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def route_key(pod_id: str, port: int) -> str:
    """The name of a pod port everywhere: in host names, routes and counters."""
    return f"{pod_id}-{port}"


def registry_of(image: str) -> str:
    """The registry host of an image name, by Docker's rule: a first part with a dot, a colon or `localhost`."""
    first, slash, _ = image.partition("/")
    return first.lower() if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"
