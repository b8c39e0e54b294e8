"""The form of a template file: its keys, what each may say, and the words for one that is wrong."""

import difflib
import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from core.errors import InvalidInput
from core.model import BusyAbove, GpuRequest, IdleAction, IdleRule, Ignore, PodSpec, Port, Ready, Template, Wake
from core.policy import check_env, check_ignore, check_name
from core.units import format_duration, parse_bytes, parse_duration, shorten

_LONGEST_NAME = 56
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) *(%?)", re.ASCII)
_DEFAULT = IdleRule(timeout=timedelta())

_EXPECTED = {
    "name": "lowercase letters, digits and hyphens",
    "image": "an image name such as ghcr.io/owner/app:tag",
    "args": "a list of strings",
    "env": "a mapping of NAME: value, or NAME: {generate: token}",
    "ports": 'a list such as ["8080/http", "22/tcp"]',
    "cpu": "a number of vCPUs such as 2 or 0.5",
    "memory": "a size such as 512m or 8g",
    "gpu": "TYPE or TYPE:COUNT, such as any or A100:2, or several types, such as A100,L40S",
    "container_disk": "a size such as 20g",
    "volume": "a size such as 20g",
    "volume_path": "an absolute path such as /workspace",
    "ready": "a mapping with port, and path and timeout if needed",
    "idle": "a mapping such as {timeout: 30m, warning: 5m}",
    "idle.timeout": "a duration such as 30m, or 0 for never",
    "idle.warning": "a duration no longer than the timeout, or 0 for none",
    "idle.action": "stop, terminate or notify",
    "idle.ignore": "a mapping of lists, such as {paths: [/health], agents: [UptimeRobot], methods: [HEAD]}",
    "idle.noise": "a size such as 1k: bytes a minute and connection",
    "idle.silent_request": "a duration such as 2h, or 0",
    "idle.busy_above": "a mapping such as {cpu: 20%, memory: 50%, gpu: 5%}",
    "wake": "auto, button or off",
    "max_lifetime": "a duration such as 12h, or 0 for none",
    "price_per_hour": "a number such as 0.74",
}


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("is not a text or a number")
    return str(value)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    return text


def _size(value: object) -> object:
    return _said(parse_bytes, value)


def _duration(value: object) -> object:
    return _said(parse_duration, value)


def _gpu(value: object) -> object:
    return _said(GpuRequest.parse, value)


def _said(read: Any, value: object) -> Any:
    try:
        return read(_text(value))
    except InvalidInput as error:
        raise ValueError(str(error)) from None


def _share(value: object) -> float:
    text = _text(value).strip()
    found = _SHARE.fullmatch(text)
    share = float(found[1]) / (100 if found[2] else 1) if found is not None else 0
    if not 0 < share <= 1:
        hint = f" Did you mean {text}%?" if 1 < share <= 100 else ""
        raise ValueError(f"{shorten(text)!r} is not a share; write more than 0% and at most 100%.{hint}")
    return share


def _env_value(value: object) -> str | None:
    if not isinstance(value, dict):
        return _text(value)
    if value != {"generate": "token"}:
        raise ValueError("the only mapping that a value may be is {generate: token}")
    return None


def _wake(value: object) -> object:
    return "off" if value is False else value  # YAML 1.1 reads a bare `off` as False


def _stem(name: str) -> str:
    """A name that leaves room for `-N` in the names of its pods."""
    if len(check_name(name)) > _LONGEST_NAME:
        raise ValueError(f"name: {shorten(name)!r} is too long; at most {_LONGEST_NAME} characters")
    return name


def _safe_env(env: dict[str, str | None]) -> dict[str, str | None]:
    try:
        check_env({name: value or "" for name, value in env.items()})
    except InvalidInput as error:
        raise ValueError(str(error)) from None
    return env


Text = Annotated[str, BeforeValidator(_text)]
Word = Annotated[Text, AfterValidator(_without_nul)]
Size = Annotated[int, BeforeValidator(_size)]
Span = Annotated[timedelta, BeforeValidator(_duration)]
Share = Annotated[float, BeforeValidator(_share)]
EnvValue = Annotated[str | None, BeforeValidator(_env_value)]
"""None: a token is generated for each new pod."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Ignore(_Form):
    paths: tuple[Text, ...] = ()
    agents: tuple[Text, ...] = ()
    methods: tuple[Text, ...] = ()

    def ignore(self) -> Ignore:
        rules = Ignore(
            paths=tuple(p.rstrip("/") or "/" if p.startswith("/") else p for p in self.paths),
            agents=tuple(a.strip() for a in self.agents),
            methods=tuple(m.strip().upper() for m in self.methods),
        )
        try:
            return check_ignore(rules)
        except InvalidInput as error:
            raise ValueError(f"idle.{error}") from None


class _BusyAbove(_Form):
    cpu: Share | None = None
    memory: Share | None = None
    gpu: Share | None = None


class _Idle(_Form):
    timeout: Span | None = None
    warning: Span | None = None
    action: IdleAction = _DEFAULT.action
    ignore: _Ignore = _Ignore()
    noise: Size = _DEFAULT.noise
    silent_request: Span = _DEFAULT.silent_request
    busy_above: _BusyAbove = _BusyAbove()

    def rule(self, timeout: timedelta, warning: timedelta) -> IdleRule:
        """The rule, with the installation's `timeout` and `warning` where the file is silent."""
        timeout = timeout if self.timeout is None else self.timeout
        if self.warning is not None:
            warning = self.warning
            if timeout and warning > timeout:
                raise ValueError(
                    f"idle.warning: {format_duration(warning)} is longer than the timeout, "
                    f"{format_duration(timeout)}; expected {_EXPECTED['idle.warning']}"
                )
        elif timeout:  # without one there may still be a `max_lifetime` to warn of
            warning = min(warning, timeout / 2)
        return IdleRule(
            timeout=timeout,
            warning=warning,
            action=self.action,
            ignore=self.ignore.ignore(),
            noise=self.noise,
            silent_request=self.silent_request,
            busy_above=BusyAbove(**dict(self.busy_above)),
        )


class _Ready(_Form):
    port: int = Field(ge=1, le=65535)
    path: str | None = Field(default=None, pattern=r"^/[!-~]*$")
    timeout: Span = timedelta(minutes=10)


class TemplateFile(_Form):
    """A template file, key by key; sizes as `8g`, durations as `30m`, shares as `20%`."""

    name: str
    description: str = Field(min_length=1, max_length=300)
    image: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}$")
    args: tuple[Word, ...] = ()
    env: Annotated[dict[str, EnvValue], AfterValidator(_safe_env)] = Field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    cpu: float = Field(default=1, gt=0, le=1024)
    memory: Size = 1024**3
    gpu: Annotated[GpuRequest, BeforeValidator(_gpu)] | None = None
    container_disk: Size | None = None
    volume: Size | None = None
    volume_path: str = Field(default="/workspace", pattern=r"^/[A-Za-z0-9._/-]+$")
    ready: _Ready | None = None
    idle: _Idle | None = None
    wake: Annotated[Wake, BeforeValidator(_wake)] | None = None
    max_lifetime: Span | None = None
    price_per_hour: float | None = Field(default=None, ge=0)

    def template(self, source: str, idle_timeout: timedelta, idle_warning: timedelta) -> Template:
        """The template; InvalidInput or ValueError names the key at fault."""
        spec = PodSpec(
            template=_stem(self.name),
            image=self.image,
            args=self.args,
            env={name: value for name, value in self.env.items() if value is not None},
            generated=tuple(name for name, value in self.env.items() if value is None),
            ports=self.ports,
            cpu=self.cpu,
            memory=self.memory,
            gpu=self.gpu,
            container_disk=self.container_disk,
            volume=self.volume or None,
            volume_path=self.volume_path,
            ready=Ready(port=self.ready.port, path=self.ready.path, timeout=self.ready.timeout) if self.ready else None,
            idle=(self.idle or _Idle()).rule(idle_timeout, idle_warning),
            wake=self.wake,
            max_lifetime=self.max_lifetime or None,
            price_per_hour=self.price_per_hour,
        )
        return Template(name=self.name, description=self.description, source=source, spec=spec)


_FORMS: dict[str, type[_Form]] = {
    "": TemplateFile,
    "ready": _Ready,
    "idle": _Idle,
    "idle.ignore": _Ignore,
    "idle.busy_above": _BusyAbove,
}


def explain(error: ValidationError) -> str:
    """What is wrong with a file: each key, and what was expected."""
    return "; ".join(_explain(found["loc"], found["type"], found["msg"]) for found in error.errors())


def _explain(loc: tuple[int | str, ...], kind: str, message: str) -> str:
    key = ".".join(str(part) for part in loc)
    if kind == "extra_forbidden":
        fields = _FORMS[".".join(str(part) for part in loc[:-1])].model_fields
        near = difflib.get_close_matches(str(loc[-1]), fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(fields)}"
        return f"unknown key {shorten(key)!r}; {hint}"
    if kind == "missing":
        return f"{key} is missing"
    said = message.removeprefix("Value error, ").rstrip(".")
    return f"{shorten(key)}: {said}; expected {_expected(loc)}" if _expected(loc) else f"{shorten(key)}: {said}"


def _expected(loc: tuple[int | str, ...]) -> str | None:
    """For the innermost key that has an entry."""
    keys = (".".join(str(part) for part in loc[:n]) for n in range(len(loc), 0, -1))
    return next((_EXPECTED[key] for key in keys if key in _EXPECTED), None)
