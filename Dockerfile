# The service image. compose.yaml runs it; docs/install.md says how.
ARG BASE=debian:12-slim

FROM ${BASE} AS builder
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
# Set only where the build machine finds its packages elsewhere; proxies are build arguments that Docker knows by itself.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
RUN python3 -m venv /opt/podkeeper
COPY requirements.lock /src/
RUN /opt/podkeeper/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /src/requirements.lock
COPY pyproject.toml README.md LICENSE /src/
COPY api /src/api
COPY bot /src/bot
COPY cli /src/cli
COPY core /src/core
COPY mcp_server /src/mcp_server
RUN /opt/podkeeper/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation /src

FROM ${BASE}
# busybox-static: the template "hello" is made of it where busybox cannot be pulled.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends busybox-static ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=builder /opt/podkeeper /opt/podkeeper
ENV PATH=/opt/podkeeper/bin:$PATH \
    PODKEEPER_DATA_DIR=/data \
    PYTHONUNBUFFERED=1
# Runs as root on purpose: it holds the Docker socket, and whoever holds that is root on the machine anyway. A user of its
# own would need the number of the machine's group docker, which differs everywhere, and would guard nothing.
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python3", "-c", "\
import os, urllib.request as web; \
web.build_opener(web.ProxyHandler({})).open('http://' + os.environ.get('PODKEEPER_LISTEN', '127.0.0.1:8700') + '/healthz', timeout=4)"]
ENTRYPOINT ["podkeeper"]
CMD ["up"]
