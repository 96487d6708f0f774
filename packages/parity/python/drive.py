"""Runs one scenario: a job comes on stdin as JSON, and what happened goes to stdout.

With the job `public` it prints the public surface of the SDK instead.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback

import public
from scenarios import SCENARIOS
from steps import Steps, say


def main() -> int:
    job = json.loads(sys.stdin.readline())
    if job["scenario"] == "public":
        say({"done": {"methods": public.methods(), "errors": public.errors(), "scenarios": sorted(SCENARIOS)}})
        return 0
    asyncio.run(drive(Steps(job), job["scenario"]))
    return 0


async def drive(steps: Steps, scenario: str) -> None:
    try:
        await SCENARIOS[scenario](steps)
    except BaseException:  # noqa: BLE001
        say({"broken": traceback.format_exc()})
        os._exit(1)
    say({"done": steps.done()})
    # A call that hangs holds a thread, for which `asyncio.run` would wait.
    os._exit(0)


sys.exit(main())
