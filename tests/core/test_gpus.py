"""Which GPUs a request names, and which devices it gets: of several kinds the first to be had."""

from pathlib import Path

import pytest

from core.engines.devices import choices, devices
from core.engines.fake import FakeEngine
from core.errors import InvalidInput, NoCapacity
from core.model import Gpu, GpuRequest, Status
from tests.houses import fake_house


def inventory(*kinds: str) -> list[Gpu]:
    """A device of each of these."""
    return [Gpu(uuid=f"GPU-{n}", type=kind, memory=1 << 30) for n, kind in enumerate(kinds)]


A100, H100, L40S = "NVIDIA A100-SXM4-80GB", "NVIDIA H100 80GB HBM3", "NVIDIA L40S"
THERE = inventory(A100, L40S, L40S, H100)


@pytest.mark.parametrize(
    ("text", "types", "count"),
    [
        ("A100", ("A100",), 1),
        (" A100:2 ", ("A100",), 2),
        ("any", ("any",), 1),
        ("A100,L40S", ("A100", "L40S"), 1),
        ("A100, L40S:2", ("A100", "L40S"), 2),
        ("A100 80GB PCIe,GeForce RTX 4090,any:64", ("A100 80GB PCIe", "GeForce RTX 4090", "any"), 64),
        ("a,b,c,d,e,f,g,h", tuple("abcdefgh"), 1),
    ],
)
def test_a_request_is_read_and_written_the_same(text: str, types: tuple[str, ...], count: int) -> None:
    found = GpuRequest.parse(text)
    assert (found.types, found.count) == (types, count)
    assert GpuRequest.parse(str(found)) == found
    assert str(found) == text.strip()


@pytest.mark.parametrize(
    "text",
    ["", ":", ":2", "A100:", "A100:0", "A100:65", "A100:100", "A100:x", "A100:٢", "A100:-1", "A100,", ",A100",
     "A100,,L40S", "A100,  L40S", "A100;L40S", "A100:2,L40S:2", "A100:2,L40S", "A100,\nL40S", "x" * 65,
     "a,b,c,d,e,f,g,h,i"],
)  # fmt: skip
def test_what_is_no_request_is_told_with_what_is(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"is not a GPU request. Write TYPE or TYPE:COUNT.*A100,L40S:2"):
        GpuRequest.parse(text)


def test_the_longest_request_is_as_long_as_the_faces_allow() -> None:
    longest = ", ".join(["x" * 64] * 8) + ":64"
    assert len(longest) == GpuRequest.LONGEST
    assert GpuRequest.parse(longest).count == 64


@pytest.mark.parametrize(
    ("text", "fitting"),
    [
        ("A100", [0]),
        ("l40s", [1, 2]),
        ("A100,L40S", [0]),
        ("L40S,A100", [1, 2]),
        ("A100,L40S:2", [1, 2]),
        ("V100, H100", [3]),
        ("H100 80GB,any:4", [0, 1, 2, 3]),
        (A100, [0]),
    ],
)
def test_the_first_kind_of_which_there_are_enough(text: str, fitting: list[int]) -> None:
    assert devices(GpuRequest.parse(text), THERE) == tuple(THERE[n] for n in fitting)


def test_each_kind_of_which_there_are_enough_is_a_choice() -> None:
    found = choices(GpuRequest.parse("V100,L40S,A100"), THERE)
    assert found == (tuple(THERE[1:3]), (THERE[0],))


@pytest.mark.parametrize(("text", "there"), [("A100,H100:2", THERE), ("V100,A40", THERE), ("any", [])])
def test_too_few_of_any_kind_is_told_with_what_there_is(text: str, there: list[Gpu]) -> None:
    has = f"1 × {A100}, 2 × {L40S}, 1 × {H100}" if there else "no GPUs"
    with pytest.raises(NoCapacity) as told:
        devices(GpuRequest.parse(text), there)
    assert str(told.value).startswith(f"This needs GPU {text}, and this engine has {has}.")


async def test_where_all_of_the_first_kind_are_taken_the_next_one_is_given(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", engine=FakeEngine(gpus=THERE)) as home:
        given = [(await home.started(gpu="A100,L40S,H100")).gpus for _ in range(4)]
        assert given == [("GPU-0",), ("GPU-1",), ("GPU-2",), ("GPU-3",)]
        late = await home.started(gpu="A100,L40S")
        assert late.status is Status.ERROR
        assert "needs GPU A100,L40S, and only 0 of 2 are free now" in (late.reason or "")


async def test_devices_of_two_kinds_are_not_mixed(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", engine=FakeEngine(gpus=inventory(A100, A100, L40S, L40S))) as home:
        assert (await home.started(gpu="A100")).gpus == ("GPU-0",)
        assert set((await home.started(gpu="A100,L40S:2")).gpus) == {"GPU-2", "GPU-3"}
        late = await home.started(gpu="A100,L40S:2")
        assert "only 1 of 2 are free now" in (late.reason or "")
        assert late.gpus == ()
