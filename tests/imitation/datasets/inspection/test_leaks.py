"""Sequences that nobody named, by names, times and looks; and splits that keep them apart."""

import io
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imitation.data.records import Box, Frame, Object
from imitation.datasets.inspection.leaks import (
    PAUSE_S,
    RUNS,
    Proposal,
    Signs,
    by_number,
    by_time,
    groups_of,
    proposed,
    recut,
    runs,
    taken_at,
    told_of,
)
from imitation.datasets.inspection.lookalikes import SIDE, Lookalike, picture_hash, quick_hash, quick_look
from imitation.datasets.inspection.statistics import inspect_dataset, listed_frames
from imitation.datasets.registry import open_dataset
from tests.imitation.datasets.inspection.test_lookalikes import KITTI, again, street

NOON = datetime(2026, 5, 1, 12)


def shot(seconds: float, model: str = "cam", image: Image.Image | None = None) -> bytes:
    """A JPEG with a camera and a time in its EXIF."""
    image = image or Image.new("RGB", (32, 24), (90, 20, 10))
    exif, when = image.getexif(), NOON + timedelta(seconds=seconds)
    exif[0x0110] = model
    exif.get_ifd(0x8769)[0x9003] = when.strftime("%Y:%m:%d %H:%M:%S")
    exif.get_ifd(0x8769)[0x9291] = f"{when.microsecond // 10000:02}"
    sink = io.BytesIO()
    image.save(sink, "JPEG", exif=exif, quality=95)
    return sink.getvalue()


def test_exif_says_camera_and_time_and_anything_else_says_none() -> None:
    assert taken_at(shot(61.25, "A1")) == ("A1", NOON + timedelta(seconds=61.25))
    sink = io.BytesIO()
    Image.new("RGB", (8, 8)).save(sink, "PNG")
    assert taken_at(sink.getvalue()) is None
    assert taken_at(b"no picture") is None


def test_pictures_taken_shortly_after_one_another_are_a_sequence() -> None:
    times = {f"a{i}": ("x", NOON + timedelta(seconds=3 * i)) for i in range(4)}
    times |= {f"b{i}": ("x", NOON + timedelta(seconds=100 + PAUSE_S * i)) for i in range(3)}
    times |= {"c": ("another camera", NOON + timedelta(seconds=1))}
    found = by_time(times)
    groups = [{name for name in found if found[name] == one} for one in dict.fromkeys(found.values())]
    assert sorted(map(sorted, groups)) == [["a0", "a1", "a2", "a3"], ["b0", "b1", "b2"], ["c"]]
    assert by_time({"a": ("x", NOON), "b": ("x", NOON + timedelta(hours=1))}) == {}, "all stand alone"


def test_names_that_differ_in_their_last_number_are_a_sequence_up_to_a_large_gap() -> None:
    names = [f"night_{i:04}.x" for i in range(5)] + [f"day_{i:04}.x" for i in range(0, 50, 10)] + ["lonely"]
    names += [f"night_{i:04}.x" for i in range(500, 503)]
    found = by_number(names)
    assert len(set(found.values())) == 3
    assert "lonely" not in found
    assert found["night_0004.x"] != found["night_0500.x"]


def looks(seeds: dict[str, int]) -> dict[str, bytes]:
    """Hashes that are alike for one seed and far from each other for two."""
    found = {}
    for place, (name, seed) in enumerate(seeds.items()):
        bits = np.random.default_rng(seed).integers(0, 2, SIDE**2)
        bits[np.random.default_rng(1000 + place).integers(0, SIDE**2, 12)] ^= 1
        found[name] = np.packbits(bits).tobytes()
    return found


def test_running_numbers_count_only_where_looks_bear_them_out() -> None:
    names = [f"{i:06}" for i in range(60)]
    shuffled = np.random.default_rng(0).permutation(60)
    video = Signs(looks({name: i // 6 for i, name in enumerate(names)}))
    mixed = Signs(looks({name: int(shuffled[i]) // 6 for i, name in enumerate(names)}))
    found = proposed(names, video)
    assert found is not None
    assert found.by.startswith("running numbers")
    assert proposed(names, mixed) is None
    assert proposed(names, Signs()) is None
    known = Signs(video.hashes, known=dict.fromkeys(names, "drive"))
    assert proposed(names, known) is None


def test_what_is_shared_is_told_with_an_example() -> None:
    proposal = Proposal({"a": "s", "b": "s", "c": "t"}, "why")
    splits = {"train": ["a"], "val": ["b"], "test": ["c"]}
    assert proposal.shared(splits) == [("val", "b", "a")]
    said = told_of(proposal, splits)
    assert said is not None
    assert "1 frame of val and test (val b, ...) belong to a sequence that train has too (a)" in said
    assert told_of(proposal, {"train": ["c"], "val": ["a", "b"]}) is None


def test_of_one_sequence_runs_are_dealt_out() -> None:
    whole = {f"{i:03}": "s" for i in range(100)}
    parts = runs(whole)
    assert len(set(parts.values())) == RUNS
    assert all(parts[f"{i:03}"] == parts[f"{i + 1:03}"] for i in range(0, 100, 5))


@given(st.data())
def test_splits_cut_anew_share_no_group_and_lose_few_frames(data: st.DataObject) -> None:
    count = data.draw(st.integers(6, 40))
    names = [f"f{i}" for i in range(count)]
    groups = {name: str(data.draw(st.integers(0, 12))) for name in names}
    where = [data.draw(st.sampled_from(["train", "val", "test"])) for _ in names]
    splits = {s: [n for n, w in zip(names, where) if w == s] for s in ("train", "val", "test")}
    held = {s: {groups[n] for n in splits[s]} for s in splits}
    apart = not (held["val"] & held["test"] or held["train"] & (held["val"] | held["test"]))
    found = recut(splits, groups, 0)
    if apart:
        assert found is None
    if found is None:
        return
    lists, said = found
    parts = [{groups[n] for n in members} for members in lists.values()]
    assert sum(map(len, parts)) == len(set().union(*parts)), "no group lies in two"
    kept = sum(map(len, lists.values()))
    assert kept == count if "dealt out anew" in said else kept < count
    assert all(lists.values()) or not all(splits.values())


def test_frames_that_look_alike_stay_together_with_their_sequences() -> None:
    signs = Signs(known={"a": "one", "b": "one", "c": "two"})
    groups = groups_of("abcd", signs, None, [Lookalike("val", "c", "b", 0.1)])
    assert groups["a"] == groups["b"] == groups["c"] != groups["d"]


def test_an_inspection_proposes_what_the_pictures_say(tmp_path: Path) -> None:
    for split, numbers in (("train", (0, 1, 2, 3)), ("val", (4, 5)), ("test", (60, 61))):
        for folder in ("images", "labels"):
            (tmp_path / folder / split).mkdir(parents=True)
        for number in numbers:
            image = Image.fromarray(np.random.default_rng(number).integers(0, 255, (24, 32, 3), np.uint8))
            (tmp_path / f"images/{split}/{number}.jpg").write_bytes(shot(2 * number, image=image))
            (tmp_path / f"labels/{split}/{number}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    dataset = open_dataset("yolo", str(tmp_path))
    found = inspect_dataset(dataset, listed_frames(dataset)).to_json(None)["sequences"]
    assert found["number"] == 2
    assert [one["frame"] for one in found["shared"]] == ["val_4", "val_5"]


def test_a_quick_hash_is_nearly_the_exact_one() -> None:
    image = street(3).resize((1280, 384))
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=90)
    with Image.open(sink) as decoded:
        exact = np.frombuffer(picture_hash(np.asarray(decoded.convert("RGB"))), np.uint64)
    quick = np.frombuffer(quick_hash(Frame("x", 1280, 384, (), image=sink.getvalue())), np.uint64)
    assert np.bitwise_count(exact ^ quick).sum() <= 0.05 * SIDE**2


def test_a_quick_look_finds_what_looks_alike_and_says_how_many_it_looked_at() -> None:
    def frame(name: str, image: Image.Image) -> Frame:
        sink = io.BytesIO()
        image.save(sink, "JPEG", quality=90)
        return Frame(name, 320, 96, (Object("car", Box(1, 1, 9, 9)),), image=sink.getvalue())

    frames = {f"t{i}": frame(f"t{i}", street(i)) for i in range(5)} | {"v": frame("v", again(street(3), 1))}
    frames["broken"] = Frame("broken", 320, 96, (), image=b"no picture")
    splits = {"train": [f"t{i}" for i in range(5)], "mine": ["t0"], "val": ["v", "broken"], "test": []}
    said = quick_look(splits, lambda split, names: [frames[name] for name in names])
    assert said is not None
    assert said.startswith("of 7 frames: 1 frame of val and test")
    assert "val v like t3" in said
    assert quick_look(splits | {"val": ["broken"]}, lambda split, names: [frames[n] for n in names]) is None


@pytest.mark.skipif(not KITTI.is_dir(), reason="shared/data/kitti471 is not here")
def test_the_shuffled_numbers_of_kitti_are_no_sequences_and_those_of_its_drives_are() -> None:
    dataset = open_dataset("kitti", str(KITTI))
    frames = [f for split in ("train", "val", "test") for f in dataset.frames(split)][:200]
    hashes = {frame.frame_id: quick_hash(frame) for frame in frames}
    assert proposed(sorted(hashes), Signs(hashes)) is None
    rows = (KITTI / "mapping/train_mapping.txt").read_text().splitlines()
    order = (KITTI / "mapping/train_rand.txt").read_text().split(",")
    raw = {f.frame_id: rows[int(order[int(f.frame_id)]) - 1].split()[2] for f in frames}
    named = {f"{f.sequence}_{raw[f.frame_id]}": f for f in frames}
    found = proposed(sorted(named), Signs({name: hashes[f.frame_id] for name, f in named.items()}))
    assert found is not None
    drives = {name: f.sequence for name, f in named.items()}
    for sequence in set(found.sequences.values()):
        assert len({drives[name] for name in found.sequences if found.sequences[name] == sequence}) == 1
