"""Prompts: what people ask most, in words by which an assistant finds the right tools."""

from mcp.server.mcpserver.prompts import Prompt


def start_llama() -> str:
    """Start a llama server and say how to talk to it."""
    return (
        "Start a llama for me. See with template_list whether llama-template is there, start it with pod_start, and "
        "follow it with pod_get (wait_for=running) if it takes long. Then give me its url, a curl that asks it "
        "something at /v1/chat/completions, what it costs an hour if that is known, and when it stops by itself."
    )


def running_and_cost() -> str:
    """What runs, what it costs, and what nobody uses."""
    return (
        "What is running of mine, and what does it cost? Use pod_list. Tell me of each pod its name, address, price an "
        "hour, when it was last used and when it stops by itself; then cost_per_hour of them all. Say which ones look "
        "forgotten, and offer to stop those. Stop nothing unasked."
    )


def why_stopped(pod: str) -> str:
    """Why a pod was stopped, or still runs."""
    return (
        f"Why was my pod {pod} stopped (or why does it still run)? Use pod_why, and pod_get for its times. Tell me the "
        "reason in a sentence, what was kept, and how to start it again or to keep it longer next time."
    )


def prompts() -> list[Prompt]:
    """All of them."""
    return [
        Prompt.from_function(start_llama, title="Start a llama for me"),
        Prompt.from_function(running_and_cost, title="What is running, and what does it cost?"),
        Prompt.from_function(why_stopped, title="Why was my pod stopped?"),
    ]
