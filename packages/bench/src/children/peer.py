"""The program of `peer.ts` on the Python SDK, sync or async: the same job, and the same sample on stdout."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import openai_codex as sdk

job = json.loads(sys.argv[1])
executable = sys.argv[2]
face = job["peer"][1]
threads, turns, prompt = job["threads"], job["turns"], job["prompt"]
config = sdk.CodexConfig(codex_bin=executable)

processes = 0
sample: dict[str, float] = {}


def on_audit(event: str, args: tuple[object, ...]) -> None:
    global processes
    if event == "subprocess.Popen" and args[0] == executable:
        processes += 1


def cpu(who: int) -> float:
    usage = resource.getrusage(who)
    return (usage.ru_utime + usage.ru_stime) * 1000


def end() -> None:
    sample["ms"] = (time.perf_counter() - start) * 1000
    sample["cpuMs"] = cpu(resource.RUSAGE_SELF) - start_cpu
    sample["peakMiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def on_event(event: object) -> None:
    if event.method == "item/agentMessage/delta":
        sample.setdefault("textAt", time.time() * 1000)


def run_sync() -> list[str]:
    with sdk.Codex(config) as codex:

        def on_thread(_: int) -> list[str]:
            thread = codex.thread_start()
            return [thread.run(prompt).final_response for _ in range(turns)]

        with ThreadPoolExecutor(threads) as pool:
            answers = [answer for each in pool.map(on_thread, range(threads)) for answer in each]
        end()
    return answers


async def run_async() -> list[str]:
    async with sdk.AsyncCodex(config) as codex:

        async def on_thread() -> list[str]:
            thread = await codex.thread_start()
            return [(await thread.run(prompt)).final_response for _ in range(turns)]

        all_answers = await asyncio.gather(*(on_thread() for _ in range(threads)))
        end()
    return [answer for each in all_answers for answer in each]


def stream_sync() -> None:
    with sdk.Codex(config) as codex:
        for event in codex.thread_start().turn(prompt).stream():
            on_event(event)
        end()


async def stream_async() -> None:
    async with sdk.AsyncCodex(config) as codex:
        turn = await (await codex.thread_start()).turn(prompt)
        async for event in turn.stream():
            on_event(event)
        end()


sys.addaudithook(on_audit)
start = time.perf_counter()
start_cpu = cpu(resource.RUSAGE_SELF)
if job["first"]:
    stream_sync() if face == "sync" else asyncio.run(stream_async())
else:
    answers = run_sync() if face == "sync" else asyncio.run(run_async())
    wrong = sum(answer != job["answer"] for answer in answers)
    if len(answers) != threads * turns or wrong > 0:
        sys.exit(f"{len(answers)} answers of {threads * turns}, {wrong} of them wrong")

print(json.dumps({**sample, "codexProcesses": processes, "codexCpuMs": cpu(resource.RUSAGE_CHILDREN)}))
