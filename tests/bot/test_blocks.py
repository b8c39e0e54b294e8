"""Every message we can make, from extreme models, within Slack's limits."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import chain

import pytest

from bot import bills, letters, lists, tokens, views
from bot.blocks import Block, Message
from bot.digest import digest
from bot.form import start_form
from bot.home import Others, home, unwelcome
from bot.words import clip, code, escape, fence
from core.model import (
    BusyAbove,
    Cause,
    GpuRequest,
    IdleRule,
    Ignore,
    Pod,
    PodSpec,
    PortModel,
    Progress,
    Run,
    Stage,
    Status,
    Template,
    Token,
    Volume,
    Wake,
)
from core.service import Bill, PortUrl, StartRequest, Why
from core.service.costs import bill as make_bill
from tests.slack_double.blockcheck import check_message, check_view

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NASTY = ["`a`*b*_c_ <!channel> & <@U1>", "اختبار", "x" * 63, "🚀", "a\nb"]
REASONS = [None, "", "stopped by <!here>", "It failed.\nLast lines:\n" + "<>&`" * 900, "y" * 5000]


def pod(status: Status, name: str = "demo", reason: str | None = None, *, full: bool = True) -> Pod:
    """One with everything, or with as little as there can be."""
    spec = PodSpec(
        template="hello",
        image="busybox:stable",
        ports=tuple(PortModel(number=8000 + n) for n in range(12)) if full else (),
        cpu=1,
        memory=1 << 30,
        gpu=GpuRequest(type="A100", count=8) if full else None,
        volume=20 << 30 if full else None,
        idle=IdleRule(
            timeout=timedelta(minutes=30) if full else timedelta(),
            ignore=Ignore(paths=("/", *(f"/{n}<&`>" for n in range(50))), agents=("<!here>" * 20,) * 50),
            busy_above=BusyAbove(cpu=0.2, gpu=0.05),
        ),
        wake=Wake.AUTO if full else None,
        max_lifetime=timedelta(hours=12) if full else None,
        price_per_hour=1.89 if full else None,
    )
    return Pod(
        id="2s56cp0pof1rmt", workspace="default", name=name, owner="p1", owner_name=name, via="slack", spec=spec,
        status=status, reason=reason, created_at=NOW, changed_at=NOW, stoppable=full,
    )  # fmt: skip


def shown(one: Pod) -> views.Shown:
    """With addresses as long as they get."""
    return views.Shown(
        one, [PortUrl(port=str(p), url=f"https://{'d' * 200}.example:1") for p in one.spec.ports], True, NOW
    )


def every_letter(one: views.Shown, reason: str) -> Iterator[Message]:
    """What the owner of this pod may be told."""
    for action in ("stop", "terminate"):
        for final in (False, True):
            for morning in (None, ("tomorrow 9:00", NOW)):
                yield letters.warning(one, reason, NOW, action, morning, final=final).to("<@UANA>")
    yield letters.idle_notice(one, reason, None)
    for volume in (None, 20 << 30):
        yield letters.forget(one.pod, NOW, volume)
    for until in (None, NOW):
        yield letters.kept(one.pod.model_copy(update={"keep_until": until}), "<@UANA>")
    for used in (True, False):
        yield letters.withdrawn(one.pod, used=used)
    yield letters.woken(one.pod)
    yield letters.moved(one, reason).to("<@UANA>")
    yield letters.orphan(one.pod.id, reason)
    yield letters.balance(reason)
    yield letters.not_forgotten(one.pod, "<@UANA>")
    yield letters.secrets(one.pod, {"TOKEN": "`<&>" * 20})
    yield letters.why(Why(pod=one.pod, text=reason, at=NOW))


def every_message() -> Iterator[Message]:
    """All of them."""
    by = "Started by <@UANA>"
    for status in Status:
        for name in NASTY:
            for reason in REASONS:
                for full in (True, False):
                    one = shown(pod(status, name, reason, full=full))
                    yield views.card(replace(one, remark="<&>" * 200), by)
                    yield views.card(one, by)
                    yield views.changed(one, by)
                    yield letters.notice(one, reason or "no reason", "has failed")
                    ended = {"started_at": NOW, "ready_at": NOW, "ended_at": NOW + 3 * HOUR, "cause": Cause.IDLE}
                    idle = views.Shown(one.pod.model_copy(update=ended), one.urls, True, NOW)
                    yield letters.notice(idle, reason or "no reason", "was stopped")
                    yield views.ask_terminate(one)
                    yield lists.details(one, NOW, {"<!here>": "`<&>"})
                    yield from every_letter(one, reason or "no reason")
    for stage in Stage:
        for fraction in (None, 0.0, 0.555, 1.0, 7.0):
            progress = Progress(pod_id="x", run=1, stage=stage, message="<&>" * 300, fraction=fraction)
            for expected in (None, timedelta(), timedelta(hours=30)):
                yield views.starting(shown(pod(Status.STARTING)), progress, NOW + 99 * HOUR, by, expected)
    yield views.starting(shown(pod(Status.PROVISIONING, full=False)), None, NOW - timedelta(hours=1), by)
    for count in (0, 1, 19, 20, 21, 200):
        for everyone in (True, False):
            many = [shown(pod(Status.RUNNING, NASTY[n % 5])) for n in range(count)]
            for first in (0, 20, 180, 9999):
                yield lists.pods(many, lists.Page(everyone=everyone, first=first), NOW)
            base = (
                Template(name="hello", description="<&>" * 100, source="built-in", spec=many[0].pod.spec)
                if many
                else None
            )
            yield lists.templates([base] * count if base else [])
    for text in ("", "\n", "hello", "```" * 2000, "<&>" * 5000, "\x1b[31mred\x00"):
        for sent in (None, True, False):
            yield lists.logs(pod(Status.RUNNING), text, 100, sent)
        yield views.problem(text.strip() or "x")
    for count in (0, 1, 200):
        who = {"workspace": "w", "owner": "p", "owner_name": "<!here>", "created_at": NOW}
        pods = {str(number): f"pod-{number}" for number in range(count)}
        yield lists.volumes([Volume(id=f"v{k}", name="v" * 63, size=1 << 40, attached_to=pods, **who) for k in pods])
    for verb in ("", *lists.VERBS):
        yield lists.help_on(verb)
    yield lists.greeting()
    stamps = dict.fromkeys(("created_at", "expires_at", "used_at"), NOW)
    many = [Token.model_validate({"id": f"{n:08}", "person": "p1", "name": "n" * 60, **stamps}) for n in range(20)]
    yield tokens.made(many[0], "pkp_" + "x" * 43, "https://" + "p" * 250)
    yield tokens.revoked(many[0])
    for count in (0, 1, 20):
        yield tokens.listed(many[:count])
    yield lists.settings("direct")
    yield lists.settings("thread")
    for bill in every_bill():
        yield digest(bill, NOW.date())
        for everyone in (True, False):
            yield bills.month(bill, everyone=everyone)


def every_bill() -> Iterator[Bill]:
    """Of short and long times, and of none to many runs, with and without prices."""
    for days in (1, 20, 21, 24, 31):
        since = datetime(2026, 10, 1, tzinfo=UTC)
        for count in (0, 1, 21, 200):
            for price in (None, 0.0004, 1234.5):
                runs = [
                    Run(
                        pod_id=f"{n:0>14}", run=1, name=f"{'n' * 60}{n}", owner="p1", owner_name=NASTY[n % 5],
                        template="t" * 63, price_per_hour=price, started_at=since + n * HOUR,
                        ended_at=since + 2 * n * HOUR if n % 3 else None, cause=Cause.IDLE if n % 3 else None,
                    )
                    for n in range(count)
                ]  # fmt: skip
                yield make_bill(runs, since, since + timedelta(days=days))


def every_view() -> Iterator[Block]:
    """Forms and home tabs."""
    one = pod(Status.RUNNING)
    for count in (0, 1, 3, 200):
        for n, status in enumerate(Status):
            some = [shown(pod(status, NASTY[k % 5], REASONS[n % 5], full=k % 2 == 0)) for k in range(count)]
            yield home(some, [NOW] * count, NOW)
            kept = [
                views.Shown(s.pod.model_copy(update={"keep_until": NOW + timedelta(hours=1)}), s.urls, True, NOW)
                for s in some
            ]
            yield home(kept, [None] * count, NOW)
            for unfolded in (True, False):
                for chart in (True, False):
                    yield home(some, [NOW] * count, NOW, None, Others(some, unfolded), chart=chart)
    for bill in every_bill():
        yield home([], [], NOW, bill)
    yield unwelcome("<!here> " * 1000)
    for count in (1, 9, 101):
        names = [f"{'t' * (k % 60)}{k}" for k in range(count)]
        specs = [one.spec.model_copy(update={"template": name}) for name in names]
        templates = [
            Template(name=name, description=NASTY[k % 5] * 50, source="built-in", spec=specs[k])
            for k, name in enumerate(names)
        ]
        who = {"workspace": "w", "owner": "p", "owner_name": "<!here>", "created_at": NOW}
        volumes = [Volume(id=f"v{k}", name=f"{'v' * 60}{k}", size=None, **who) for k in range(count - 1)]
        full = dict.fromkeys(("name", "cpu", "memory", "gpu", "volume", "idle", "lifetime"), "y" * 5000)
        for request in (None, StartRequest(template=templates[-1].name, env={"A": "x" * 9000}, **full)):
            yield start_form(templates, volumes, request, "C1")


def test_all_views_are_valid() -> None:
    for view in every_view():
        assert check_view(view) == [], view
        assert check_message([block for block in view["blocks"] if block["type"] != "input"][:50]) in (
            [],
            ["msg_blocks_too_long"],
        )


def test_all_of_them_are_valid_and_carry_their_text() -> None:
    for message in every_message():
        for way in filter(None, [message, message.simpler()]):
            arguments = way.arguments()
            assert check_message(arguments["blocks"]) == [], arguments
            assert arguments["text"].strip()
            assert len(arguments["text"]) <= 4000
            assert arguments["blocks"]
        kinds = {block["type"] for block in message.blocks}
        if kinds & {"table", "data_visualization"}:
            simpler = message.simpler()
            assert simpler is not None
            assert not {"table", "data_visualization"} & {block["type"] for block in simpler.blocks}


def test_nothing_that_comes_from_people_can_mention_anybody() -> None:
    said = chain.from_iterable(filter(None, [message, message.simpler()]) for message in every_message())
    for made in chain((message.arguments() for message in said), every_view()):
        everything = re.sub(r"'accessibility_label': (['\"]).*?\1[,}]", "", str(made))
        everything = re.sub(r"'type': '(?:plain_text|raw_text)', 'text': (['\"]).*?\1[,}]", "", everything)
        assert "<!channel>" not in everything
        assert "<!here>" not in everything
        assert "<@U1>" not in everything


@pytest.mark.parametrize("text", ["&lt;" * 10, "abc&amp;", "&" * 20, "plain text that is long"])
def test_a_cut_never_leaves_half_an_escape(text: str) -> None:
    for limit in range(2, len(text) + 2):
        cut = clip(escape(text), limit)
        assert len(cut) <= limit
        assert text.startswith(unescape(cut.removesuffix("…")))
        end = fence(text, limit).split("\n")[1]
        assert len(end) <= limit
        assert text.endswith(unescape(end.removeprefix("…")))


def test_a_name_cannot_leave_its_backticks() -> None:
    assert code("a`b\nc<") == "`aˋb c&lt;`"


def test_a_start_says_what_it_will_cost_before_it_is_over() -> None:
    one = pod(Status.PROVISIONING)
    priced = one.model_copy(update={"spec": one.spec.model_copy(update={"price_per_hour": 0.43})})
    message = views.starting(shown(priced), None, NOW, "by")
    assert "costs $0.43 per hour" in message.text
    assert "costs $0.43 per hour" in str(message.blocks)
    free = one.model_copy(update={"spec": one.spec.model_copy(update={"price_per_hour": None})})
    assert "cost" not in views.starting(shown(free), None, NOW, "by").text
