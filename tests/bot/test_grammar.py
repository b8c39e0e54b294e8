"""The grammar: what phones and Slack do to a line is undone; nothing but InvalidInput ever comes out."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.grammar import Command, parse
from bot.verbs import VERBS
from core.errors import InvalidInput

LINE = "start hello --name —name –cpu --env A=1 = “ ” ' &lt; &amp;amp; --memory= -x -- help logs --tail list --everyone"
WORDS = st.sampled_from([*LINE.split(), '"', "\\", "<http://x|x>", "<@U1|a>", "\u202e", "\x00", "é"])


@given(st.one_of(st.text(max_size=300), st.lists(WORDS).map(" ".join), st.lists(WORDS).map("".join)))
def test_no_line_whatever_raises_anything_but_invalid_input(line: str) -> None:
    with contextlib.suppress(InvalidInput):
        assert parse(line).verb in VERBS


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="<>&"), max_size=60))
def test_a_quoted_value_comes_through_as_it_was_typed(value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    with contextlib.suppress(InvalidInput):
        command = parse(f'start hello --env "A={escaped}"')
        assert command.request is not None
        assert command.request.env == {"A": value}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", Command("help")),
        ("   ", Command("help")),
        ("HELP", Command("help")),
        ("help start", Command("help", "start")),
        ("show demo", Command("show", "demo")),
        ("Show “demo”", Command("show", "demo")),
        ("show\u00a0demo", Command("show", "demo")),
        ("stop\ndemo", Command("stop", "demo")),
        ("show dem\u200bo", Command("show", "demo")),
        ("logs demo --tail=7", Command("logs", "demo", tail=7)),
        ("logs —tail 7 demo", Command("logs", "demo", tail=7)),
        ("keep demo 2h", Command("keep", "demo", "2h")),
        ("expose “demo” 22/tcp", Command("expose", "demo", "22/tcp")),
        ("list --everyone --ended", Command("list", everyone=True, ended=True)),
        ("show <http://demo.example|demo.example>", Command("show", "demo.example")),
        ("show <http://demo.example>", Command("show", "http://demo.example")),
        ("show <@U1|ana>", Command("show", "@ana")),
        ("show <#C1|general>", Command("show", "#general")),
        ("show <!channel>", Command("show", "@channel")),
        ("show a&amp;b", Command("show", "a&b")),
        ("show &amp;lt;", Command("show", "&lt;")),
    ],
)
def test_reads(line: str, expected: Command) -> None:
    assert parse(line) == expected


@pytest.mark.parametrize(
    ("line", "env"),
    [
        ("--env A=1 --env B=2", {"A": "1", "B": "2"}),
        ("--env=A=x=y", {"A": "x=y"}),
        ('--env "A=two words"', {"A": "two words"}),
        ('--env A="two words"', {"A": "two words"}),
        ("--env A=“two words”", {"A": "two words"}),
        ("--env A='it is'", {"A": "it is"}),
        ("--env A=it's", {"A": "it's"}),
        ("--env A=<https://x.example/y?a=1&amp;b=2>", {"A": "https://x.example/y?a=1&b=2"}),
        ("—env A=", {"A": ""}),
        (r'--env A="a \"quoted\" word"', {"A": 'a "quoted" word'}),
        ("--env A=«deux mots»", {"A": "deux mots"}),
    ],
)
def test_reads_environment(line: str, env: dict[str, str]) -> None:
    request = parse(f"start hello {line}").request
    assert request is not None
    assert request.env == env


@pytest.mark.parametrize(
    ("line", "gpu"),
    [
        ("--gpu A100,L40S", "A100,L40S"),
        ('--gpu "A100,L40S:2"', "A100,L40S:2"),
        ("—gpu=“NVIDIA A100, L40S”", "NVIDIA A100, L40S"),
    ],
)
def test_reads_several_kinds_of_gpu(line: str, gpu: str) -> None:
    request = parse(f"start hello {line}").request
    assert request is not None
    assert request.gpu == gpu


def test_reads_the_rules_of_a_start() -> None:
    request = parse("start hello --warning 5m --for=12h --ignore /health —ignore agent:UptimeRobot --wake off").request
    assert request is not None
    assert (request.warning, request.lifetime, request.wake) == ("5m", "12h", "off")
    assert request.ignore == ("/health", "agent:UptimeRobot")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ls", "Did you mean /pod list [options]?"),
        ("rm demo", "Did you mean /pod terminate <pod>?"),
        ("frobnicate", "There are: start, list,"),
        ("help strat", "Did you mean /pod start"),
        ("list demo", "takes nothing more"),
        ("show a b", "takes one pod, and 'b' is one too many"),
        ("start a b", "Options begin with two hyphens"),
        ("start hello -name x", "Options begin with two hyphens: --name."),
        ("stop demo --force", "does not know the option '--force'. It has none."),
        ("start hello --name a --name b", "--name is there twice"),
        ("start hello --env A", "--env needs NAME=value"),
        ("start hello --env --name x", "--env needs a value"),
        ("list --everyone=yes", "--everyone takes no value"),
        ("logs demo --tail many", "Write 1 to 1000"),
        ("logs demo --tail 0", "Write 1 to 1000"),
        ('start "hello', 'There is a " that is never closed'),
        ("show de\u202emo", "cannot be seen (U+202E)"),
        ("show de\x1bmo", "cannot be seen (U+001B)"),
        ("extend demo 1h", "Did you mean /pod keep <pod> <duration>?"),
        ("keep demo 1h 2h", "takes a pod and a duration, and '2h' is one too many. Write /pod keep hello-1 2h."),
        ("start hello --for", "--for needs a value, for example --for 12h"),
        ("x" * 10_240, "10,240 characters long; at most 8,000"),
    ],
)
def test_explains(line: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(line)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_is_said_of_a_wrong_variable_never_repeats_it() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse("start hello --env tiger-without-equals")
    assert "tiger" not in str(caught.value)
