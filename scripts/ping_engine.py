"""Ends well when a Docker Engine answers at DOCKER_HOST or the usual socket; for machines without Docker's client."""

import http.client
import os
import socket
import sys
from urllib.parse import urlsplit


def answers(address: str) -> bool:
    """Whether an engine says OK to a ping at this address, as DOCKER_HOST gives it."""
    url = urlsplit(address)
    if url.scheme == "unix":
        connection = http.client.HTTPConnection("docker", timeout=5)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(5)
        connection.sock.connect(url.path)
    elif url.scheme in ("tcp", "http"):
        connection = http.client.HTTPConnection(url.hostname or "localhost", url.port or 2375, timeout=5)
    else:
        return False
    connection.request("GET", "/_ping")
    return connection.getresponse().status == 200


try:
    sys.exit(not answers(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"))
except OSError:
    sys.exit(1)
