"""What RunPod has published as examples goes through our reader, as do fields and words that do not exist yet."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.engines.runpod.marks import Marks, Ref
from core.engines.runpod.problems import Undecided, refusal
from core.engines.runpod.shapes import CpuType, GpuType, Named, PodShape, Problem, Shape, read, read_list
from core.engines.runpod.views import upstreams, usage
from core.errors import BalanceUsedUp, Conflict, InvalidInput, NoCapacity, NotFound, PodError, Unavailable
from core.model import PortModel
from tests.core.engines.orders import make_pod
from tests.runpod.parts import account

PUBLISHED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "runpod-openapi-v2.json").read_text())
ONE: dict[str, type[Shape]] = {
    "/v2/pods/{id}": PodShape,
    "/v2/pods/{id}/action": PodShape,
    "/v2/catalog/gpus/{id}": GpuType,
    "/v2/catalog/cpus/{id}": CpuType,
    "/v2/network-volumes/{id}": Named,
    "/v2/registries/{id}": Named,
}
MANY: dict[str, tuple[str, type[Shape]]] = {
    "/v2/pods": ("pods", PodShape),
    "/v2/catalog/gpus": ("gpus", GpuType),
    "/v2/catalog/cpus": ("cpus", CpuType),
    "/v2/network-volumes": ("networkVolumes", Named),
    "/v2/registries": ("registries", Named),
}


def _examples() -> Iterator[Any]:
    """Path, and each example of a good answer below it."""
    for path in (*ONE, *MANY):
        for verb, operation in PUBLISHED["paths"][path].items():
            if verb not in ("get", "post", "patch"):
                continue
            for status, answer in operation.get("responses", {}).items():
                content = answer.get("content", {}).get("application/json", {})
                for name, example in content.get("examples", {}).items():
                    if status in ("200", "201"):
                        yield pytest.param(path, example["value"], id=f"{verb} {path} {name}")


EXAMPLES = list(_examples())


def _read(path: str, answer: Any) -> tuple[Shape, ...]:
    if path in MANY and MANY[path][0] in answer:
        key, shape = MANY[path]
        return read_list(shape, answer, key)
    return (read(ONE.get(path) or MANY[path][1], answer),)


def _aged(answer: Any) -> Any:
    """As in some years: fields that nobody knows, everywhere."""
    if isinstance(answer, dict):
        # Of variables anybody chooses the names.
        aged = {key: value if key == "env" else _aged(value) for key, value in answer.items()}
        return {"later": {"deep": [1]}, **aged}
    return [_aged(item) for item in answer] if isinstance(answer, list) else answer


def test_there_are_examples_of_everything_that_is_read() -> None:
    assert {example.values[0] for example in EXAMPLES} >= {*MANY, "/v2/pods/{id}", "/v2/pods/{id}/action"}


@pytest.mark.parametrize(("path", "answer"), EXAMPLES)
def test_a_published_example_is_read_alike_now_and_with_fields_to_come(path: str, answer: Any) -> None:
    now = _read(path, answer)
    assert now
    assert all(getattr(one, "id", None) for one in now)
    later = _read(path, _aged(answer))
    assert [one.model_copy(update={"mounts": None}) for one in later] == [
        one.model_copy(update={"mounts": None}) for one in now
    ]


def test_a_published_pod_is_what_it_says() -> None:
    answer = next(e.values[1] for e in EXAMPLES if e.values[0] == "/v2/pods/{id}/action")
    pod = read(PodShape, answer)
    assert (pod.status, pod.cost, pod.running) == ("RUNNING", 0.44, True)
    assert pod.gpu is not None
    assert (pod.gpu.id, pod.gpu.count) == ("NVIDIA GeForce RTX 4090", 1)
    row = make_pod(ports=(PortModel(number=8888), PortModel(number=22, protocol="tcp")))
    found = upstreams(row, pod, account("http://127.0.0.1:1", "https://proxy.runpod.net"))
    assert found[8888].name == f"{pod.id}-8888.proxy.runpod.net"
    assert (found[8888].port, found[8888].tls, found[8888].authority) == (443, True, found[8888].name)
    assert (found[22].host, found[22].port, found[22].direct) == ("195.26.233.3", 34446, True)
    assert usage(pod).cpu is None


@pytest.mark.parametrize("status", ["HIBERNATING", "", "running"])
def test_a_status_that_nobody_knows_is_one_that_may_cost(status: str) -> None:
    assert read(PodShape, {"id": "a", "status": status}).running


@pytest.mark.parametrize(
    "answer", [None, [], "x", {}, {"id": "a"}, {"id": 7, "status": "RUNNING"}, {"status": "EXITED"}]
)
def test_an_answer_that_is_no_pod_is_no_evidence(answer: Any) -> None:
    with pytest.raises(Undecided, match="not understood"):
        read(PodShape, answer)
    with pytest.raises(Unavailable, match="not understood"):
        read_list(PodShape, {"pods": [{"id": "a", "status": "RUNNING"}, answer]}, "pods")


@pytest.mark.parametrize(
    ("status", "title", "detail", "kind"),
    [
        (
            400,
            "Bad Request",
            "There are no longer any instances available with these specifications",
            NoCapacity,
        ),
        (400, "Bad Request", "not enough free GPUs on the host machine", NoCapacity),
        (400, "No Capacity", "nothing", NoCapacity),
        (400, "Bad Request", "mounts.persistent is invalid when cpu is set", InvalidInput),
        (401, "Unauthorized", "", Unavailable),
        (402, "Payment Required", "balance too low", BalanceUsedUp),
        (403, "Forbidden", "", Unavailable),
        (404, "Not Found", "pod not found", NotFound),
        (409, "Conflict", "not valid", Conflict),
        (418, "Teapot", "", InvalidInput),
        (422, "Unprocessable", "see errors", InvalidInput),
        (429, "Too Many", "", Unavailable),
        (500, "", "", Unavailable),
        (524, "", "", Unavailable),
    ],
)
def test_a_refusal_is_the_error_that_it_means(status: int, title: str, detail: str, kind: type[PodError]) -> None:
    error = refusal(status, title, detail, ["$.env: wrong"])
    assert type(error) is kind
    assert str(error).endswith((".", "again."))


def test_a_problem_may_say_more_than_it_should() -> None:
    assert Problem.model_validate({"title": "x", "detail": "y", "code": 7, "errors": ["a"]}).errors == ("a",)


@pytest.mark.parametrize("name", ["llama-1", "a" * 63, "x"])
def test_a_mark_is_read_from_the_name_that_carries_it(name: str) -> None:
    marks = Marks("3f9c01d2a4b6")
    marked = marks.name(name, "2s56cp0pof1rmt")
    assert len(marked) <= 58  # what the door of a Podkeeper takes
    assert marks.of_name(marked) == "2s56cp0pof1rmt"
    assert marks.of_name(f"{marked}-a1b2") == "2s56cp0pof1rmt"
    assert Marks("0123456789ab").of_name(marked) is None
    assert marks.of("renamed", {"PODKEEPER_INSTALLATION": "3f9c01d2a4b6", "PODKEEPER_POD_ID": "2s"}) == "2s"


@pytest.mark.parametrize("name", ["llama-1", "pk-2s56cp0pof1rmt", "a-pk-2s56cp0pof1rmt-3f9c01d2a4b6-x", ""])
def test_a_name_without_a_mark_is_a_strangers(name: str) -> None:
    marks = Marks("3f9c01d2a4b6")
    assert marks.of_name(name) is None
    assert marks.of(name, {"PODKEEPER_INSTALLATION": "another", "PODKEEPER_POD_ID": "2s56cp0pof1rmt"}) is None
    assert marks.of(name, {"PODKEEPER_POD_ID": "2s56cp0pof1rmt"}) is None


@pytest.mark.parametrize("ref", [Ref(None, 1), Ref("abc", 3), Ref("abc", 12, made=True)])
def test_a_reference_is_read_as_it_was_written(ref: Ref) -> None:
    assert Ref.parse(str(ref)) == ref


@pytest.mark.parametrize("text", [None, "", "podkeeper-abc-1", "abc@", "abc@x", "abc@-1", "abc@²"])
def test_what_is_no_reference_is_none(text: str | None) -> None:
    assert Ref.parse(text) is None
