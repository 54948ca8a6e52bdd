"""What the pages of runs, sweeps and comparisons share: a style, filters, words."""

from __future__ import annotations

import importlib.resources
import re

import jinja2
from markupsafe import Markup

from imitation.common.wording import duration
from imitation.report.table import points
from imitation.report.words import (
    AP,
    AP50,
    CHOSEN,
    MAP,
    MAP50,
    VAL_MEANS,
    WRONG,
    WRONG_MEANS,
    WRONG_TITLE,
    arm_name,
    detector_name,
    kind_name,
    measure_name,
    mode_name,
)


def environment() -> jinja2.Environment:
    """What renders a template of this folder: whatever comes from data is escaped, and a name that is not
    given is an error. Numbers and names are shown by the filters."""
    folder = importlib.resources.files("imitation.report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style"] = Markup((folder / "report.css").read_text(encoding="utf-8"))
    environment.filters |= {
        "points": points,
        "svg": Markup,
        "duration": duration,
        "thousands": "{:,}".format,
        "breakable": breakable,
        "interval": interval,
        "kind": kind_name,
        "mode": mode_name,
        "detector": detector_name,
        "arm": arm_name,
        "measure": measure_name,
    }
    environment.globals |= {
        "MAP50": MAP50,
        "MAP": MAP,
        "AP50": AP50,
        "AP": AP,
        "CHOSEN": CHOSEN,
        "WRONG": WRONG,
        "WRONG_TITLE": WRONG_TITLE,
        "WRONG_MEANS": WRONG_MEANS,
        "VAL_MEANS": VAL_MEANS,
    }
    return environment


def interval(text: str) -> Markup:
    """A value with its interval, "38.0 (22.4 to 54.1)", which stays in one piece behind it or below it."""
    value, space, between = text.partition(" ")
    return (
        Markup('{}{}<span class="ci">{}</span>').format(value, space, between)
        if between
        else Markup.escape(value)
    )


def breakable(text: str) -> Markup:
    """A long name that may go on in a new line behind its dots and underscores."""
    return Markup("<wbr>").join(re.split(r"(?<=[._])", text))
