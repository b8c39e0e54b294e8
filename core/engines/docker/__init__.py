"""The Docker engine: pods as containers of one Docker Engine (or Podman), spoken to through aiodocker."""

from core.engines.docker.engine import DockerEngine

__all__ = ["DockerEngine"]
