"""What a run wrote last, kept for whoever asks once its container is gone."""

import logging
from collections.abc import Sequence

from core.engines.base import Engine
from core.errors import PodError
from core.model import Line, Pod, text_of
from core.store import Store

log = logging.getLogger("podkeeper.launcher")

KEPT_LINES = 1000
"""As many as a person may ask for at once through an assistant."""
KEPT = 64_000
"""Characters of these lines."""


async def keep_output(store: Store, engine: Engine, pod: Pod) -> str:
    """Keep it as that of the pod's run: its container is removed next. Empty: nothing is known."""
    try:
        lines = newest(await engine.lines(pod, KEPT_LINES), KEPT)
        if lines:
            await store.keep_output(pod.id, pod.run, lines)
    except PodError as error:
        log.warning("pod %s: its last output is not kept: %s", pod.id, error)
        return ""
    return text_of(lines)


def newest(lines: Sequence[Line], most: int) -> tuple[Line, ...]:
    """The last of these lines, of `most` characters in all; of a longer line its end."""
    kept: list[Line] = []
    for line in reversed(lines):
        most -= len(line.text) + 1
        if most < 0:
            if not kept:
                kept.append(line._replace(text=line.text[-(most + len(line.text)) :]))
            break
        kept.append(line)
    return tuple(reversed(kept))
