"""How a pod's end is told to people."""

from core.engines.base import Engine, Instance
from core.errors import PodError
from core.model import Pod

_SIGNALS = {130: "it was interrupted", 137: "it was killed", 143: "it was told to end"}


def how_it_ended(instance: Instance | None) -> str:
    """One sentence on what became of the container."""
    if instance is None:
        return "Its container vanished: somebody removed it outside Podkeeper."
    if instance.out_of_memory:
        return "It ran out of memory and was killed. Start it with more, for example --memory 8g."
    if instance.exit_code is None:
        return "Its container ended."
    told = _SIGNALS.get(instance.exit_code)
    if told is None and instance.exit_code:
        told = "see its last lines"
    return f"Its command ended with exit code {instance.exit_code}" + (f": {told}." if told else ".")


async def with_last_lines(reason: str, engine: Engine, pod: Pod, token: str) -> str:
    """The reason, and the pod's last log lines when there are any: its container is removed next.

    `token` is that of its keep-alive address; like the values of its variables, it is left out.
    """
    try:
        lines = (await engine.logs(pod, 5)).strip()
    except PodError:
        return reason
    # What somebody handed over as a secret may be printed by the program; this text goes into rows and messages.
    # Line by line, since only the last ones are here; the longest first, since one may be the beginning of another.
    secrets = {token, *(part for value in pod.spec.env.values() for part in value.splitlines())}
    for secret in sorted(secrets, key=len, reverse=True):
        lines = lines.replace(secret, "…") if len(secret) >= 6 else lines
    clean = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in lines[-600:])
    return f"{reason}\nLast lines:\n{clean}" if clean else reason
