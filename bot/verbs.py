"""The vocabulary of `/pod`: its words, their options and examples, and what people type who mean one of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Option:
    """A `--flag VALUE`, or a bare `--flag` when it has no example."""

    example: str | None
    meaning: str
    repeats: bool = False


@dataclass(frozen=True)
class Verb:
    """A word after `/pod`."""

    summary: str
    arguments: tuple[str, ...] = ()
    """What follows the verb, in order: `template`, or `pod` and what is to be done with it."""
    optional: bool = False
    asks: bool = False
    """What is missing is asked for in a form."""
    options: Mapping[str, Option] = field(default_factory=dict)

    def usage(self, name: str) -> str:
        """One line: `/pod show <pod>`."""
        before, after = "[]" if self.optional or self.asks else "<>"
        arguments = "".join(f" {before}{argument}{after}" for argument in self.arguments)
        return f"/pod {name}{arguments}{' [options]' if self.options else ''}"

    def example(self, name: str) -> str:
        """One that could be typed: `/pod show hello-1`."""
        return " ".join([f"/pod {name}", *(EXAMPLES[argument] for argument in self.arguments)])


_START = {
    "name": Option("demo", "what to call it"),
    "cpu": Option("2", "vCPUs"),
    "memory": Option("8g", "memory; passing it ends the pod"),
    "gpu": Option("A100,L40S", "GPU type, or several, the first to be had; TYPE:COUNT; or any"),
    "volume": Option("20g", "volume disk, kept until terminate; 0 for none"),
    "network-volume": Option("datasets", "an existing network volume, in place of the volume disk"),
    "env": Option("NAME=value", "an environment variable; may be repeated", repeats=True),
    "idle": Option("30m", "stop after so much silence; 0 for never"),
    "warning": Option("5m", "tell you so long before that; 0 for not at all"),
    "for": Option("12h", "stop after so long, whatever its traffic; 0 for never"),
    "ignore": Option("/health", "requests that are no use, or agent:NAME, method:HEAD; may be repeated", repeats=True),
    "wake": Option("button", "what a visit does while it is stopped: auto, button or off"),
}

VERBS: Mapping[str, Verb] = {
    "start": Verb("make a pod and start it; without a template, by a form", ("template",), options=_START, asks=True),
    "list": Verb(
        "your pods",
        options={
            "everyone": Option(None, "everybody's (admins)"),
            "ended": Option(None, "terminated ones too"),
        },
    ),
    "show": Verb("one pod: address, size, idle rule", ("pod",)),
    "stop": Verb("stop it; its volume disk is kept", ("pod",)),
    "resume": Verb("start a stopped pod again", ("pod",)),
    "restart": Verb("stop and start it in one go", ("pod",)),
    "terminate": Verb("delete it for good (asks first)", ("pod",)),
    "logs": Verb("its last lines", ("pod",), options={"tail": Option("100", "how many lines, up to 1000")}),
    "keep": Verb("let it run for so long from now, even unused; 0 takes that back", ("pod", "duration")),
    "why": Verb("why it is, or is not, idle, and when it will stop", ("pod",)),
    "expose": Verb("give a port of it an address, while it runs", ("pod", "port")),
    "unexpose": Verb("take the address from a port", ("pod", "port")),
    "templates": Verb("what can be started"),
    "cost": Verb(
        "hours and costs of this month, and what was saved",
        options={"everyone": Option(None, "everybody's (admins)")},
    ),
    "settings": Verb(
        "where you are told about your pods",
        options={"notices": Option("thread", "direct, by a direct message, or thread, below the message of the start")},
    ),
    "token": Verb("tokens that let an AI assistant act as you; with a name, a new one", ("name",), optional=True),
    "link": Verb("a code that makes your company login act as you over MCP"),
    "volumes": Verb("network volumes, and how many pods mount each"),
    "help": Verb("this, or more on one word", ("verb",), optional=True),
}

EXAMPLES = {"template": "hello", "pod": "hello-1", "duration": "2h", "port": "8888", "name": "laptop", "verb": "start"}

MEANT = {
    "ls": "list", "ps": "list", "pods": "list", "get": "show", "status": "show", "info": "show", "describe": "show",
    "run": "start", "create": "start", "up": "start", "launch": "start", "new": "start", "halt": "stop", "down": "stop",
    "kill": "stop", "pause": "stop", "wake": "resume", "continue": "resume", "reboot": "restart", "rm": "terminate",
    "delete": "terminate", "remove": "terminate", "destroy": "terminate", "log": "logs", "template": "templates",
    "volume": "volumes",
    "?": "help", "extend": "keep", "hold": "keep", "reason": "why", "idle": "why", "open": "expose",
    "costs": "cost", "bill": "cost", "price": "cost", "spend": "cost", "usage": "cost", "setting": "settings",
    "config": "settings", "preferences": "settings", "prefs": "settings",
    "tokens": "token", "login": "token", "publish": "expose", "close": "unexpose", "hide": "unexpose",
    "sso": "link", "connect": "link", "code": "link",
}  # fmt: skip
