"""Which values of a pod's variables are secrets, so that no log shows them to others."""

import re
from collections.abc import Mapping

from core.model import Pod

_SECRET = re.compile(r"TOKEN|SECRET|PASSW|PWD|PASSPHRASE|CREDENTIAL|APIKEY|KEY$", re.IGNORECASE)
"""In the name of a variable: it holds a secret."""
_IN_URL = re.compile(r"://[^\s:/@]*:([^\s@]+)@")
"""The password in an address."""


def secrets_of(pod: Pod) -> list[str]:
    """Values that do not belong into a log."""
    env = pod.spec.env
    named = [value for name, value in env.items() if _SECRET.search(name)]
    return [*named, *(found for value in env.values() for found in _IN_URL.findall(value)), *logins_of(pod).values()]


def logins_of(pod: Pod) -> Mapping[str, str]:
    """What was made up for it to let its owner in, by variable."""
    return {name: value for name in pod.spec.generated if (value := pod.spec.env.get(name))}
