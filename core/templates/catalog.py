"""The catalog: built-in templates, then the user's directory; the later one wins."""

import difflib
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from core.errors import InvalidInput, NotFound
from core.model import GpuRequest, IdleRule, PodSpec, Port, Ready, Template
from core.policy import check_env, check_name
from core.units import parse_bytes, parse_duration, shorten

_LONGEST_NAME = 56

_EXPECTED = {
    "name": "lowercase letters, digits and hyphens",
    "image": "an image name such as ghcr.io/owner/app:tag",
    "args": "a list of strings",
    "env": "a mapping of NAME: value",
    "ports": 'a list such as ["8080/http", "22/tcp"]',
    "cpu": "a number of vCPUs such as 2 or 0.5",
    "memory": "a size such as 512m or 8g",
    "gpu": "TYPE or TYPE:COUNT, such as any or A100:2",
    "container_disk": "a size such as 20g",
    "volume": "a size such as 20g",
    "volume_path": "an absolute path such as /workspace",
    "ready": "a mapping with port, and path and timeout if needed",
    "idle": "a mapping with timeout, such as {timeout: 30m}",
    "price_per_hour": "a number such as 0.74",
}


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("is not a text or a number")
    return str(value)


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


def _stem(name: str) -> str:
    """A name that leaves room for `-N` in the names of its pods."""
    if len(check_name(name)) > _LONGEST_NAME:
        raise ValueError(f"name: {shorten(name)!r} is too long; at most {_LONGEST_NAME} characters")
    return name


def _safe_env(env: dict[str, str]) -> dict[str, str]:
    try:
        return check_env(env)
    except InvalidInput as error:
        raise ValueError(str(error)) from None


Text = Annotated[str, BeforeValidator(_text)]
Size = Annotated[int, BeforeValidator(_size)]
Span = Annotated[timedelta, BeforeValidator(_duration)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Idle(_Form):
    timeout: Span


class _Ready(_Form):
    port: int = Field(ge=1, le=65535)
    path: str | None = Field(default=None, pattern=r"^/[!-~]*$")
    timeout: Span = timedelta(minutes=10)


class _File(_Form):
    """A template file, key by key; sizes as `8g`, durations as `30m`."""

    name: str
    description: str = Field(min_length=1, max_length=300)
    image: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}$")
    args: tuple[Text, ...] = ()
    env: Annotated[dict[str, Text], AfterValidator(_safe_env)] = Field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    cpu: float = Field(default=1, gt=0, le=1024)
    memory: Size = 1024**3
    gpu: Annotated[GpuRequest, BeforeValidator(_gpu)] | None = None
    container_disk: Size | None = None
    volume: Size | None = None
    volume_path: str = Field(default="/workspace", pattern=r"^/[A-Za-z0-9._/-]+$")
    ready: _Ready | None = None
    idle: _Idle | None = None
    price_per_hour: float | None = Field(default=None, ge=0)

    def template(self, source: str, idle_timeout: timedelta) -> Template:
        spec = PodSpec(
            template=_stem(self.name),
            image=self.image,
            args=self.args,
            env=self.env,
            ports=self.ports,
            cpu=self.cpu,
            memory=self.memory,
            gpu=self.gpu,
            container_disk=self.container_disk,
            volume=self.volume or None,
            volume_path=self.volume_path,
            ready=Ready(port=self.ready.port, path=self.ready.path, timeout=self.ready.timeout) if self.ready else None,
            idle=IdleRule(timeout=self.idle.timeout if self.idle else idle_timeout),
            price_per_hour=self.price_per_hour,
        )
        return Template(name=self.name, description=self.description, source=source, spec=spec)


class Catalog:
    """Templates by name. Wrong files are left out and told in `problems`, file and key and what was expected."""

    def __init__(self, templates: dict[str, Template], problems: tuple[str, ...]) -> None:
        self._templates = templates
        self.problems = problems

    @classmethod
    def load(cls, directory: Path | None, idle_timeout: timedelta) -> Self:
        """Read the built-in files, then `*.yaml` and `*.yml` of `directory`. Never fails for one wrong file."""
        found: dict[str, Template] = {}
        problems: list[str] = []
        built_in = [p for p in resources.files(__package__ or "core.templates").iterdir() if p.name.endswith(".yaml")]
        files = [("built-in", p.name, p.read_text) for p in sorted(built_in, key=lambda p: p.name)]
        if directory is not None:
            if not directory.is_dir():
                problems.append(f"PODKEEPER_TEMPLATES_DIR: {directory} is not a directory; its templates are left out.")
            else:
                own = sorted(p for p in directory.iterdir() if p.suffix in (".yaml", ".yml"))
                files += [(str(p), str(p), p.read_text) for p in own]
        for source, name, read in files:
            try:
                template = _parse(read(encoding="utf-8"), source, idle_timeout)
            except (ValueError, OSError, InvalidInput) as error:
                problems.append(f"{name}: {error}")
                continue
            found[template.name] = template
        return cls(found, tuple(problems))

    def list(self) -> tuple[Template, ...]:
        """All of them by name."""
        return tuple(self._templates[name] for name in sorted(self._templates))

    def get(self, name: str) -> Template:
        """The template of that name; NotFound offers the nearest names."""
        try:
            return self._templates[name]
        except KeyError:
            near = difflib.get_close_matches(name.lower()[:80], self._templates, n=3, cutoff=0.4)
            near = near or [n for n in self._templates if n.startswith(name.lower()[:4])] if name else near
            hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(sorted(self._templates))}."
            raise NotFound(f"No template {shorten(name)!r}. {hint}") from None


def _parse(text: str, source: str, idle_timeout: timedelta) -> Template:
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"this is not YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(content, dict):
        raise ValueError("expected a mapping with at least name, description and image")
    try:
        return _File.model_validate(content).template(source, idle_timeout)
    except ValidationError as error:
        raise ValueError(
            "; ".join(_explain(found["loc"], found["type"], found["msg"]) for found in error.errors())
        ) from None


def _explain(loc: tuple[int | str, ...], kind: str, message: str) -> str:
    key = ".".join(str(part) for part in loc)
    if kind == "extra_forbidden":
        form = {"idle": _Idle, "ready": _Ready}.get(str(loc[0]), _File) if len(loc) > 1 else _File
        near = difflib.get_close_matches(str(loc[len(loc) - 1]), form.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(form.model_fields)}"
        return f"unknown key {shorten(key)!r}; {hint}"
    if kind == "missing":
        return f"{key} is missing"
    expected = _EXPECTED.get(str(loc[0]))
    said = message.removeprefix("Value error, ")
    return f"{key}: {said}" + (f"; expected {expected}" if expected else "")
