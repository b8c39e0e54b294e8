"""`/pod`: one listener for Bolt, the verbs behind it."""

from bot import letters, lists
from bot.answers import Answers
from bot.forms import Forms
from bot.grammar import WHICH_TEMPLATE, Command, parse
from bot.operations import Operations, Who
from bot.views import ask_terminate, card, plain
from bot.words import escape
from core.model import Caller, Pod

_DONE = {"start": "Started", "resume": "Started again", "restart": "Restarted", "stop": "Stopped"}


class Commands:
    """Reads the line and does what it asks."""

    def __init__(self, operations: Operations, answers: Answers, forms: Forms) -> None:
        self._do = operations
        self._answers = answers
        self._services = operations.services
        self._forms = forms

    async def run(self, who: Who, text: str, trigger: str) -> None:
        """Once per `trigger`, which lets a form be opened too, however often Slack delivers it."""

        async def work() -> None:
            command = parse(text)
            if command.verb == "help":
                await who.reply.say(lists.help_on(command.target) if text.strip() else lists.greeting())
                return
            caller = await self._do.caller(who)
            if await self._services.pods.first_time(f"slack:command:{trigger}"):
                await self._run(who, caller, command, trigger)

        await self._do.guarded(who, work, "a /pod command")

    async def _run(self, who: Who, caller: Caller, command: Command, trigger: str) -> None:
        pods, reply, target = self._services.pods, who.reply, command.target
        match command.verb:
            case "start" if (request := command.request) is not None:
                if target:
                    await self._do.show(who, caller, await pods.start(caller, request), _DONE["start"])
                elif not await self._forms.open(who, caller, trigger, request):
                    await reply.say(plain(WHICH_TEMPLATE))
            case "resume":
                await self._do.show(who, caller, await pods.resume(caller, target), _DONE["resume"])
            case "restart":
                await self._do.show(who, caller, await pods.restart(caller, target), _DONE["restart"])
            case "stop":
                await self._do.show(who, caller, await pods.stop(caller, target), _DONE["stop"])
            case "terminate":
                pod = await pods.get(caller, target)
                await reply.say(ask_terminate(self._do.live.look(pod)))
            case "list":
                await reply.say(await self._answers.list(caller, lists.Page(command.everyone, command.ended)))
            case "show":
                pod = await pods.get(caller, target)
                shown, tokens = self._do.live.look(pod), pods.secrets(caller, pod)
                await reply.say(lists.details(shown, pods.stops_at(pod), tokens))
            case "why":
                await reply.say(letters.why(await self._services.keeping.why(caller, target)))
            case "keep":
                pod = await self._services.keeping.keep(caller, target, command.detail)
                await self._do.tell(who, letters.kept(pod, who.mention))
            case "expose":
                pod = await self._services.ports.expose(caller, target, command.detail)
                await self._ports(who, pod, "exposed", command.detail)
            case "unexpose":
                pod = await self._services.ports.unexpose(caller, target, command.detail)
                await self._ports(who, pod, "unexposed", command.detail)
            case "logs":
                await reply.say(await self._answers.logs(who, caller, target, command.tail))
            case "cost":
                await reply.say(await self._answers.cost(who, caller, everyone=command.everyone))
            case "token":
                if target:
                    await self._answers.new_token(who, caller, target)
                else:
                    await reply.say(await self._answers.tokens(caller))
            case "link":
                await reply.say(await self._answers.link(caller))
            case "settings":
                await reply.say(await self._answers.settings(who, command.notices))
            case "volumes":
                await reply.say(lists.volumes(await self._services.volumes.list(caller)))
            case _:
                await reply.say(lists.templates((await self._services.templates.of(caller)).list()))

    async def _ports(self, who: Who, pod: Pod, word: str, port: str) -> None:
        await self._do.tell(who, card(self._do.live.look(pod), f"Port {escape(port)} {word} by {who.mention}"))
