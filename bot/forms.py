"""The form at work: opened at a command or a button, and what becomes of it when it is sent off."""

import asyncio
import logging
from contextlib import suppress

from slack_sdk.errors import SlackApiError

from bot.blocks import Block
from bot.form import LONGEST_ERROR, field_at_fault, like, read, start_form
from bot.operations import Operations, Who
from bot.post import UNREACHABLE, refusal
from bot.tasks import report
from bot.words import clip
from core.errors import PodError, Unavailable
from core.model import Caller, Pod
from core.service import StartRequest

log = logging.getLogger("podkeeper.slack")

PATIENCE = 2.5
"""Seconds in which a form that was sent off is answered: Slack gives three."""


class Forms:
    """Starts by form. One form starts one pod, however often it is sent off."""

    def __init__(self, operations: Operations) -> None:
        self._do = operations
        self._services = operations.services

    async def open(self, who: Who, caller: Caller, trigger: str, given: StartRequest | None = None) -> bool:
        """Show it; False when Slack did not take it (a trigger is good for three seconds)."""
        volumes = await self._services.volumes.list(caller)
        templates = (await self._services.templates.of(caller)).list()
        view = start_form(templates, volumes, given, who.channel)
        try:
            await self._do.poster.open_view(trigger, view)
        except SlackApiError as error:
            log.warning("the form for a start was not shown: Slack says %s", refusal(error))
            return False
        except UNREACHABLE as error:
            log.warning("the form for a start was not shown: Slack does not answer (%s)", type(error).__name__)
            return False
        return True

    async def another(self, who: Who, caller: Caller, pod: Pod, trigger: str) -> bool:
        """As `open`, filled in with what this pod has."""
        volumes = await self._services.volumes.list(caller)
        known = (await self._services.templates.of(caller)).list()
        template = next((one for one in known if one.name == pod.spec.template), None)
        return await self.open(who, caller, trigger, like(pod, template, volumes, own=pod.owner == caller.person))

    async def submit(self, who: Who, view: Block) -> tuple[dict[str, str], asyncio.Task[Pod] | None]:
        """Start what it asks for: what is wrong, by field, or the start, which may still be at its first step."""
        key = f"slack:view:{view.get('id')}"
        try:
            if not await self._services.pods.first_time(key):
                return {}, None
        except PodError as error:
            return {"template": clip(str(error), LONGEST_ERROR)}, None
        try:
            request = read(view)
            caller = await self._do.caller(who)
            starting = asyncio.create_task(self._services.pods.start(caller, request))
            done, _ = await asyncio.wait([starting], timeout=PATIENCE)
            if done:
                starting.result()
        except PodError as error:
            with suppress(Unavailable):
                await self._services.pods.may_repeat(key)
            return {field_at_fault(str(error)): clip(str(error), LONGEST_ERROR)}, None
        except Exception as error:
            reference = report(error, "a form")
            return {"template": f"Something went wrong on our side (ref {reference}). Nothing was started."}, None
        return {}, starting

    async def follow(self, who: Who, starting: asyncio.Task[Pod]) -> None:
        """Show the start where the form was asked for."""

        async def work() -> None:
            pod = await starting
            await self._do.show(who, await self._do.caller(who), pod, "Started")

        await self._do.guarded(who, work, "a form")
