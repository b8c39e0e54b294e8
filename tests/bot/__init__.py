"""Flows through the Slack face over the double, and its pure parts."""
