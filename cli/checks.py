"""What the doctor finds: a line for each thing."""

from dataclasses import asdict, dataclass
from typing import Any

from cli.output import plain


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    text: str
    """What was found; when it is wrong, also how to mend it."""

    def document(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)

    def line(self) -> str:
        """For people."""
        return plain(f"{'✓' if self.ok else '✗'} {self.name}: {self.text}")
