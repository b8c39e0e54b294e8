"""The RunPod engine against a Podkeeper's own `/v2`, and against what RunPod has published."""
