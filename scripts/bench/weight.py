"""The bench's weight of Slack: memory of a house with it, idle and after many commands, against a house without it."""

import tempfile

from scripts.bench.apart import apart
from scripts.bench.figures import Section, table
from scripts.bench.machine import resident
from scripts.bench.workspaces import SOCKET, house, ours

AT_ONCE = 50
_NOTE = f"""
Resident memory of the service's process, each line against the first; without MCP, by Socket Mode, with engine and
gateway faked. The commands are `/pod list`, {AT_ONCE} at once, all of them answered. A house without Slack has none of
its modules loaded; `podkeeper up` loads them even without a bot token, so leaving Slack out saves it only a part of the
difference. The last line holds what is loaded and kept at the first use, too.
"""


async def measure(commands: int) -> list[Section]:
    """One process after the other, so that none shares the machine with another."""
    with tempfile.TemporaryDirectory(prefix="pk-bench-") as folder:
        async with apart("scripts.bench.slack_house", house(folder)) as process:
            without = resident(process.pid)
    async with ours(SOCKET) as workspace:
        idle = resident(workspace.pid)
        for _ in range(commands // AT_ONCE):
            await workspace.ask(AT_ONCE)
        after = resident(workspace.pid)
    found = {"without Slack": without, "with Slack, idle": idle, f"with Slack, after {commands:,} commands": after}
    lines = [(name, f"{size / 2**20:,.0f}", f"{size / without:.2f}") for name, size in found.items()]
    return [Section("Memory with Slack", table(("the service", "MiB", "ratio"), lines), _NOTE)]
