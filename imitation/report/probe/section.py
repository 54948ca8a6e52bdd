"""The probe as a section of a run's report."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from imitation.data.images import encode_jpeg
from imitation.diagnosis.counterfactuals import Group, Probe
from imitation.report.probe.plot import probe_plot
from imitation.report.probe.text import (
    COLUMNS,
    SHOWN,
    Row,
    conclusions,
    group_name,
    head,
    notes,
    rows,
    survival,
)
from imitation.report.svg import Plot


@dataclass(frozen=True)
class ProbeTable:
    """One group's table: a heading, how many failures survive, a row a factor."""

    name: str
    survival: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class ProbeSection:
    """What the page shows; `sheet` is a data URI (JPEG) with its size, px; None where there is none."""

    head: tuple[str, ...]
    conclusions: tuple[str, ...]
    columns: tuple[str, ...]
    tables: tuple[ProbeTable, ...]
    plot: Plot | None
    notes: tuple[str, ...]
    sheet: tuple[str, int, int] | None


def probe_section(probe: Probe, sheet: bytes | None) -> ProbeSection:
    """The section, with the contact sheet (PNG) in it."""
    shown = probe.groups[:SHOWN]
    return ProbeSection(
        head=tuple(head(probe)),
        conclusions=tuple(conclusions(probe, shown)),
        columns=COLUMNS,
        tables=tuple(_table(group) for group in shown),
        plot=probe_plot(probe),
        notes=tuple(notes(probe)),
        sheet=None if sheet is None else _picture(sheet),
    )


def _table(group: Group) -> ProbeTable:
    return ProbeTable(group_name(group), survival(group), tuple(rows(group)) if group.enough else ())


def _picture(png: bytes) -> tuple[str, int, int]:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    data = base64.b64encode(encode_jpeg(np.asarray(image), 80)).decode("ascii")
    return f"data:image/jpeg;base64,{data}", image.width, image.height
