"""The scenarios, by name. `src/scenarios` has each of them in TypeScript."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import openai_codex as sdk
from openai_codex import ApprovalMode, Sandbox
from openai_codex.types import (
    Personality,
    ReasoningEffort,
    ReasoningSummary,
    SortDirection,
    ThreadSortKey,
    ThreadSource,
    ThreadSourceKind,
    ThreadStartSource,
)

from face import Face
from steps import Steps

Scenario = Callable[[Steps], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}

PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
UNKNOWN = "00000000-0000-7000-8000-000000000000"


def scenario(run: Scenario) -> Scenario:
    SCENARIOS[run.__name__.replace("_", "-")] = run
    return run


# --- Getting started ------------------------------------------------------------------------------


@scenario
async def metadata(t: Steps) -> None:
    async with t.codex() as codex:
        t.result("metadata", codex.metadata)


@scenario
async def identity(t: Steps) -> None:
    async with t.codex(client_name="parity", client_title="Parity", client_version="1.2.3") as codex:
        t.result("metadata", codex.metadata)


@scenario
async def stable_api(t: Steps) -> None:
    async with t.codex(experimental_api=False) as codex:
        thread = await codex.thread_start()
        await t.run("run", thread, "Say hello.")


@scenario
async def launch(t: Steps) -> None:
    async with t.codex(
        launch_args_override=(t.executable, "-c", 'model="launched"', "app-server"),
        env={"PARITY": "1"},
    ) as codex:
        thread = await codex.thread_start()
        await t.run("run", thread, "Say hello.")


@scenario
async def config_overrides(t: Steps) -> None:
    async with t.codex(config_overrides=('model="overridden"', "model_context_window=64000")) as codex:
        thread = await codex.thread_start()
        await t.run("run", thread, "Say hello.")


@scenario
async def first_turn(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start(
            model="gpt-5.4", config={"model_reasoning_effort": "high"}, sandbox=Sandbox.workspace_write
        )
        t.result("thread", thread.id)
        await t.run("run", thread, "Say hello in one sentence.")


@scenario
async def two_turns(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("first", thread, "Summarize Rust ownership in 2 bullets.")
        await t.run("second", thread, "Now explain it to a Python developer.")


@scenario
async def no_usage(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("first", thread, "Say hello.")
        await t.run("second", thread, "Again.")


@scenario
async def thread_options(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start(
            approval_mode=ApprovalMode.deny_all,
            base_instructions="Be brief.",
            config={"model_reasoning_summary": "detailed"},
            cwd=t.workspace,
            developer_instructions="Use metric units.",
            ephemeral=True,
            model="gpt-5.4",
            model_provider="scripted",
            personality=Personality("friendly"),
            sandbox=Sandbox.read_only,
            service_name="parity",
            service_tier="flex",
            session_start_source=ThreadStartSource("clear"),
            thread_source=ThreadSource("user"),
        )
        await t.run("run", thread, "Say hello.")


@scenario
async def turn_options(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run(
            "run",
            thread,
            "Say hello.",
            approval_mode=ApprovalMode.deny_all,
            cwd=t.workspace,
            effort=ReasoningEffort("high"),
            model="gpt-5.4",
            sandbox=Sandbox.read_only,
            service_tier="flex",
            summary=ReasoningSummary("concise"),
        )


@scenario
async def turn_personality(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("run", thread, "Say hello.", personality=Personality("pragmatic"))
        turn = await thread.turn("Again.", personality=Personality("pragmatic"))
        t.result("handle", await turn.run())


@scenario
async def turn_source(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("run", thread, "Say hello.", source="schedule")
        turn = await thread.turn("Again.", source="schedule")
        t.result("handle", await turn.run())


@scenario
async def turn_service_tier(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("run", thread, "Say hello.", turn_service_tier="flex")
        turn = await thread.turn("Again.", turn_service_tier="flex")
        t.result("handle", await turn.run())


@scenario
async def sandboxes(t: Steps) -> None:
    async with t.codex() as codex:
        for sandbox in Sandbox:
            thread = await codex.thread_start(sandbox=sandbox)
            await t.run(f"thread {sandbox.value}", thread, "Say hello.")
        thread = await codex.thread_start(sandbox=Sandbox.workspace_write)
        for sandbox in Sandbox:
            await t.run(f"turn {sandbox.value}", thread, "Say hello.", sandbox=sandbox)


@scenario
async def approval_modes(t: Steps) -> None:
    async with t.codex() as codex:
        for mode in ApprovalMode:
            thread = await codex.thread_start(approval_mode=mode)
            await t.run(f"thread {mode.value}", thread, "Say hello.")
        for mode in ApprovalMode:
            await t.run(f"turn {mode.value}", thread, "Say hello.", approval_mode=mode)


# --- Input and output -----------------------------------------------------------------------------


@scenario
async def inputs(t: Steps) -> None:
    image = Path(t.workspace) / "pixel.png"
    skill = Path(t.workspace) / "SKILL.md"
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("text", thread, sdk.TextInput("Say hello."))
        await t.run(
            "all",
            thread,
            [
                sdk.TextInput("What is this?"),
                sdk.ImageInput(PIXEL),
                sdk.LocalImageInput(str(image)),
                sdk.SkillInput("greet", str(skill)),
                sdk.MentionInput("notes", str(skill)),
            ],
        )


@scenario
async def external_message(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("text", thread, sdk.ExternalMessage("mail", "The meeting is at noon."))
        await t.run(
            "items",
            thread,
            sdk.ExternalMessage("mail", [{"type": "input_text", "text": "It is at one."}], namespace="inbox"),
        )


@scenario
async def structured_output(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("run", thread, "Name a city.", output_schema=SCHEMA)


@scenario
async def no_final_answer(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("commentary", thread, "Think.")
        await t.run("phases", thread, "Answer.")


@scenario
async def stream(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        turn = await thread.turn("Say hello.")
        t.result("ids", [turn.thread_id, turn.id])
        await t.stream("stream", turn)


@scenario
async def stream_of_a_command(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start(approval_mode=ApprovalMode.deny_all, sandbox=Sandbox.full_access)
        turn = await thread.turn("Write a file.")
        await t.stream("stream", turn)


@scenario
async def result_of_a_handle(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        turn = await thread.turn(
            "Say hello.",
            approval_mode=ApprovalMode.auto_review,
            cwd=t.workspace,
            effort=ReasoningEffort("low"),
            model="gpt-5.4",
            output_schema=SCHEMA,
            sandbox=Sandbox.workspace_write,
            service_tier="flex",
            summary=ReasoningSummary("auto"),
        )
        t.result("run", await turn.run())


@scenario
async def second_reader(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        turn = await thread.turn("Say hello.")
        await t.stream("first", turn)
        await t.fails("second", count(turn))


async def count(turn: Face) -> int:
    return len([event async for event in turn.stream()])


# --- Control --------------------------------------------------------------------------------------


async def until_delta(t: Steps, step: str, turn: Face, then: Callable[[], Awaitable[None]]) -> None:
    """Reads the events of a turn, and calls `then` at the first piece of the answer."""
    seen = False
    async for event in turn.stream():
        t.event(step, event)
        if event.method == "item/agentMessage/delta" and not seen:
            seen = True
            await then()


@scenario
async def steer(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        turn = await thread.turn("Count to ten.")

        async def more() -> None:
            await turn.steer("Count to five.")
            t.release("steered")

        await until_delta(t, "stream", turn, more)


@scenario
async def interrupt(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        turn = await thread.turn("Count to ten.")

        async def stop() -> None:
            await turn.interrupt()

        await until_delta(t, "stream", turn, stop)
        await t.run("after", thread, "Go on.")


@scenario
async def interrupted_result(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        turn = await thread.turn("Count to ten.")

        await t.reached("counting")
        await turn.interrupt()
        t.result("run", await turn.run())


@scenario
async def two_threads_at_once(t: Steps) -> None:
    async with t.codex() as codex:
        one = await codex.thread_start()
        two = await codex.thread_start()
        first = await one.turn("Wait.")
        await t.reached("second")
        second = await two.turn("Do not wait.")
        t.result("second", await second.run())
        t.release("second")
        t.result("first", await first.run())


@scenario
async def busy_thread(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        turn = await thread.turn("Count to ten.")

        async def again() -> None:
            await t.fails("second", thread.turn("Count to five."))
            t.release("busy")

        await until_delta(t, "stream", turn, again)


@scenario
async def abandoned_turn(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        turn = await thread.turn("Count to ten.")
        events = turn.stream()
        async for event in events:
            if event.method == "item/agentMessage/delta":
                break
        await events.aclose()
        # What runs without a reader is only seen in the store.
        t.release("abandoned")
        for _ in range(100):
            read = await thread.read(include_turns=True)
            if (status := read.thread.turns[-1].status.value) != "inProgress":
                break
            await asyncio.sleep(0.05)
        t.result("status", status)


# --- Threads --------------------------------------------------------------------------------------


@scenario
async def resume(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("before", thread, "Say hello.")
    async with t.codex() as codex:
        resumed = await codex.thread_resume(thread.id)
        t.result("id", resumed.id)
        await t.run("after", resumed, "Continue where we left off.")


@scenario
async def resume_options(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("before", thread, "Say hello.")
    async with t.codex() as codex:
        resumed = await codex.thread_resume(
            thread.id,
            approval_mode=ApprovalMode.deny_all,
            base_instructions="Be brief.",
            config={"model_reasoning_summary": "detailed"},
            cwd=t.workspace,
            include_turns=True,
            model="gpt-5.4",
            model_provider="scripted",
            personality=Personality("friendly"),
            sandbox=Sandbox.read_only,
            service_tier="flex",
        )
        await t.run("after", resumed, "Continue where we left off.")


@scenario
async def settings_not_applied(t: Steps) -> None:
    async with t.codex() as codex:
        dropped = {"developer_instructions": "Use metric units.", "service_tier": "priority"}
        await t.fails("start", codex.thread_start(service_tier="priority"))
        thread = await codex.thread_start()
        await t.run("source", thread, "Say hello.")
        await t.fails("fork", codex.thread_fork(thread.id, **dropped))
        await t.fails("resume", codex.thread_resume(thread.id, **dropped))


@scenario
async def resume_loaded(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("before", thread, "Say hello.")
        resumed = await codex.thread_resume(thread.id, sandbox=Sandbox.full_access)
        await t.run("after", resumed, "Again.")


@scenario
async def fork(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("source", thread, "Say hello.")
        forked = await codex.thread_fork(thread.id)
        t.result("id", forked.id)
        await t.run("fork", forked, "Another way.")


@scenario
async def fork_options(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("source", thread, "Say hello.")
        forked = await codex.thread_fork(
            thread.id,
            approval_mode=ApprovalMode.deny_all,
            base_instructions="Be brief.",
            config={"model_reasoning_summary": "detailed"},
            cwd=t.workspace,
            ephemeral=True,
            include_turns=False,
            model="gpt-5.4",
            model_provider="scripted",
            sandbox=Sandbox.read_only,
            service_tier="flex",
            thread_source=ThreadSource("user"),
        )
        await t.run("fork", forked, "Another way.")


@scenario
async def archive(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("run", thread, "Say hello.")
        await codex.thread_archive(thread.id)
        t.result("archived", [one.id for one in (await codex.thread_list(archived=True)).data])
        restored = await codex.thread_unarchive(thread.id)
        t.result("restored", restored.id)
        t.result("archived again", [one.id for one in (await codex.thread_list(archived=True)).data])


@scenario
async def name(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("run", thread, "Say hello.")
        await thread.set_name("Greetings")
        t.result("read", (await thread.read()).thread)


@scenario
async def read(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("run", thread, "Say hello.")
        t.result("without turns", (await thread.read()).thread)
        t.result("with turns", (await thread.read(include_turns=True)).thread)


@scenario
async def list_threads(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("run", thread, "Say hello.")
        listed = await codex.thread_list()
        t.result("all", listed.data)
        filtered = await codex.thread_list(
            archived=False,
            cwd=t.workspace,
            model_providers=["scripted"],
            search_term="hello",
            sort_direction=SortDirection("asc"),
            sort_key=ThreadSortKey("created_at"),
            source_kinds=[ThreadSourceKind("vscode")],
            use_state_db_only=True,
        )
        t.result("filtered", [one.id for one in filtered.data])


@scenario
async def list_section(t: Steps) -> None:
    async with t.codex() as codex:
        listed = await codex.thread_list(section_id=UNKNOWN)
        t.result("section", listed.data)


@scenario
async def list_pages(t: Steps) -> None:
    async with t.codex() as codex:
        for n in range(3):
            thread = await codex.thread_start()
            await t.run(f"run {n}", thread, f"Say {n}.")
        first = await codex.thread_list(limit=2)
        t.result("first", [one.preview for one in first.data])
        second = await codex.thread_list(limit=2, cursor=first.next_cursor)
        t.result("second", [one.preview for one in second.data])
        t.result("is last", second.next_cursor is None)


@scenario
async def models(t: Steps) -> None:
    async with t.codex() as codex:
        t.result("models", (await codex.models()).data)
        t.result("hidden", [model.id for model in (await codex.models(include_hidden=True)).data])


@scenario
async def compact(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("before", thread, "Say hello.")
        await thread.compact()
        for _ in range(200):
            read = await thread.read(include_turns=True)
            if len(read.thread.turns) == 2 and read.thread.turns[-1].status.value == "completed":
                break
            await asyncio.sleep(0.05)
        t.result("compaction", [item.root.type for item in read.thread.turns[-1].items])
        await t.run("after", thread, "And again.")


@scenario
async def approved(t: Steps) -> None:
    await asked_for_approval(t)


@scenario
async def asked_for_approval(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.run("before", thread, "Say hello.")
    async with t.codex() as codex:
        forked = await codex.thread_fork(thread.id, config={"approvals_reviewer": "user"})
        await t.run("run", forked, "Write a file.")
    t.result("is written", (Path(t.workspace) / "written.txt").exists())


# --- Accounts -------------------------------------------------------------------------------------


@scenario
async def api_key(t: Steps) -> None:
    async with t.codex() as codex:
        t.result("before", await codex.account())
        await codex.login_api_key("sk-parity")
        t.result("logged in", await codex.account())
        await codex.logout()
        t.result("after", await codex.account(refresh_token=False))


@scenario
async def browser_login(t: Steps) -> None:
    async with t.codex() as codex:
        login = await codex.login_chatgpt()
        t.result("url", login.auth_url)
        t.result("has id", len(login.login_id) == 36)
        await login.cancel()
        await t.fails("wait", login.wait())


@scenario
async def device_code_login(t: Steps) -> None:
    async with t.codex() as codex:
        login = await codex.login_chatgpt_device_code()
        t.result("code", [login.verification_url, login.user_code])
        t.result("has id", len(login.login_id) == 36)
        t.release("confirmed")
        await login.wait()
        t.result("account", await codex.account())
        await codex.logout()


@scenario
async def cancelled_device_code(t: Steps) -> None:
    async with t.codex() as codex:
        login = await codex.login_chatgpt_device_code()
        await login.cancel()
        await t.fails("wait", login.wait())


# --- Errors ---------------------------------------------------------------------------------------


@scenario
async def missing_executable(t: Steps) -> None:
    async def start() -> None:
        async with t.codex(codex_bin=os.path.join(t.workspace, "no-codex")):
            pass

    await t.fails("start", start())


@scenario
async def start_refused(t: Steps) -> None:
    async def start() -> None:
        async with t.codex():
            pass

    await t.fails("start", start())


@scenario
async def unknown_threads(t: Steps) -> None:
    async with t.codex() as codex:
        await t.fails("resume", codex.thread_resume(UNKNOWN))
        await t.fails("resume without an id", codex.thread_resume("not an id"))
        await t.fails("fork", codex.thread_fork(UNKNOWN))
        await t.fails("archive", codex.thread_archive(UNKNOWN))
        await t.fails("unarchive", codex.thread_unarchive(UNKNOWN))


@scenario
async def deleted_thread(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start(ephemeral=True)
        await t.fails("fork", codex.thread_fork(thread.id))
        await t.fails("name", thread.set_name("Greetings"))


@scenario
async def invalid_params(t: Steps) -> None:
    async with t.codex() as codex:
        await t.fails("provider", codex.thread_start(model_provider="nobody"))
        await t.fails("limit", codex.thread_list(cursor="no cursor"))


@scenario
async def rpc_errors(t: Steps) -> None:
    async with t.codex() as codex:
        for _ in range(8):
            await t.fails("models", codex.models())


@scenario
async def overload(t: Steps) -> None:
    async with t.codex() as codex:
        t.result("retried", len((await retried(codex.models)).data) > 0)
        await t.fails("without data", retried(codex.thread_list))


async def retried(call: Callable[[], Awaitable[object]]) -> object:
    """The helper takes a synchronous call only."""
    loop = asyncio.get_running_loop()
    return await asyncio.to_thread(
        sdk.retry_on_overload, lambda: asyncio.run_coroutine_threadsafe(call(), loop).result()
    )


@scenario
async def refused_by_the_model(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        for step in ("400", "401", "429", "500", "context", "quota"):
            await t.fails(step, thread.run("Say hello."))


@scenario
async def stream_of_a_failure(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        turn = await thread.turn("Say hello.")
        await t.stream("stream", turn)


@scenario
async def dead_process(t: Steps) -> None:
    async def session() -> None:
        async with t.codex() as codex:
            thread = await codex.thread_start()
            await t.fails("run", thread.run("Say hello."))
            await t.fails("later", codex.models(), limit=10)

    await t.fails("end", session())


@scenario
async def late_interrupt(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        turn = await thread.turn("Say hello.")
        t.result("run", await turn.run())
        await t.fails("interrupt", turn.interrupt())
        await t.fails("steer", turn.steer("More."))


@scenario
async def silent_server(t: Steps) -> None:
    async with t.codex() as codex:
        await t.fails("models", codex.models(), limit=3)


@scenario
async def closed_client(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
    await t.fails("name", thread.set_name("Greetings"))
    await codex.close()


@scenario
async def bad_line(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.fails("run", thread.run("Say hello."), limit=5)


@scenario
async def unknown_notification(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        turn = await thread.turn("Say hello.")
        await t.stream("stream", turn)


@scenario
async def invalid_arguments(t: Steps) -> None:
    async with t.codex() as codex:
        thread = await codex.thread_start()
        await t.fails("sandbox", codex.thread_start(sandbox="workspace-write"))
        await t.fails("approval mode", codex.thread_start(approval_mode="never"))
        await t.fails("input", thread.run(3))
        await t.fails("list of strings", thread.run(["Say hello."]))
        await t.fails("image", thread.run(sdk.LocalImageInput(os.path.join(t.workspace, "missing.png"))))
        await t.fails("image URL", thread.run(sdk.ImageInput("https://example.com/a.png")))


@scenario
async def cleanup(t: Steps) -> None:
    async with t.codex() as codex:
        await codex.thread_start()
