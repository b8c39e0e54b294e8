"""The grammar of `/pod`: pure, from a line of text to what is asked for; nothing but InvalidInput comes out."""

import difflib
from dataclasses import dataclass
from typing import Literal

from bot.verbs import MEANT, VERBS, Verb
from bot.words import typed
from core.errors import InvalidInput
from core.service import StartRequest
from core.units import shorten

_QUOTES = {'"': '"', "'": "'", "“": '”“"', "”": '”“"', "„": '“”"', "«": '»"', "‘": "’‘'", "’": "’‘'", "‚": "‘’'"}
_DASHES = "-—–―−‐‑"


@dataclass(frozen=True)
class Command:
    """What is asked for, read but not yet checked against anything that exists."""

    verb: str
    target: str = ""
    """The pod as referred to, the template, or the verb that help is wanted on."""
    detail: str = ""
    """What follows the pod: a duration, a port."""
    request: StartRequest | None = None
    """Of `start`."""
    notices: Literal["direct", "thread"] | None = None
    """Of `settings`: where to be told from now on."""
    tail: int = 100
    everyone: bool = False
    ended: bool = False


WHICH_TEMPLATE = (
    "Which template? Write it after start, for example `/pod start hello`. `/pod templates` shows what there is."
)


def parse(text: str) -> Command:
    """Read what follows `/pod`. InvalidInput says what is wrong, what was expected, and gives an example."""
    words = _split(typed(text))
    if not words:
        return Command("help")
    name = words[0].text.lower()
    if name not in VERBS:
        raise InvalidInput(_unknown_verb(words[0].text))
    verb = VERBS[name]
    positional, given = _sort(name, verb, words[1:])
    target, detail = _arguments(name, verb, positional)
    if name == "start":
        return Command(name, target, request=_request(target, given))
    if name == "help" and target and target.lower() not in VERBS:
        raise InvalidInput(_unknown_verb(target))
    tail = _lines(given["tail"][0]) if "tail" in given else 100
    notices = _notices(given["notices"][0]) if "notices" in given else None
    everyone, ended = "everyone" in given, "ended" in given
    return Command(name, target, detail, notices=notices, tail=tail, everyone=everyone, ended=ended)


def _request(template: str, given: dict[str, list[str]]) -> StartRequest:
    env = dict(_assignment(value) for value in given.pop("env", ()))
    ignore = tuple(given.pop("ignore", ()))
    named = {"lifetime" if key == "for" else key.replace("-", "_"): values[0] for key, values in given.items()}
    return StartRequest(template=template, env=env, ignore=ignore, **named)


@dataclass(frozen=True)
class _Word:
    text: str
    flag: bool
    """It began with a hyphen or with what a phone makes of two, outside quotes."""


def _split(text: str) -> list[_Word]:
    """Words at white space; quotes of any kind hold them together at the start of a word or right after a `=`."""
    words: list[_Word] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        start, out = at, ""
        while at < len(text) and not text[at].isspace():
            if text[at] in _QUOTES and (at == start or text[at - 1] == "="):
                inside, at = _quoted(text, at)
                out += inside
            else:
                out += text[at]
                at += 1
        words.append(_word(out, text[start]))
    return words


def _quoted(text: str, at: int) -> tuple[str, int]:
    closing, out = _QUOTES[text[at]], ""
    opened = text[at]
    at += 1
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text) and text[at + 1] in closing + "\\":
            out += text[at + 1]
            at += 2
        elif text[at] in closing:
            return out, at + 1
        else:
            out += text[at]
            at += 1
    raise InvalidInput(f"There is a {opened} that is never closed. Close it, or leave it out.")


def _word(text: str, first: str) -> _Word:
    if first not in _DASHES:
        return _Word(text, flag=False)
    bare = text.lstrip(_DASHES)
    led = text[: len(text) - len(bare)]
    if not bare[:1].isalpha() and led != "--":
        return _Word(text, flag=False)
    double = len(led) > 1 or led in "—–―"
    return _Word(("--" if double else "-") + bare, flag=True)


def _sort(name: str, verb: Verb, words: list[_Word]) -> tuple[list[str], dict[str, list[str]]]:
    positional: list[str] = []
    given: dict[str, list[str]] = {}
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if not word.flag:
            positional.append(word.text)
            continue
        flag, equals, value = word.text.partition("=")
        key = flag.lstrip("-").lower()
        if not flag.startswith("--") or key not in verb.options:
            raise InvalidInput(_unknown_option(name, verb, flag))
        option = verb.options[key]
        if option.example is None:
            if equals:
                raise InvalidInput(f"--{key} takes no value. Write just --{key}.")
        elif not equals:
            if at == len(words) or words[at].flag:
                raise InvalidInput(f"--{key} needs a value, for example --{key} {option.example}.")
            value = words[at].text
            at += 1
        if key in given and not option.repeats:
            raise InvalidInput(f"--{key} is there twice. Which one is meant?")
        given.setdefault(key, []).append(value)
    return positional, given


def _arguments(name: str, verb: Verb, positional: list[str]) -> tuple[str, str]:
    wanted = verb.arguments
    if not wanted:
        if positional:
            raise InvalidInput(f"`/pod {name}` takes nothing more, so what is {shorten(positional[0], 40)!r}?")
        return "", ""
    example = verb.example(name)
    given = [text for text in positional if text.strip()]
    if len(given) < len(wanted) and not (verb.optional or verb.asks):
        missing = wanted[len(given)]
        more = " /pod list shows your pods." if missing == "pod" else ""
        after = f"the {wanted[len(given) - 1]}" if given else name
        raise InvalidInput(f"Which {missing}? Write it after {after}, for example {example}.{more}")
    if len(given) > len(wanted):
        hint = "Options begin with two hyphens, for example --name demo." if name == "start" else f"Write {example}."
        takes = f"one {wanted[0]}" if len(wanted) == 1 else " and ".join(f"a {argument}" for argument in wanted)
        raise InvalidInput(
            f"/pod {name} takes {takes}, and {shorten(given[len(wanted)], 40)!r} is one too many. {hint}"
        )
    target, detail = (*given, "", "")[:2]
    return target, detail


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInput("--env needs NAME=value, for example --env MODEL=tiny. Nothing was started.")
    return name, value


def _lines(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= 1000):
        raise InvalidInput(f"--tail: {shorten(text, 40)!r} is not a number of lines. Write 1 to 1000.")
    return int(text)


def _notices(text: str) -> Literal["direct", "thread"]:
    match text.strip().lower():
        case "direct" | "dm":
            return "direct"
        case "thread":
            return "thread"
        case _:
            raise InvalidInput(f"--notices: {shorten(text, 40)!r} is not allowed. Write direct or thread.")


def _unknown_verb(word: str) -> str:
    lower = word.lower()[:80]
    near = difflib.get_close_matches(lower, VERBS, n=1, cutoff=0.6)
    meant = MEANT.get(lower) or (near[0] if near else None)
    hint = f"Did you mean {VERBS[meant].usage(meant)}?" if meant else f"There are: {', '.join(VERBS)}."
    return f"/pod does not know {shorten(word, 40)!r}. {hint}"


def _unknown_option(name: str, verb: Verb, flag: str) -> str:
    key = flag.lstrip("-").lower()[:80]
    said = f"/pod {name} does not know the option {shorten(flag, 40)!r}."
    if not verb.options:
        return f"{said} It has none."
    if key in verb.options:
        return f"{said} Options begin with two hyphens: --{key}."
    near = difflib.get_close_matches(key, verb.options, n=1, cutoff=0.5)
    return f"{said} " + (f"Did you mean --{near[0]}?" if near else f"There are: --{', --'.join(verb.options)}.")
