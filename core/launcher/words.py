"""How a pod's end is told to people."""

from collections.abc import Iterable

from core.engines.base import Instance
from core.model import Pod

_SHORTEST_SECRET = 6
_SIGNALS = {130: "it was interrupted", 137: "it was killed", 143: "it was told to end"}


def how_it_ended(instance: Instance | None) -> str:
    """One sentence on what became of the container."""
    if instance is None:
        return "Its container vanished: somebody removed it outside Podkeeper."
    if instance.words is not None:
        return instance.words
    if instance.out_of_memory:
        return "It ran out of memory and was killed. Start it with more, for example --memory 8g."
    if instance.exit_code is None:
        return "Its container ended."
    told = _SIGNALS.get(instance.exit_code)
    if told is None and instance.exit_code:
        told = "see its last lines"
    return f"Its command ended with exit code {instance.exit_code}" + (f": {told}." if told else ".")


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with these left out, but for those too short to tell from anything else."""
    # Line by line, since only the last ones may be here; the longest first, since one may be the beginning of another.
    parts = {part for secret in secrets for part in secret.splitlines() if len(part) >= _SHORTEST_SECRET}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, "…")
    return text


def with_last_lines(reason: str, output: str, pod: Pod, token: str) -> str:
    """The reason, and the last five lines of the pod's output when there are any.

    `token` is that of its keep-alive address; like the values of its variables, it is left out.
    """
    lines = "\n".join(output.strip().splitlines()[-5:])
    # What somebody handed over as a secret may be printed by the program; this text goes into rows and messages.
    lines = without(lines, [token, *pod.spec.env.values()])
    clean = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in lines[-600:])
    return f"{reason}\nLast lines:\n{clean}" if clean else reason
