"""End to end, on real parts: Docker, Envoy, a database file, a registry, the faces over real ports."""
