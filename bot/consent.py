"""Consent: what somebody's assistant wants over MCP and only they may allow, asked in a message to them alone."""

from bot.blocks import Message, actions, button, context, section
from bot.words import escape, moment
from core.model import Confirmation

YES = "pod_confirm_yes"
NO = "pod_confirm_no"


def asked(question: Confirmation) -> Message:
    """The question, with what will be lost or what it costs."""
    head = f"Your assistant ({escape(question.asked_by)}) wants your yes:\n{escape(question.text)}"
    until = f"Nothing happens without it. It waits until {moment(question.expires_at)}."
    yes = button("Yes, do it", YES, question.code, said="Say yes to this", style="danger")
    no = button("No", NO, question.code, said="Say no to this")
    return Message(f"{head}\n{until}", [section(head), *actions(yes, no), context(until)])


def answered(question: Confirmation) -> Message:
    """What they have said."""
    said = "You said *yes*" if question.answer else "You said *no*"
    text = f"{said}: {escape(question.text)}"
    after = "Tell your assistant to go on within 10 minutes." if question.answer else "Your assistant is told so."
    return Message(text, [section(text), context(after)])
