"""Twenty tasks that a person gives, each walked by a scripted assistant: every needed fact is in the outputs, and few
bytes are. `pytest -s` prints the table."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client

from core.engines.fake import FakeEngine
from mcp_server.server import build
from tests.houses import FakeHouse, fake_house
from tests.mcp_server.tasks import GPUS, Assistant, Task, templates
from tests.mcp_server.tasks_running import RUNNING
from tests.mcp_server.tasks_starts import STARTS

TASKS = STARTS + RUNNING
PAGE = Path(__file__).parents[2] / "docs" / "assistant-tasks.md"

Table = list[tuple[str, int, int, int]]


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    """Title, calls, bytes and budget of each task; printed after the last one."""
    rows: Table = []
    yield rows
    print("\n\ncalls   bytes  budget  task")
    for title, calls, size, budget in rows:
        print(f"{calls:5} {size:7} {budget:7}  {title}")
    print(f"{sum(row[1] for row in rows):5} {sum(row[2] for row in rows):7}          in all")


async def walk(task: Task, home: FakeHouse) -> tuple[Assistant, str]:
    """The assistant after its work, and what it says."""

    async def meanwhile() -> None:
        await task.meanwhile(home)

    await task.prepare(home)
    person = task.person if task.can_ask else None
    async with Client(build(home.house.services), mode="auto", elicitation_callback=person) as client:
        assistant = Assistant(client, meanwhile)
        return assistant, await task.script(assistant)


@pytest.mark.parametrize("kind", TASKS, ids=lambda kind: kind.__name__)
async def test_every_needed_fact_is_in_few_bytes(kind: type[Task], tmp_path: Path, table: Table) -> None:
    task, more = kind(), {"templates_dir": templates(tmp_path / "t"), "max_pods_per_user": 100}
    async with fake_house(tmp_path / "data", FakeEngine(gpus=GPUS), **more) as home:
        assistant, answer = await walk(task, home)
        facts = await task.facts(home)
    missing = [fact for fact in facts if fact not in assistant.seen or fact not in answer]
    assert missing == [], f"{answer}\n\nread:\n{assistant.seen}"
    assert tuple(assistant.calls) == task.calls
    table.append((task.title, len(assistant.calls), assistant.size, task.budget))
    assert assistant.size <= task.budget


def test_the_page_for_people_has_every_task_with_its_calls() -> None:
    lines = PAGE.read_text().splitlines()
    for kind in TASKS:
        [row] = [line for line in lines if line.startswith("|") and f"| {kind.title} |" in line]
        place = -1
        for tool in kind.calls:
            place = row.find(f"`{tool}", place + 1)
            assert place >= 0, f"{tool} in {row}"
    assert len(TASKS) == len({kind.title for kind in TASKS}) == 20
