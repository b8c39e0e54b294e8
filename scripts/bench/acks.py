"""The bench's acks: slash commands to their acks, alone and many at once, against a Bolt app that only acks."""

from scripts.bench.figures import Row, Samples, Section
from scripts.bench.workspaces import WAYS, Workspace, bare, ours

MANY = 50
LIMITS = {1: {90: 100.0}, MANY: {99: 3000.0}}
"""Milliseconds. A person notices 100; Slack waits 3,000, then it tells the person that the app did not answer."""
_NOTE = """
From the moment at which Slack sends the command to the acknowledgement, over our double of Slack, so without the way to
Slack and back; the app is in a process of its own. 50 at once are sent in one go, and ours answers all of them while
it still acknowledges the others. The baseline is a Bolt app whose only listener acknowledges, asked in the same way; a
ratio of 1 means that ours adds nothing. Of a command alone, 10 ms are the pause in which Bolt waits for its listener.
"""


async def measure(alone: int, together: int) -> list[Section]:
    """Both ways; ours and the bare app take turns, each with a double of its own."""
    rows: list[Row] = []
    for way in WAYS:
        async with ours(way) as measured, bare(way) as baseline:
            rows.append(await _compare(way, measured, baseline, 1, alone))
            rows.append(await _compare(way, measured, baseline, MANY, together))
    return [Section.of_rows("Slash command", rows, _NOTE)]


async def _compare(way: str, measured: Workspace, baseline: Workspace, count: int, rounds: int) -> Row:
    for workspace in (measured, baseline):  # the first of each is not counted
        await workspace.ask(count)
    pairs = [(await measured.ask(count), await baseline.ask(count)) for _ in range(rounds)]
    name = f"`/pod list` to its acknowledgement, {way}, {'alone' if count == 1 else f'{count} at once'}"
    found = Samples.of_seconds(name, [seconds for pair in pairs for seconds in pair[0]])
    base = Samples.of_seconds("a Bolt app that only acknowledges", [seconds for pair in pairs for seconds in pair[1]])
    return Row(found, base, limits=LIMITS[count])
