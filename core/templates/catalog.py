"""The catalog: built-in templates, then the user's directory, then those that were saved; the later one wins."""

import difflib
import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import ValidationError

from core.errors import InvalidInput, NotFound
from core.model import PodSpec, SavedTemplate, Template
from core.policy import MOST_PORTS
from core.templates.form import TemplateFile, explain
from core.units import shorten

log = logging.getLogger("podkeeper.templates")

SAVED = "saved"
NO_TEMPLATE = "custom"
"""What the template of a pod is called that was made from none; its names are `custom-1`, …"""


class Catalog:
    """Templates by name. Wrong files are left out and told in `problems`, file and key and what was expected."""

    def __init__(
        self,
        templates: dict[str, Template],
        problems: tuple[str, ...],
        idle_timeout: timedelta = timedelta(),
        idle_warning: timedelta = timedelta(),
    ) -> None:
        self._templates = templates
        self.problems = problems
        self._idle_timeout = idle_timeout
        self._idle_warning = idle_warning

    @classmethod
    def load(cls, directory: Path | None, idle_timeout: timedelta, idle_warning: timedelta) -> Self:
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
                template = _parse(read(encoding="utf-8"), source, idle_timeout, idle_warning)
            except (ValueError, OSError, InvalidInput) as error:
                problems.append(f"{name}: {error}")
                continue
            found[template.name] = template
        return cls(found, tuple(problems), idle_timeout, idle_warning)

    def with_saved(self, saved: Iterable[SavedTemplate]) -> Self:
        """The same and these; one that this version cannot read is left out and told in the log."""
        found = dict(self._templates)
        for one in saved:
            try:
                found[one.name] = self.read(one)
            except InvalidInput as error:
                log.warning("the saved template %s (%s) is left out: %s", one.name, one.id, error)
        return type(self)(found, self.problems, self._idle_timeout, self._idle_warning)

    def read(self, saved: SavedTemplate) -> Template:
        """What it says, as a template file's is read; InvalidInput names each key at fault."""
        try:
            form = TemplateFile.model_validate({**saved.said, "name": saved.name})
            made = form.template(SAVED, self._idle_timeout, self._idle_warning)
        except ValidationError as error:
            raise InvalidInput(f"{explain(error)}.") from None
        except ValueError as error:
            raise InvalidInput(f"{error}.") from None
        check_ports(made.spec)
        return made.model_copy(update={"saved": saved})

    def spec(self, template: str | None, said: Mapping[str, Any]) -> PodSpec:
        """A spec from keys of a template file, on top of a template or of nothing; `env` adds to the template's.

        Without a template `image` is needed. NotFound (template), InvalidInput names each key at fault.
        """
        base = self.get(template).spec if template is not None else None
        made = self._made(base, said)
        if base is None:
            return made
        changes = {key: getattr(made, key) for key in said}
        if "env" in said:
            generated = [*base.generated, *made.generated]
            changes["env"] = {**base.env, **made.env}
            changes["generated"] = tuple(name for name in dict.fromkeys(generated) if name not in made.env)
        return base.model_copy(update=changes)

    def changed(self, spec: PodSpec, said: Mapping[str, Any]) -> PodSpec:
        """The spec of a pod with other keys of a template file; `env` takes the place of what there is.

        InvalidInput names each key at fault.
        """
        made = self._made(spec, said)
        changes = {key: getattr(made, key) for key in said}
        if "env" in said:
            kept = [name for name in spec.generated if name in made.env]
            changes["generated"] = tuple(dict.fromkeys([*kept, *made.generated]))
        changed = spec.model_copy(update=changes)
        if changed.ready is not None and all(port.number != changed.ready.port for port in changed.ports):
            return changed.model_copy(update={"ready": None})
        return changed

    def _made(self, base: PodSpec | None, said: Mapping[str, Any]) -> PodSpec:
        image = {"image": base.image} if base is not None else {}
        try:
            form = TemplateFile.model_validate({"name": NO_TEMPLATE, "description": NO_TEMPLATE} | image | dict(said))
            made = form.template(NO_TEMPLATE, self._idle_timeout, self._idle_warning).spec
        except ValidationError as error:
            raise InvalidInput(f"{explain(error)}.") from None
        except ValueError as error:
            raise InvalidInput(f"{error}.") from None
        check_ports(made)
        return made

    def list(self) -> tuple[Template, ...]:
        """All of them by name."""
        return tuple(self._templates[name] for name in sorted(self._templates))

    def get(self, name: str) -> Template:
        """The template of that id, or else of that name; NotFound offers the nearest names."""
        # An id is meant before a name: nobody is tricked by a template that is called like another's id.
        saved = next((one for one in self._templates.values() if one.saved is not None and one.id == name), None)
        try:
            return saved or self._templates[name]
        except KeyError:
            near = difflib.get_close_matches(name.lower()[:80], self._templates, n=3, cutoff=0.4)
            near = near or [n for n in self._templates if n.startswith(name.lower()[:4])] if name else near
            hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(sorted(self._templates))}."
            raise NotFound(f"No template {shorten(name)!r}. {hint}") from None


def check_ports(spec: PodSpec) -> None:
    """InvalidInput when there are too many."""
    if len(spec.ports) > MOST_PORTS:
        raise InvalidInput(f"ports: {len(spec.ports)} are too many; at most {MOST_PORTS}.")


def _parse(text: str, source: str, idle_timeout: timedelta, idle_warning: timedelta) -> Template:
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"this is not YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(content, dict):
        raise ValueError("expected a mapping with at least name, description and image")
    try:
        return TemplateFile.model_validate(content).template(source, idle_timeout, idle_warning)
    except ValidationError as error:
        raise ValueError(explain(error)) from None
