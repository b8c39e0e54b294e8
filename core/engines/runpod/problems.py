"""RunPod's refusals (RFC 9457) as PodErrors, in words that say what to do next."""

import re
from collections.abc import Sequence

from core.errors import BalanceUsedUp, Conflict, InvalidInput, NoCapacity, NotFound, PodError, Unavailable
from core.units import shorten

_NOTHING = "Nothing was started and nothing is charged."
"""Also said by a Podkeeper that is the cloud of another."""
_CAPACITY = re.compile(
    r"capacity|no longer any|not enough|no (?:\w+ ){0,3}(?:available|instances|machines|resources)|out of stock"
    r"|could not be placed|unavailable|\bno gpu",
    re.IGNORECASE,
)
"""A 400 is a rule that was broken or a lack of capacity, and has no code to tell which (its documentation says so)."""


class Undecided(Unavailable):
    """Something was asked for and the answer was lost: it may have been done."""


def refusal(status: int, title: str, detail: str, errors: Sequence[str] = ()) -> PodError:
    """What a status and its problem document mean."""
    said = shorten(" ".join((detail or title).split()), 400).removesuffix(_NOTHING).rstrip(". ") or f"HTTP {status}"
    more = f" ({shorten('; '.join(errors), 300)})" if errors else ""
    match status:
        case 400 if _CAPACITY.search(f"{title} {detail}"):
            return NoCapacity(f"RunPod has none free now: {said}. {_NOTHING}")
        case 400 | 413 | 415 | 422:
            return InvalidInput(f"RunPod refuses this: {said}{more}. {_NOTHING}")
        case 401:
            return Unavailable("RunPod does not accept the key in RUNPOD_API_KEY. Make a new one in RunPod's settings.")
        case 402:
            return BalanceUsedUp(f"RunPod's balance is used up: {said}. An admin must add credit at RunPod first.")
        case 403:
            return Unavailable(
                f"RunPod's key may not do this: {said}. RUNPOD_API_KEY must be a key that may read and write pods."
            )
        case 404:
            return NotFound(f"RunPod does not have it: {said}.")
        case 409:
            return Conflict(f"RunPod refuses this now: {said}.")
        case 429:
            return Unavailable("RunPod asks us to wait: too many requests. It is tried again.")
        case _ if status < 500:
            return InvalidInput(f"RunPod refuses this ({status}): {said}{more}.")
        case _:
            return Unavailable(f"RunPod does not work at the moment ({status}). It is tried again.")
