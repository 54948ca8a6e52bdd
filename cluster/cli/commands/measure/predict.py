"""`imitate predict`: detections in pictures."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from cluster.cli.arguments import Commands
from imitation.common import storage
from imitation.common.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from imitation.evaluation.detections import Detections
    from imitation.metrics.operating_point import Operating


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "predict",
        group="measure",
        help="detections in pictures, as JSON and drawn",
        example="imitate predict runs/default/best photo.jpg --out drawn",
    )
    command.add_argument("checkpoint", help="a checkpoint, such as runs/default/best")
    command.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE|DIR",
        help="pictures, or folders of them (JPEG, PNG; searched through)",
    )
    command.add_argument("--threshold", type=float, help="score threshold (default: the operating threshold)")
    command.add_argument(
        "--out", metavar="DIR", help="write the drawn pictures here; those of a folder as they lie in it"
    )
    command.set_defaults(carry_out=predict)


def predict(args: argparse.Namespace) -> int:
    """Detections in pictures and folders of them, as JSON on standard output; drawn where --out says.

    A picture that cannot be read is said, has an `error` in place of detections, and makes the exit status 1.
    """
    from cluster.observability.console import Reporter
    from imitation.data.images import decode_image
    from imitation.detectors.checkpoint import load_checkpoint
    from imitation.metrics.operating_point import Operating

    predictor, info = load_checkpoint(args.checkpoint)
    pictures = list(found_pictures(args.images))
    given = args.threshold is not None
    single = args.threshold if given else info.operating_threshold or 0.0
    operating = Operating(single, {} if given else info.operating_thresholds)
    reporter = Reporter()
    results: list[dict[str, Any]] = []
    failed = 0
    with reporter.bar("predicting", len(pictures)) as bar:
        for count, (uri, drawn_name) in enumerate(pictures, start=1):
            try:
                image = decode_image(storage.read_bytes(uri), uri)
            except UserError as error:
                failed += 1
                reporter.say(f"not read: {error}")
                results.append({"image": uri, "error": str(error)})
                continue
            (found,) = predictor.predict([image])
            kept = found.above(operating.cutoff(info.categories))
            results.append(_told(uri, image, kept, info.categories, operating))
            if args.out:
                _draw(image, kept, info.categories, storage.join(args.out, drawn_name))
            bar.update(count)
    if args.out and failed < len(pictures):
        reporter.say(f"drawn: {args.out}")
    print(json.dumps(results, indent=2, allow_nan=False))
    return int(failed > 0)


def found_pictures(places: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(picture, name of what is drawn of it) for the pictures named, and those in the folders named and in
    folders of theirs, by name; what begins with a dot is passed over. Drawn pictures lie as in their folder.

    Raises UserError for a place that is not there, a folder without a picture, and for two pictures whose
    drawn ones would be the same file.
    """
    drawn: dict[str, str] = {}
    for place in places:
        if not storage.exists(place):
            raise UserError(f"{place}: there is no such picture or folder")
        found = _in_folder(place) if storage.is_folder(place) else [(place, storage.name_of(place))]
        if not found:
            from imitation.data.images import SUFFIXES

            raise UserError(f"{place}: holds no picture ({', '.join(SUFFIXES)})")
        for uri, name in found:
            target = str(PurePosixPath(name).with_suffix(".png"))
            if drawn.setdefault(target, uri) != uri:
                raise UserError(
                    f"{drawn[target]} and {uri} would both be drawn as {target}; name them one at a time"
                )
            yield uri, target


def _in_folder(folder: str) -> list[tuple[str, str]]:
    from imitation.data.images import SUFFIXES

    files = storage.list_files(folder, recursive=True)
    return [(uri, storage.relative(uri, folder)) for uri in files if uri.lower().endswith(SUFFIXES)]


def _told(
    uri: str, image: np.ndarray, kept: Detections, categories: Sequence[str], operating: Operating
) -> dict[str, Any]:
    assert kept.occlusion is not None
    return {
        "image": uri,
        "width": image.shape[1],
        "height": image.shape[0],
        "threshold": operating.threshold,
        "thresholds": dict(operating.by_category),
        "detections": [
            {
                "category": categories[label - 1],
                "score": round(float(score), 4),
                "box": [round(float(v), 2) for v in box],
                "occlusion": None if math.isnan(occlusion) else round(float(occlusion), 3),
            }
            for label, score, box, occlusion in zip(
                kept.labels, kept.scores, kept.boxes, kept.occlusion, strict=True
            )
        ],
    }


def _draw(image: np.ndarray, kept: Detections, categories: Sequence[str], target: str) -> None:
    import numpy as np
    from PIL import Image

    from imitation.data.drawing import draw_detections
    from imitation.data.images import encode_png
    from imitation.data.records import Box

    boxes = [Box(*map(float, box)) for box in kept.boxes]
    names = [categories[label - 1] for label in kept.labels]
    drawn = draw_detections(Image.fromarray(image), boxes, names, [float(s) for s in kept.scores])
    storage.write_bytes_atomic(target, encode_png(np.asarray(drawn)))
