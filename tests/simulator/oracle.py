"""The oracle: reads the rule in its own way, knows the truth, and says when the house was wrong. It asks no core.idle.

Times are seconds of the monotonic clock, except those that were promised (`keep_until`, the end of life), which are
the wall clock's. A stop is *false* against sure use, a missing witness, a promise or a warning cut short; *late* when a
tick left running what the tick before should have stopped already.
"""

from collections import Counter
from datetime import datetime

from core.model import Event, IdleAction, Status
from tests.simulator.truth import NEVER, Life, Told

SLACK = 1.0
"""Seconds within which times are the same."""


class Offence(AssertionError):
    """The house was wrong."""

    def __init__(self, pod_id: str, text: str) -> None:
        super().__init__(text)
        self.pod_id = pod_id


class Oracle:
    """Judges every event and every tick; `offences` counts, and the first one is raised."""

    def __init__(self) -> None:
        self.lives: dict[str, Life] = {}
        self.hours = 0.0
        self.counts: Counter[str] = Counter()

    def begin(self, life: Life) -> None:
        """A run became ready."""
        self.lives[life.pod_id] = life

    # what happened

    def hear(self, event: Event, now: float, wall: float, engine_runs: bool) -> None:
        """One event of the store, told at this moment."""
        life = self.lives.get(event.pod_id)
        if life is None or life.over or event.run < life.run:
            return
        if event.run > life.run:  # a restart: the event is the next run's
            self._end(life, now)
            life.over = True
            return
        self.counts[event.kind] += 1
        match event.kind:
            case "pod.idle_warning" | "pod.idle_notice":
                self._told(life, event, now, wall)
            case "pod.warning_withdrawn":
                self._withdrawn(life, now, wall)
            case "pod.kept":
                until = event.data["until"]
                life.keep_until = NEVER if until is None else datetime.fromisoformat(until).timestamp()
                if until is not None and wall < life.life_end - life.warning:
                    life.told, life.kept = None, True
            case "pod.idle_stop":
                self._stopped(life, event, now, wall)
                self._end(life, now)
            case "pod.stop" | "pod.terminate":
                self._end(life, now)
            case "pod.exited" | "pod.terminated" | "pod.ended" | "pod.failed":
                if event.kind in ("pod.exited", "pod.terminated") and not life.ending:
                    self._wrong("stop without its event", life, now)
                self._end(life, now)
                life.over = True
                if engine_runs:
                    self._wrong("lying row", life, now, f"{event.status} while its container runs")
            case _:
                pass

    def _end(self, life: Life, now: float) -> None:
        if not life.ending:
            self.hours += (now - life.ready) / 3600
        life.ending = True

    def _told(self, life: Life, event: Event, now: float, wall: float) -> None:
        for_life = event.data["by_lifetime"]
        told = life.told
        if told is not None and told.at >= life.reset_at and (told.for_life or not for_life):
            # By a clock that was set back since, the former one came long before the end.
            early = for_life and wall - (now - told.at) < life.life_end - life.warning
            if not early:
                self._wrong("duplicate warning", life, now, f"after the one at {told.at}")
        ahead = life.warning if event.kind == "pod.idle_warning" else 0
        if for_life:
            early = wall < life.life_end - ahead - SLACK
        else:
            early = now < life.sure + life.timeout - ahead - SLACK or wall < life.keep_until - ahead - SLACK
            early = early or life.missing or life.used
        if early:
            self._wrong("false warning", life, now, str(dict(event.data)))
        deadline = datetime.fromisoformat(event.data["deadline"]).timestamp() - wall + now
        if deadline < now + ahead - SLACK:
            self._wrong("short warning", life, now, f"deadline {deadline}")
        life.told = Told(now, wall, event.kind, for_life, deadline)

    def _withdrawn(self, life: Life, now: float, wall: float) -> None:
        if life.told is None:
            self._wrong("withdrawal of nothing", life, now)
        good = life.maybe or life.missing or life.kept or life.keep_until > wall
        if not good and not (life.told.for_life and wall < life.life_end):
            self._wrong("false withdrawal", life, now)
        life.told = None

    def _stopped(self, life: Life, event: Event, now: float, wall: float) -> None:
        why: list[str] = []
        if event.data["by_lifetime"]:
            if wall < life.life_end - SLACK:
                why.append("before its end of life")
        else:
            why += self._idle_faults(life, now, wall)
        if life.warning:
            if life.told is None or life.told.kind != "pod.idle_warning":
                why.append("unwarned")
            elif life.told.at < life.reset_at and not event.data["by_lifetime"]:
                why.append("warned only before counters were lost")
            elif now < life.told.at + life.warning - SLACK:
                why.append(f"{now - life.told.at:.0f} s after its warning")
            elif now < life.told.deadline - SLACK and not event.data["by_lifetime"]:
                why.append("before the deadline that was told")
        wanted = "stop" if life.stoppable else "terminate"
        if event.data["by_lifetime"] is False and life.spec.idle.action is IdleAction.TERMINATE:
            wanted = "terminate"
        if event.data["action"] != wanted:
            why.append(f"{event.data['action']} in place of {wanted}")
        if why:
            self._wrong("false stop", life, now, f"{'; '.join(why)}; the house says: {event.data['reason']}")

    def _idle_faults(self, life: Life, now: float, wall: float) -> list[str]:
        faults: list[str] = []
        if life.spec.idle.action is IdleAction.NOTIFY or not life.timeout:
            faults.append("its rule stops nothing")
        if now < life.sure + life.timeout - SLACK:
            faults.append(f"used {now - life.sure:.0f} s ago")
        for port in life.ports.values():
            if port.in_flight and not port.quiet(now, port.byte_at):
                faults.append("a request is in flight")
            if port.sure > NEVER:
                faults.append("used since the look")
            if port.reset:
                faults.append("counters were just lost")
        if life.beats > NEVER:
            faults.append("it said that it is in use")
        if life.missing:
            faults.append("a witness is missing")
        if wall < life.keep_until - SLACK:
            faults.append("kept")
        return faults

    # what should have happened

    def judge(self, life: Life, now: float, wall: float, reachable: bool) -> None:
        """After a tick that looked at it, and all that it set off. `reachable`: routes can be changed."""
        if life.ending:
            return
        self._judge_told(life, now, wall)
        due = self._due(life, now, wall)
        life.late = life.late + 1 if due and reachable else 0
        if life.late > 1:
            self._wrong("late stop", life, now, due)
        life.kept = False

    def _idle_end(self, life: Life, now: float, wall: float, ahead: float) -> bool:
        """By any reading, it is silent enough."""
        silent = bool(life.timeout) and now >= life.seen + life.timeout - ahead
        return silent and not life.missing and not life.maybe and not life.news and wall >= life.keep_until - ahead

    def _judge_told(self, life: Life, now: float, wall: float) -> None:
        told, notify = life.told, life.spec.idle.action is IdleAction.NOTIFY
        near_life = wall >= life.life_end - life.warning
        due = life.warning > 0 and (near_life or (not notify and self._idle_end(life, now, wall, life.warning)))
        due = due or (notify and not near_life and self._idle_end(life, now, wall, 0))
        if due and (told is None or (told.at < life.reset_at and not near_life)):
            self._wrong("missed warning", life, now)
        if told is not None and not near_life and (life.used or life.missing):
            self._wrong("warning not withdrawn", life, now)
        if told is not None and told.for_life and not near_life:
            # The clock was set back. Of a rule that only tells it stands as a notice; its end is told again.
            told.kind, told.for_life = "pod.idle_notice", False

    def _due(self, life: Life, now: float, wall: float) -> str:
        told = life.told
        warned = not life.warning or (
            told is not None and told.at >= life.reset_at and now >= told.at + life.warning + SLACK
        )
        if not warned:
            return ""
        if wall >= life.life_end + SLACK and (told is None or told.for_life):
            return "its end of life has come"
        if life.spec.idle.action is not IdleAction.NOTIFY and self._idle_end(life, now, wall, -SLACK):
            return f"no use was possible for {now - life.seen:.0f} s"
        return ""

    def ended(self, life: Life, status: Status, now: float) -> None:
        """After a tick with everything well: what is going down must be down."""
        if life.ending and not life.over and status in (Status.STOPPING, Status.TERMINATING):
            life.late += 1
            if life.late > 2:
                self._wrong("late stop", life, now, f"still {status}")

    def _wrong(self, what: str, life: Life, now: float, more: str = "") -> None:
        self.counts[what] += 1
        raise Offence(
            life.pod_id, f"{what} of {life.pod_id} (run {life.run}, {life.spec.template}) at {now:.0f}: {more}\n{life}"
        )
