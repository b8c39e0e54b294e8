"""Templates of a workspace: the files that everybody has, and what its people have saved."""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from core.errors import Conflict, Forbidden, InvalidInput, NotFound
from core.model import Caller, Role, SavedTemplate, Template
from core.policy import may_change
from core.service.volumes import ALPHABET
from core.store import Store
from core.store.whole import whole
from core.templates import Catalog
from core.templates.catalog import NO_TEMPLATE
from core.units import shorten


class Templates:
    """List, save, change and delete. Whoever may start pods may save; everybody of the workspace sees and uses them."""

    def __init__(self, store: Store, files: Catalog, now: Callable[[], datetime]) -> None:
        self._store = store
        self.files = files
        """Those that are files."""
        self._now = now

    async def of(self, caller: Caller) -> Catalog:
        """All that this person can start pods from; a saved one goes before a file of its name."""
        return self.files.with_saved(await self._store.saved_templates(caller.workspace))

    @whole
    async def save(self, caller: Caller, said: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> Template:
        """Save what a template file would say.

        InvalidInput names each key at fault, Conflict: the name is taken, Forbidden: it is a file's, which only an
        admin puts another in the place of.
        """
        may_change(caller)
        saved = SavedTemplate(
            id="".join(secrets.choice(ALPHABET) for _ in range(10)),
            workspace=caller.workspace,
            name=str(said.get("name", "")),
            owner=caller.person,
            owner_name=caller.name,
            said=said,
            labels=labels or {},
            created_at=self._now(),
        )
        made = self.files.read(saved)
        self._may_be_called(caller, saved.name)
        await self._store.add_template(saved)
        return made

    @whole
    async def change(
        self, caller: Caller, saved: SavedTemplate, said: Mapping[str, Any], labels: Mapping[str, str]
    ) -> Template:
        """Put this in the place of what it says (`saved`, of `own`); pods that were made from it stay as they are.

        As `save`; Conflict when it was changed or deleted meanwhile.
        """
        name = str(said.get("name", ""))
        changed = saved.model_copy(update={"name": name, "said": said, "labels": labels})
        made = self.files.read(changed)
        if name != saved.name:
            self._may_be_called(caller, name)
        if not await self._store.change_template(saved, changed):
            raise Conflict(
                f"{saved.name} was changed by somebody else just now. Look at it again and repeat if needed."
            )
        return made

    @whole
    async def remove(self, caller: Caller, template_id: str) -> None:
        """Forget it; pods that were made from it stay as they are, and a file of its name is found again."""
        saved = await self.own(caller, template_id)
        if not await self._store.remove_template(caller.workspace, saved.id):
            raise _none(template_id)

    async def own(self, caller: Caller, template_id: str) -> SavedTemplate:
        """The saved template, if the caller may change it: NotFound or Forbidden says why not."""
        may_change(caller)
        known = await self._store.saved_templates(caller.workspace)
        saved = next((one for one in known if one.id == template_id), None)
        if saved is None:
            raise _none(template_id)
        if caller.role is not Role.ADMIN and saved.owner != caller.person:
            raise Forbidden(f"The template {saved.name} belongs to {saved.owner_name}. Ask them, or an admin.")
        return saved

    def _may_be_called(self, caller: Caller, name: str) -> None:
        if name == NO_TEMPLATE:
            raise InvalidInput(f"name: {name} is what pods without a template go by. Choose another name.")
        if caller.role is not Role.ADMIN and any(one.name == name for one in self.files.list()):
            raise Forbidden(
                f"There is a template file {name}, and only an admin may put another in its place. Nothing was saved: "
                "choose another name."
            )


def _none(template_id: str) -> NotFound:
    return NotFound(
        f"There is no saved template with the id {shorten(template_id)!r}. Templates that are files are changed by "
        "whoever runs this Podkeeper (PODKEEPER_TEMPLATES_DIR)."
    )
