"""What a scenario notes down: results, events and errors, as JSON."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import json
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import openai_codex as sdk
from pydantic import BaseModel

from face import Face, open_codex


def camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def plain(value: Any) -> Any:
    """A value as the protocol spells it."""
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True, mode="json")
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {camel(field.name): plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [plain(element) for element in value]
    return value


def error(exc: BaseException) -> dict[str, Any]:
    shape: dict[str, Any] = {"kind": type(exc).__name__, "retryable": sdk.is_retryable_error(exc)}
    if isinstance(exc, sdk.JsonRpcError):
        return {**shape, "code": exc.code, "detail": exc.message, "data": exc.data}
    return {**shape, "detail": str(exc)}


class Steps:
    """A scenario's world: the client to open, and the notes to take."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.face: str = job["face"]
        self.executable: str = job["executable"]
        self.workspace: str = job["workspace"]
        self.calls: set[str] = set()
        self.raised: set[str] = set()
        self.results: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []

    @asynccontextmanager
    async def codex(self, **config: Any) -> AsyncIterator[Face]:
        options = {"codex_bin": self.executable, "cwd": self.workspace, **config}
        codex = await open_codex(self.face, sdk.CodexConfig(**options), self.calls)
        try:
            yield codex
        finally:
            await codex.close()

    def result(self, step: str, value: Any) -> None:
        self.results.append({"step": step, "value": plain(value)})

    def event(self, step: str, event: sdk.types.Notification) -> None:
        payload = event.payload
        params = payload.params if not isinstance(payload, BaseModel) else plain(payload)
        self.events.append({"step": step, "method": event.method, "params": params})

    async def run(self, step: str, thread: Face, *args: Any, **options: Any) -> None:
        self.result(step, await thread.run(*args, **options))

    async def stream(self, step: str, turn: Face) -> None:
        async for event in turn.stream():
            self.event(step, event)

    async def fails(self, step: str, call: Awaitable[Any], limit: float = 30) -> None:
        """Notes the error of a call. One that has no end after `limit` seconds hangs."""
        try:
            value = await asyncio.wait_for(asyncio.ensure_future(call), limit)
        except TimeoutError:
            self.errors.append({"step": step, "error": {"kind": "Hangs", "retryable": False}})
        except Exception as exc:  # noqa: BLE001
            self.raised.update(cls.__name__ for cls in type(exc).__mro__)
            self.errors.append({"step": step, "error": error(exc)})
        else:
            self.errors.append({"step": step, "error": {"kind": "none"}})
            if value is not None and not isinstance(value, Face | sdk.TurnResult):
                self.result(step, value)

    def release(self, gate: str) -> None:
        """Lets the scripted model go on."""
        say({"release": gate})

    async def reached(self, gate: str) -> None:
        """Waits until the scripted model has come to a gate."""
        say({"reached": gate})
        await asyncio.to_thread(sys.stdin.readline)

    def done(self) -> dict[str, Any]:
        return {
            "results": self.results,
            "events": self.events,
            "errors": self.errors,
            "calls": sorted(self.calls),
            "raised": sorted(self.raised),
        }


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
