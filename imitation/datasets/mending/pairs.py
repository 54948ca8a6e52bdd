"""Pictures and the label files of them in folders of one's own: `imgs/train/a.jpg` and `anns/train/a.txt`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from imitation.common import storage

LEAST = 0.5  # share of the pictures that have to have a label, for two folders to belong together


def label_folder(root: str, pictures: Sequence[str], labels: Sequence[str]) -> tuple[int, str, str] | None:
    """Which part of the pictures' paths, called so and so, has to be called otherwise to give the paths of
    their labels; None where no two folders belong together. All are paths below `root`.

    >>> label_folder("/d", ["/d/imgs/a.jpg", "/d/imgs/b.jpg"], ["/d/anns/a.txt", "/d/anns/b.txt"])
    (0, 'imgs', 'anns')
    """
    by_rest: dict[tuple[int, tuple[str, ...]], set[str]] = {}
    for parts in (_parts(root, label) for label in labels):
        for place in range(len(parts) - 1):
            by_rest.setdefault((place, (*parts[:place], *parts[place + 1 :])), set()).add(parts[place])
    votes: Counter[tuple[int, str, str]] = Counter()
    for parts in (_parts(root, picture) for picture in pictures):
        for place in range(len(parts) - 1):
            for other in by_rest.get((place, (*parts[:place], *parts[place + 1 :])), ()):
                votes[(place, parts[place], other)] += parts[place] != other
    best = votes.most_common(1)
    return best[0][0] if best and best[0][1] >= max(LEAST * len(pictures), 1) else None


def with_part(root: str, uri: str, place: int, name: str, ending: str | None = None) -> str:
    """The path with another name for one of its folders, and another ending."""
    parts = list(_parts(root, uri))
    parts[place] = name
    if ending is not None:
        return storage.join(root, *parts) + ending
    return storage.join(root, *parts[:-1], storage.name_of(uri))


def _parts(root: str, uri: str) -> tuple[str, ...]:
    """A path below the root, in parts, without its ending."""
    below = uri.removeprefix(root).strip("/")
    return tuple((below.rpartition(".")[0] or below).split("/"))
