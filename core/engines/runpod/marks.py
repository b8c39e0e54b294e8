"""How we know what is ours at RunPod, and which run of a pod it carries."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

INSTALLATION = "PODKEEPER_INSTALLATION"
POD = "PODKEEPER_POD_ID"
_LONGEST = 24
_MARK = re.compile(r"(?:^|-)pk-([a-z0-9]{6,20})-([a-z0-9]{8,20})(?:-[0-9a-f]{4})?$")
"""Its last part: another Podkeeper, asked twice for one name, makes a second one of it."""


@dataclass(frozen=True)
class Marks:
    """The marks of one installation: on a pod in its name and its variables, on a volume in its name."""

    installation: str

    def name(self, thing: str, thing_id: str) -> str:
        """A name for people that carries the mark: `llama-1-pk-2s56cp0pof1rmt-3f9c01d2a4b6`."""
        return f"{thing[:_LONGEST].strip('-')}-pk-{thing_id}-{self.installation}"

    def of_name(self, name: str) -> str | None:
        """Whose it is: the id of a pod or volume of ours; None for a stranger's."""
        found = _MARK.search(name)
        return found[1] if found is not None and found[2] == self.installation else None

    def of(self, name: str, env: Mapping[str, str] | None) -> str | None:
        """As `of_name`; its variables count when somebody has renamed it."""
        if env is not None and env.get(INSTALLATION) == self.installation and env.get(POD):
            return env[POD]
        return self.of_name(name)


@dataclass(frozen=True)
class Ref:
    """What the row remembers: `{RunPod's id}@{run}`, with `+` behind it when this very run has made the pod."""

    pod: str | None
    """None: its creation was about to be asked for."""
    run: int
    made: bool = False

    def __str__(self) -> str:
        return f"{self.pod or ''}@{self.run}{'+' if self.made else ''}"

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """None for what is no reference of ours."""
        pod, at, rest = (text or "").partition("@")
        run = rest.removesuffix("+")
        if not at or not (run.isascii() and run.isdigit()):
            return None
        return cls(pod or None, int(run), rest.endswith("+"))
