"""The llama walk: a real llama server as `llama-template`, from Slack to the idle stop (`make test-llama`)."""
