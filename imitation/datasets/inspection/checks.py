"""What a run of these settings would refuse or misread in a dataset, from what an inspection counted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from imitation.common.settings import DataError
from imitation.common.wording import did_you_mean
from imitation.data.categories import CategoryMap
from imitation.datasets.inspection.demands import USED, no_frame, no_object
from imitation.datasets.inspection.statistics import Inspection, problem_of

NAMED = 10  # categories that a message lists


@dataclass(frozen=True)
class Asked:
    """What the configuration says of categories: `data.categories`, `data.mapping`, `data.ignore`, and the
    names that the kind of data has anyway (`known`), which need no object."""

    categories: Collection[str] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    ignore: Collection[str] = ()
    known: Collection[str] = ()


def run_problems(
    inspection: Inspection, mapping: CategoryMap | None, asked: Asked, *, splits: bool = True
) -> list[DataError]:
    """The problems that are of no frame: splits without frames, splits without objects of the classes,
    names in the settings that no object has, and classes that differ in case alone. `mapping` is what a
    run would make of the categories, None where none can be made. Not `splits`: a run refuses how the
    dataset is split, so there are none to look at."""
    problems = [*(_empty_splits(inspection) if splits else ()), *_unknown_names(inspection, asked)]
    if mapping is not None:
        problems += [*_case_twins(mapping), *_unlearnable(inspection, mapping, asked, splits)]
    return problems


def _empty_splits(inspection: Inspection) -> Iterator[DataError]:
    for name, parts in USED.items():
        counts = [inspection.splits[part] for part in parts if part in inspection.splits]
        if any(count.frames for count in counts):
            continue
        listed = sum(count.listed for count in counts)
        yield problem_of(no_frame(inspection.root, name, listed, len(inspection.problems)), inspection.root)


def _unknown_names(inspection: Inspection, asked: Asked) -> Iterator[DataError]:
    present = set(inspection.categories)
    known = present | set(asked.known)
    for setting, names in (("data.mapping", asked.mapping), ("data.ignore", asked.ignore)):
        for name in names:
            if name not in known:
                yield DataError(setting, f"no object is called {name!r}; {_nearest(name, present)}")


def _nearest(name: str, present: Collection[str]) -> str:
    """Which of the names that are there was meant, or which there are."""
    if not present:
        return "no object of the dataset could be read"
    first = ", ".join(sorted(present)[:NAMED]) + (", ..." if len(present) > NAMED else "")
    return did_you_mean(name, sorted(present), f"the dataset has {first}")


def _case_twins(mapping: CategoryMap) -> Iterator[DataError]:
    by_case: dict[str, list[str]] = {}
    for name in mapping.categories:
        by_case.setdefault(name.casefold(), []).append(name)
    for names in by_case.values():
        if len(names) > 1:
            twins = " and ".join(map(repr, names))
            what = f"the classes {twins} differ in case alone, and are learned as different ones; "
            yield DataError("data.categories", what + "give them one spelling with data.mapping")


def _unlearnable(
    inspection: Inspection, mapping: CategoryMap, asked: Asked, splits: bool
) -> Iterator[DataError]:
    """Splits without any object to find, which a run refuses, and classes that were asked for but have
    none in train."""
    per_split = {name: _objects(inspection, mapping, parts) for name, parts in USED.items()}
    train = {
        name: count
        for name, counts in inspection.categories.items()
        if (count := sum(counts.objects[part] for part in USED["train"]))
    }
    for name, parts in USED.items() if splits else ():
        frames = any(inspection.splits[p].frames for p in parts if p in inspection.splits)
        if not per_split[name] and frames:
            yield problem_of(no_object(name, mapping, train), inspection.root)
    for name in mapping.categories:
        if name in asked.categories and name not in per_split["train"]:
            what = f"the class {name!r} has no object in train, and cannot be learned"
            if name not in inspection.categories:
                what += f"; {_nearest(name, set(inspection.categories))}"
            yield DataError("data.categories", what)


def _objects(inspection: Inspection, mapping: CategoryMap, parts: Collection[str]) -> set[str]:
    """The classes that have objects to be found in these splits."""
    return {
        mapping.mapping[name]
        for name, counts in inspection.categories.items()
        if inspection.role(name, mapping) == "class" and any(counts.objects[part] for part in parts)
    }


def class_notes(inspection: Inspection, mapping: CategoryMap) -> Iterator[str]:
    """Classes that are learnt but have no object in a split that judges: a run goes on without the figure."""
    for split in ("val", "test"):
        if split not in inspection.splits:
            continue
        there = _objects(inspection, mapping, USED[split])
        learnt = _objects(inspection, mapping, USED["train"])
        if there and (absent := [name for name in mapping.categories if name in learnt - there]):
            yield f"no object in {split}: {', '.join(absent)}; there is no AP of it there"
