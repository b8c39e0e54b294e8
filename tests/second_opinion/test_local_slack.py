"""The Slack face before an emulator that we did not write, which shares none of our double's beliefs."""

import sys

import pytest

from tests.second_opinion import enclosed
from tests.second_opinion.package import NotAsked, fetch


async def test_the_walk_goes_through_local_slack_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        program = fetch()
    except NotAsked as reason:
        said = f"{reason}, so the second opinion was not asked"
        with capsys.disabled():
            print(f"\nSlack: {said}.")
        pytest.skip(said)
    enclosed.check()
    code, said = await enclosed.run(100, sys.executable, "-m", "tests.second_opinion.walk", str(program))
    assert code == 0, said
