"""Schemathesis asks all that the document allows, and what it does not: no 5xx, and every answer as described.

A minute here, always the same questions; for as long as `PODKEEPER_FUZZ_SECONDS` says, always others (`make test-api`).
"""

import asyncio
import os
import sys
from pathlib import Path

from starlette.applications import Starlette

import api
from tests.api.conftest import TOKEN
from tests.houses import FakeHouse
from tests.web import served

SECONDS = os.environ.get("PODKEEPER_FUZZ_SECONDS")
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "negative_data_rejection,use_after_free,ensure_resource_availability,unsupported_method,ignored_auth"
)


async def test_schemathesis_finds_nothing(home: FakeHouse, tmp_path: Path) -> None:
    app = Starlette(routes=api.face(home.house.services, TOKEN))
    async with served(app) as url:
        words = [
            *("run", f"{url}/v2/openapi.json", "--checks", CHECKS, "--max-time", SECONDS or "60", "--no-color"),
            *(
                "--header",
                f"Authorization: Bearer {TOKEN}",
                "--exclude-path-regex",
                "/logs$",
                "--request-timeout",
                "10",
            ),
            *("--generation-database", "none", "--warnings", "off"),
        ]
        if SECONDS is None:
            words += ["--seed", "1"]
        pipe = asyncio.subprocess.PIPE
        program = Path(sys.executable).with_name("schemathesis")
        process = await asyncio.create_subprocess_exec(program, *words, cwd=tmp_path, stdout=pipe, stderr=pipe)
        out, err = await process.communicate()
    said = out.decode()
    assert process.returncode == 0, said[-12_000:] + err.decode()[-2_000:]
    print(said[-1_500:])
