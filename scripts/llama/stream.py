"""The llama walk's visitor: a streamed chat completion, with the time at which each piece arrived."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp


@dataclass
class Generation:
    """What came, and when (`time.monotonic`)."""

    asked: float
    arrivals: list[float] = field(default_factory=list)
    """One for each piece with text in it."""
    reads: int = 0
    """How often something arrived: pieces that came together count once."""
    text: str = ""
    finish: str | None = None
    done: bool = False
    """The server said that this was all."""

    @property
    def first(self) -> float:
        """Seconds until the first token."""
        return self.arrivals[0] - self.asked

    @property
    def lasted(self) -> float:
        """Seconds from the first token to the last."""
        return self.arrivals[-1] - self.arrivals[0]

    @property
    def longest_gap(self) -> float:
        """Seconds between two tokens, at most."""
        return max(b - a for a, b in zip(self.arrivals, self.arrivals[1:], strict=False))


async def chat(proxy: str, host: str, prompt: str, tokens: int) -> Generation:
    """Exactly `tokens` tokens, through the gateway that listens at `proxy`, from the pod at `host`."""
    body: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}], "stream": True}
    body |= {"max_tokens": tokens, "ignore_eos": True, "seed": 1}
    got = Generation(asked=time.monotonic())
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300)) as session,
        session.post(f"http://{proxy}/v1/chat/completions", json=body, headers={"Host": host}) as answer,
    ):
        assert answer.status == 200, f"{answer.status}: {(await answer.text())[:500]}"
        rest = b""
        async for data in answer.content.iter_any():
            at = time.monotonic()
            got.reads += 1
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                _take(got, line.strip().removeprefix(b"data: "), at)
    return got


def _take(got: Generation, line: bytes, at: float) -> None:
    if line == b"[DONE]":
        got.done = True
    elif line:
        [choice] = json.loads(line)["choices"] or [{"delta": {}, "finish_reason": None}]
        got.finish = choice["finish_reason"] or got.finish
        piece = choice["delta"].get("content")
        if piece:
            got.arrivals.append(at)
            got.text += piece
