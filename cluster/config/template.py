"""ray_config.yaml, written from the settings themselves, so that file and code cannot drift apart."""

from __future__ import annotations

import textwrap
from typing import Any

import yaml
from pydantic import BaseModel

from cluster.config.schema import Config

WIDTH = 100
HEAD = """\
Every setting of imitation training, with its default. A file of your own may hold only what
differs, and any key can be given on the command line as section.key=value, for example
  imitate run ray_config.yaml data.kind=kitti data.root=/data/kitti train.steps=2000
This file is written by `imitate defaults`.
"""


def commented_yaml() -> str:
    """The configuration file's text: every section and key, its default, and what it means."""
    lines = ["# " + line if line else "#" for line in HEAD.splitlines()]
    for name, info in Config.model_fields.items():
        section = info.default
        lines += ["", *_comment((type(section).__doc__ or "").split("\n\n")[0], ""), f"{name}:"]
        lines += _section(section, "  ")
    return "\n".join(lines) + "\n"


def _section(section: BaseModel, indent: str) -> list[str]:
    lines: list[str] = []
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            text = info.description or (type(value).__doc__ or "").split("\n\n")[0]
            lines += [*_comment(text, indent), f"{indent}{name}:", *_section(value, indent + "  ")]
        else:
            plain = section.model_dump(mode="json")[name]
            lines += [*_comment(info.description or "", indent), f"{indent}{name}: {_flow(plain)}"]
    return lines


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).strip()
    return text.removesuffix("\n...").strip()


def _comment(text: str, indent: str) -> list[str]:
    joined = " ".join(text.split())
    return [f"{indent}# {line}" for line in textwrap.wrap(joined, WIDTH - len(indent) - 2)]
