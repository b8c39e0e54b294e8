"""Logs as they are shown: the end of them, within bounds, and nothing that steers a terminal."""

from core.model import Pod
from mcp_server.views import MAX_LOG_BYTES, PodLogs
from tests.houses import FakeHouse


async def pod(home: FakeHouse) -> Pod:
    return await home.started()


async def test_short_logs_are_whole(home: FakeHouse) -> None:
    logs = PodLogs.of(await pod(home), "one\ntwo\n", 100)
    assert (logs.lines, logs.truncated, logs.brief()) == (["one", "two"], False, "one\ntwo")


async def test_no_logs(home: FakeHouse) -> None:
    logs = PodLogs.of(await pod(home), "", 100)
    assert (logs.lines, logs.truncated, logs.brief()) == ([], False, "(no output)")


async def test_an_older_line_is_said_to_be_left_out(home: FakeHouse) -> None:
    logs = PodLogs.of(await pod(home), "one\ntwo\nthree\n", 2)
    assert (logs.lines, logs.truncated) == (["two", "three"], True)
    assert logs.brief().startswith("(older output was left out)")


async def test_the_end_of_long_logs_is_kept(home: FakeHouse) -> None:
    lines = [f"{number:04} " + "x" * 95 for number in range(1000)]
    logs = PodLogs.of(await pod(home), "\n".join(lines), 1000)
    assert logs.truncated
    assert logs.lines == lines[-len(logs.lines) :]
    assert MAX_LOG_BYTES - 200 < sum(len(line) + 1 for line in logs.lines) <= MAX_LOG_BYTES


async def test_the_end_of_one_long_line_is_kept(home: FakeHouse) -> None:
    logs = PodLogs.of(await pod(home), "ä" * 50_000 + "end", 10)
    [line] = logs.lines
    assert logs.truncated
    assert line.startswith("…ä")
    assert line.endswith("end")
    assert len(line.encode()) <= MAX_LOG_BYTES + 3


async def test_control_characters_are_taken_out(home: FakeHouse) -> None:
    written = "\x1b[31mred\x1b[0m\x07\n\x1b]0;title\x07plain\ttext\x00\n"
    assert PodLogs.of(await pod(home), written, 10).lines == ["red", "plain\ttext"]
