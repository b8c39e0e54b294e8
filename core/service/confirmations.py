"""Confirmations: what an assistant wants and only its person may allow, where the assistant's program cannot ask them.

The person answers in Slack or at the terminal. No tool gives an answer or shows a code, so that no model can.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from core.errors import InvalidInput, NotFound, Unconfirmed
from core.model import Caller, Confirmation, Draft
from core.policy import may_change
from core.service.codes import new_code
from core.store import Store
from core.units import shorten

WAITS = timedelta(minutes=15)
"""For an answer."""
GOOD_FOR = timedelta(minutes=10)
"""So long an answer stands; a yes is used up by what it allows."""


class Confirmations:
    """A question is about one thing that one person's assistant wants to do. Only PodErrors come out."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def given(self, caller: Caller, action: str, subject: str) -> bool | None:
        """What their person has answered; None: nothing (any more)."""
        for known in await self._store.confirmations(caller.person, self._now()):
            if (known.action, known.subject) == (action, subject):
                return known.answer
        return None

    async def ask(self, caller: Caller, action: str, subject: str, text: str) -> Confirmation:
        """Have it wait for their person's answer, in Slack and at the terminal. Asked twice, it waits once."""
        may_change(caller)
        now = self._now()
        question = Confirmation(
            code=new_code(),
            person=caller.person,
            workspace=caller.workspace,
            action=action,
            subject=subject,
            text=text,
            asked_by=caller.client or caller.via,
            asked_at=now,
            expires_at=now + WAITS,
        )
        data = caller.signature | {"code": question.code}
        draft = Draft(kind="confirm.asked", actor=caller.person, via=caller.via, data=data)
        return await self._store.ask(question, draft)

    async def waiting(self, caller: Caller) -> tuple[Confirmation, ...]:
        """What waits for their answer, the oldest first."""
        return await self.waiting_for(caller.person)

    async def waiting_for(self, person: str) -> tuple[Confirmation, ...]:
        """As `waiting`, for a face that tells them of it."""
        known = await self._store.confirmations(person, self._now())
        return tuple(one for one in known if one.answer is None)

    async def answer(self, caller: Caller, code: str, *, yes: bool) -> Confirmation:
        """Their person's own answer. InvalidInput (no code), NotFound (expired, answered, used, or not theirs)."""
        may_change(caller)
        clean = code.strip().upper()
        if len(clean) != 9 or clean[4] != "-":
            raise InvalidInput(
                f"code: {shorten(code, 20)!r} is no code such as K7QM-3XTP. `podkeeper confirm` lists them."
            )
        now = self._now()
        found = await self._store.answer(caller.person, clean, yes=yes, now=now, until=now + GOOD_FOR)
        if found is None:
            raise NotFound(
                f"Nothing of the code {clean} waits for your answer: it was answered, has expired after "
                f"{WAITS // timedelta(minutes=1)} minutes, or is somebody else's. `podkeeper confirm` lists what waits."
            )
        return found

    async def use(self, caller: Caller, action: str, subject: str) -> None:
        """Now it is done: the yes is used up. Unconfirmed when there is none (any more)."""
        if not await self._store.use(caller.person, action, subject, self._now()):
            raise Unconfirmed("The yes to this has just been used or has expired; nothing was done.")
