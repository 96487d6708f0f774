"""The public surface of the SDK: every method and option of its classes, and every error."""

from __future__ import annotations

import inspect

import openai_codex as sdk

from face import FACED


def methods() -> list[str]:
    names: list[str] = []
    for cls in FACED:
        for name, member in inspect.getmembers(cls):
            if name.startswith("_"):
                continue
            names.append(f"{cls.__name__}.{name}")
            if inspect.isfunction(member):
                names += [
                    f"{cls.__name__}.{name}({option.name})"
                    for option in inspect.signature(member).parameters.values()
                    if option.kind is inspect.Parameter.KEYWORD_ONLY
                ]
    return names


def errors() -> list[str]:
    return [
        name
        for name in sdk.__all__
        if isinstance(member := getattr(sdk, name), type) and issubclass(member, Exception)
    ]
