"""A double of Slack on loopback: Web API, Socket Mode, signed HTTP, response URLs; it refuses what Slack refuses."""

from tests.slack_double.delivery import Ack
from tests.slack_double.double import SlackDouble
from tests.slack_double.people import NotOnScreen
from tests.slack_double.workspace import Post, View

__all__ = ["Ack", "NotOnScreen", "Post", "SlackDouble", "View"]
