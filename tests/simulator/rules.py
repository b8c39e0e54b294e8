"""The rules that pods of a world live by: templates made up at random."""

from datetime import timedelta
from random import Random

from core.model import BusyAbove, IdleAction, IdleRule, PodSpec, Template


def a_template(name: str, rng: Random) -> Template:
    """Any rule that a person could write."""
    timeout = rng.choice([10, 30, 60, 120, 240, 480, 480, 0]) * 60
    warning = min(rng.choice([0, 60, 120, 300, 300, 300, 600]), max(0, timeout - 60))
    ports = rng.choice([("8080/http",), ("8080/http",), ("8080/http", "9090/http"), ("8080/http", "22/tcp")])
    return Template(
        name=name,
        description="a pod of the simulator",
        source="simulator",
        spec=PodSpec.model_validate(
            {
                "template": name,
                "image": "registry.example/world:1",
                "ports": ports,
                "cpu": 1,
                "memory": 1 << 30,
                "max_lifetime": timedelta(hours=rng.choice([4, 9, 20])) if rng.random() < 0.25 else None,
                "idle": IdleRule(
                    timeout=timedelta(seconds=timeout),
                    warning=timedelta(seconds=warning),
                    action=rng.choice([IdleAction.STOP] * 6 + [IdleAction.TERMINATE, IdleAction.NOTIFY]),
                    noise=rng.choice([1024, 1024, 1024, 4096, 0]),
                    silent_request=timedelta(minutes=rng.choice([30, 60, 120, 120, 0])),
                    busy_above=BusyAbove(cpu=0.2) if rng.random() < 0.25 else BusyAbove(),
                ),
            }
        ),
    )
