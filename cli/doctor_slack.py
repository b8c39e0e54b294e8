"""The doctor's look at Slack: whether it knows our tokens, and what they lack."""

from typing import Any

import httpx

from cli.banner import this_machine_only
from cli.checks import Check
from core.settings import Settings


async def look_at_slack(settings: Settings) -> list[Check]:
    """Every check of it."""
    bot_token, app_token, secret = settings.slack_bot_token, settings.slack_app_token, settings.slack_signing_secret
    if bot_token is None:
        if app_token is None and secret is None:
            return [Check("Slack", True, "not set, so there is no /pod; docs/slack.md shows how to set it")]
        return [Check("Slack", False, "SLACK_BOT_TOKEN is missing, so Slack is off; see docs/slack.md.")]
    found: list[Check] = []
    for name, token, prefix in (("SLACK_BOT_TOKEN", bot_token, "xoxb-"), ("SLACK_APP_TOKEN", app_token, "xapp-")):
        if token is not None and not token.get_secret_value().startswith(prefix):
            found.append(Check("Slack", False, f"{name} does not begin with {prefix}; it is another kind of token."))
    if app_token is None and secret is None:
        text = "neither SLACK_APP_TOKEN nor SLACK_SIGNING_SECRET is set, so /pod cannot reach us; see docs/slack.md."
        found.append(Check("Slack", False, text))
    if not found:
        found.append(await _bot_token(settings.slack_api_url, bot_token.get_secret_value()))
    if app_token is not None and all(check.ok for check in found):
        found += await _app_token(settings.slack_api_url, app_token.get_secret_value())
    here_only = this_machine_only(settings)
    return [*found, *([Check("Slack addresses", True, here_only)] if here_only is not None else [])]


async def _bot_token(base: str, token: str) -> Check:
    """Whether Slack can be reached, knows the token, and lets it do what we do."""
    from bot.manifest import scopes

    try:
        answer, given = await _ask_slack(base, "auth.test", token)
    except (httpx.HTTPError, ValueError) as error:
        return Check("Slack", False, _blocked(base, error))
    if not answer.get("ok"):
        return Check("Slack", False, f"Slack refuses SLACK_BOT_TOKEN ({answer.get('error')}); see docs/slack.md.")
    missing = sorted(scopes() - given) if given else []
    if missing:
        text = f"SLACK_BOT_TOKEN lacks the scope {', '.join(missing)}: bring the app's manifest up to date"
        return Check("Slack", False, f"{text} (`podkeeper slack manifest` prints it) and install the app again.")
    return Check("Slack", True, f"connected as {answer.get('user')} in {answer.get('team')}")


async def _app_token(base: str, token: str) -> list[Check]:
    """What is wrong with the token of Socket Mode."""
    try:
        answer, _ = await _ask_slack(base, "apps.connections.open", token)
    except (httpx.HTTPError, ValueError) as error:
        return [Check("Slack", False, _blocked(base, error))]
    if answer.get("ok"):
        return []
    if answer.get("error") == "missing_scope":
        return [Check("Slack", False, "SLACK_APP_TOKEN lacks the scope connections:write; make a new one with it.")]
    return [Check("Slack", False, f"Slack refuses SLACK_APP_TOKEN ({answer.get('error')}); see docs/slack.md.")]


async def _ask_slack(base: str, method: str, token: str) -> tuple[dict[str, Any], set[str]]:
    """The answer, and the scopes that Slack says the token has."""
    async with httpx.AsyncClient(timeout=10) as client:
        url = f"{base.rstrip('/')}/{method}"
        answer = await client.post(url, headers={"Authorization": f"Bearer {token}"})
    given = answer.headers.get("x-oauth-scopes", "")
    return dict(answer.json()), {scope.strip() for scope in given.split(",") if scope.strip()}


def _blocked(base: str, error: Exception) -> str:
    return (
        f"Slack does not answer at {base} ({type(error).__name__}): no network, a proxy or firewall in between, or "
        "another SLACK_API_URL."
    )
