"""What the gateway should carry for a row, as its status says."""

from core.gateway.base import Route, RouteState
from core.model import Pod, Status

_STATES = {
    Status.PROVISIONING: RouteState.STARTING,
    Status.STARTING: RouteState.STARTING,
    Status.RUNNING: RouteState.LIVE,
    Status.STOPPING: RouteState.SLEEPING,
    Status.EXITED: RouteState.SLEEPING,
    Status.ERROR: RouteState.SLEEPING,
}


def routes_of(pod: Pod, state: RouteState | None = None) -> tuple[Route, ...]:
    """One route for each port with an address; `state` in place of what the status says. None for one that is going
    for good.
    """
    state = state or _STATES.get(pod.status)
    if state is None:
        return ()
    open_ports = state in (RouteState.LIVE, RouteState.CLOSING)
    return tuple(
        Route(
            pod_id=pod.id,
            port=port,
            state=state,
            upstream=pod.upstreams[port] if open_ports else None,
            ignore=pod.spec.idle.ignore,
            listen=pod.listens.get(port),
        )
        for port in pod.watched
        if not open_ports or port in pod.upstreams
    )
