"""A second opinion on the Slack face: a walk through local-slack, an emulator of Slack that we did not write."""
