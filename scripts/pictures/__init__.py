"""The pictures in docs/slack/: the Slack face on a fake house, before local-slack, seen by a headless Chromium."""
