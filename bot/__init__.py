"""Slack: commands, buttons, one live message per operation, notices. The only room that speaks Slack."""

from bot.face import SlackFace, face

__all__ = ["SlackFace", "face"]
