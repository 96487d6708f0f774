"""One face over the two of the SDK: every call is awaited, and noted by name.

The synchronous client runs in threads, as a program with a thread pool would use it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any

import openai_codex as sdk

FACED = (
    sdk.Codex,
    sdk.AsyncCodex,
    sdk.Thread,
    sdk.AsyncThread,
    sdk.TurnHandle,
    sdk.AsyncTurnHandle,
    sdk.ChatgptLoginHandle,
    sdk.AsyncChatgptLoginHandle,
    sdk.DeviceCodeLoginHandle,
    sdk.AsyncDeviceCodeLoginHandle,
)

_END = object()


def _next(iterator: Any) -> Any:
    return next(iterator, _END)


class Face:
    """Stands for an object of the SDK. `calls` collects `Class.method` and `Class.method(option)`."""

    def __init__(self, target: Any, calls: set[str]) -> None:
        self._target = target
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        owner = f"{type(self._target).__name__}.{name}"
        value = getattr(self._target, name)
        self._calls.add(owner)
        if not callable(value):
            return value

        if name == "stream":
            return lambda: self._stream(value())

        async def call(*args: Any, **options: Any) -> Any:
            self._calls.update(f"{owner}({option})" for option in options)
            if inspect.iscoroutinefunction(value):
                result = await value(*args, **options)
            else:
                result = await asyncio.to_thread(value, *args, **options)
            return Face(result, self._calls) if isinstance(result, FACED) else result

        return call

    async def _stream(self, stream: Any) -> AsyncIterator[Any]:
        if hasattr(stream, "__anext__"):
            try:
                async for event in stream:
                    yield event
            finally:
                await stream.aclose()
            return
        try:
            while (event := await asyncio.to_thread(_next, stream)) is not _END:
                yield event
        finally:
            stream.close()


async def open_codex(face: str, config: sdk.CodexConfig, calls: set[str]) -> Face:
    """Enters the context manager of `Codex` or `AsyncCodex`."""
    if face == "sync":
        return Face((await asyncio.to_thread(sdk.Codex, config)).__enter__(), calls)
    return Face(await sdk.AsyncCodex(config).__aenter__(), calls)
