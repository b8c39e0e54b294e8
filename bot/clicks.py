"""Buttons: who clicks is asked anew, and a click that comes too late learns what happened meanwhile."""

from dataclasses import dataclass
from datetime import UTC, datetime

from slack_sdk.errors import SlackApiError

from bot import consent, letters, lists, tokens
from bot.answers import Answers
from bot.blocks import Message
from bot.forms import Forms
from bot.grammar import WHICH_TEMPLATE
from bot.home import FOLD, FORM, HELP, LIST, UNFOLD
from bot.homes import Homes
from bot.operations import Operations, Who
from bot.places import Where
from bot.post import UNREACHABLE, Posted
from bot.views import (
    CARD_KEEP,
    LIKE,
    OPEN,
    START_AGAIN,
    STOP,
    TERMINATE,
    TERMINATE_CANCEL,
    TERMINATE_CONFIRM,
    ask_terminate,
    card,
    changed,
    plain,
    problem,
)
from core.errors import Conflict, InvalidInput, PodError
from core.model import Caller, Pod, Status, Update


@dataclass(frozen=True)
class Click:
    """One press of a button."""

    action_id: str
    pod_id: str
    place: Posted | None
    """The message it is on; None for one that only the clicker sees."""
    trigger: str = ""
    """Lets a form be opened."""


class Clicks:
    """What the buttons do."""

    def __init__(self, operations: Operations, answers: Answers, forms: Forms, homes: Homes) -> None:
        self._do = operations
        self._answers = answers
        self._services = operations.services
        self._forms = forms
        self._homes = homes

    async def run(self, who: Who, click: Click, key: str) -> None:
        """Once per delivery `key`, however often Slack delivers it."""

        async def work() -> None:
            if click.action_id.startswith(OPEN):
                return
            if click.action_id == TERMINATE_CANCEL:
                await who.reply.replace(plain("Nothing was terminated."))
                return
            caller = await self._do.caller(who)
            if not await self._services.pods.first_time(f"slack:{key}"):
                return
            try:
                await self._run(who, caller, click)
            except Conflict as error:
                await self._too_late(who, caller, click, error)

        await self._do.guarded(who, work, f"the button {click.action_id[:40]}")

    async def _run(self, who: Who, caller: Caller, click: Click) -> None:
        pods, pod_id = self._services.pods, click.pod_id
        match click.action_id:
            case action if action == STOP:
                await self._act(who, caller, click, await pods.stop(caller, pod_id), "Stopped")
            case action if action == START_AGAIN:
                await self._act(who, caller, click, await pods.again(caller, pod_id), "Started again")
            case action if action == TERMINATE:
                pod = await pods.get(caller, pod_id)
                await who.reply.say(ask_terminate(self._do.live.look(pod)))
            case action if action == TERMINATE_CONFIRM:
                await self._terminate(who, caller, click)
            case action if action == CARD_KEEP:
                pod = await self._services.keeping.keep(caller, pod_id, "1h")
                await self._settle(who, click, card(self._do.live.look(pod), f"Kept for an hour by {who.mention}"))
            case action if action.startswith(f"{letters.KEEP}_{letters.UNTIL}"):
                until = _time(action.removeprefix(f"{letters.KEEP}_{letters.UNTIL}"))
                pod = await self._services.keeping.keep_until(caller, pod_id, until)
                await self._settle(who, click, letters.kept(pod, who.mention))
            case action if action.startswith(letters.KEEP):
                duration = action.removeprefix(f"{letters.KEEP}_")
                pod = await self._services.keeping.keep(caller, pod_id, duration)
                await self._settle(who, click, letters.kept(pod, who.mention))
            case action if action == letters.FORGET_NOT:
                pod = await pods.get(caller, pod_id)
                await self._settle(who, click, letters.not_forgotten(pod, who.mention))
            case action if action == FORM:
                if not await self._forms.open(who, caller, click.trigger):
                    await who.reply.say(plain(WHICH_TEMPLATE))
            case action if action == LIKE:
                pod = await pods.get(caller, pod_id)
                if not await self._forms.another(who, caller, pod, click.trigger):
                    await who.reply.say(plain(WHICH_TEMPLATE))
            case action if action == LIST:
                await who.reply.say(await self._answers.list(caller, lists.Page()))
            case action if action.startswith(LIST):
                await who.reply.replace(await self._answers.list(caller, lists.Page.of(click.pod_id)))
            case action if action == HELP:
                await who.reply.say(lists.help_on(""))
            case action if action in (UNFOLD, FOLD):
                self._homes.unfold(who.team, who.user, unfolded=action == UNFOLD)
            case action if action.startswith(lists.SETTINGS):
                await who.reply.replace(await self._answers.settings(who, _where(action)))
            case action if action == tokens.NEW:
                await self._answers.new_token(who, caller, tokens.NAME)
            case action if action == tokens.REVOKE:
                await who.reply.replace(tokens.revoked(await self._services.tokens.revoke(caller, click.pod_id)))
            case action if action in (consent.YES, consent.NO):
                said = await self._services.confirmations.answer(caller, click.pod_id, yes=action == consent.YES)
                await who.reply.replace(consent.answered(said))
            case action if action == letters.WHY:
                await who.reply.say(letters.why(await self._services.keeping.why(caller, pod_id)))
            case _:
                await who.reply.say(
                    plain("This button is from another version of Podkeeper. `/pod list` shows what is.")
                )

    async def _act(self, who: Who, caller: Caller, click: Click, pod: Pod, word: str) -> None:
        """Follow what was asked for in the message that was clicked; `pod` may be another one than the button's."""
        await self._answered(click)
        if click.place is None:
            await who.reply.remove()
        await self._do.show(who, caller, pod, word, click.place)

    async def _settle(self, who: Who, click: Click, message: Message) -> None:
        """The message that was clicked says what became of it."""
        await self._answered(click)
        if click.place is None:
            await who.reply.replace(message)
        else:
            await self._do.poster.edit(click.place, message)

    async def _answered(self, click: Click) -> None:
        """A letter that was answered by its own button is settled; from elsewhere, the notices settle it."""
        if click.place is not None and click.place == await self._do.standing.get(click.pod_id):
            await self._do.standing.settle(click.pod_id)

    async def _terminate(self, who: Who, caller: Caller, click: Click) -> None:
        """The question that was asked becomes the answer, and the end of it replaces that."""
        live, by = self._do.live, f"Terminated by {who.mention}"
        pod = await self._services.pods.terminate(caller, click.pod_id)
        await who.reply.replace(changed(live.look(pod), by))
        async for update in self._services.pods.watch(caller, pod.id):
            pod = update.pod
        await who.reply.replace(live.render(Update(pod=pod), by))

    async def _too_late(self, who: Who, caller: Caller, click: Click, error: Conflict) -> None:
        """Tell the clicker, and make the stale message true again."""
        pod = await self._services.pods.get(caller, click.pod_id)
        meanwhile = f" ({pod.reason.splitlines()[0]})" if pod.reason else ""
        said = f"{error}{meanwhile}"
        if pod.status is Status.TERMINATED and click.action_id == START_AGAIN:
            pod = await self._successor(caller, pod)
            said = f"There is a {pod.name} already ({pod.status})." if pod.id != click.pod_id else str(error)
        if click.place is None:
            await who.reply.replace(problem(said))
            return
        await who.reply.say(problem(said))
        if not (pod.status.under_way or self._do.live.follows(click.place)):
            try:
                await self._do.poster.edit(click.place, card(self._do.live.look(pod)))
            except (SlackApiError, *UNREACHABLE):
                return

    async def _successor(self, caller: Caller, pod: Pod) -> Pod:
        """The pod that has a terminated one's name now; itself when there is none, or none of the caller's."""
        try:
            return await self._services.pods.get(caller, pod.name)
        except PodError:
            return pod


def _time(seconds: str) -> datetime:
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 12):
        raise InvalidInput("This button says no time that can be read. `/pod keep POD 2h` keeps it.")
    return datetime.fromtimestamp(int(seconds), UTC)


def _where(action: str) -> Where:
    return "thread" if action.endswith("_thread") else "direct"
