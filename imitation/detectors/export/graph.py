"""What stands around an exported network, in ONNX: pictures are resized before it, and its candidates become
detections after it."""

from __future__ import annotations

import onnx
from onnx import compose, parser

from imitation.detectors.grid.candidates import Candidates

# PIL's bilinear filter, with antialiasing on whole grey values, as the training resizes.
BEFORE = """
<ir_version: {ir}, opset_import: ["" : {opset}]>
before (uint8[batch, height, width, 3] images)
    => (float[batch, 3, {net_h}, {net_w}] pixels, int64[4] shape)
<int64[1] zeroth = {{0}}, int64[3] planes_size = {{3, {net_h}, {net_w}}}, float scale = {{0.0039215686}}>
{{
    shape = Shape (images)
    planes = Transpose <perm = [0, 3, 1, 2]> (images)
    batch_size = Gather (shape, zeroth)
    size = Concat <axis = 0> (batch_size, planes_size)
    resized = Resize <mode = "linear", antialias = 1, exclude_outside = 1> (planes, , , size)
    grey = Cast <to = 1> (resized)
    pixels = Mul (grey, scale)
}}
"""

# Category by category, as torchvision's batched_nms; the best of what is kept, with its rows in order.
AFTER = """
<ir_version: {ir}, opset_import: ["" : {opset}]>
after (float[batch, K, 4] c_boxes, float[batch, K] c_scores, int64[batch, K] c_labels{more_in},
       int64[4] shape)
    => (float[batch, {d}, 4] boxes, int64[batch, {d}] labels, float[batch, {d}] scores{more_out})
<int64[1] most = {{{most}}}, float[1] iou = {{{iou}}}, float[1] above = {{0.0}}, int64[1] rows = {{{d}}},
 int64 zero = {{0}}, int64 one = {{1}}, int64[1] axis1 = {{1}}, int64[1] axis2 = {{2}},
 float nought = {{0.0}},
 int64[2] place = {{0, 2}}, int64[1, {c}, 1] categories = {{{categories}}}, float[4] unit = {{{unit}}},
 int64[4] sides = {{2, 1, 2, 1}}>
{{
    label_row = Unsqueeze (c_labels, axis1)
    mine = Equal (label_row, categories)
    score_row = Unsqueeze (c_scores, axis1)
    of_category = Where (mine, score_row, nought)
    selected = NonMaxSuppression (c_boxes, of_category, most, iou, above)
    places = Gather <axis = 1> (selected, place)
    ones = Gather <axis = 1> (selected, zero)
    unity = Mul (ones, zero)
    ticks_int = Add (unity, one)
    ticks = Cast <to = 1> (ticks_int)
    blank = Mul (c_scores, nought)
    kept = ScatterND (blank, places, ticks)
    kept_scores = Mul (c_scores, kept)
    best, order = TopK <axis = 1> (kept_scores, rows)
    row = Unsqueeze (order, axis2)
    best_labels = GatherND <batch_dims = 1> (c_labels, row)
    best_boxes = GatherND <batch_dims = 1> (c_boxes, row)
    foreground = Cast <to = 1> (best_labels)
    known = Sign (foreground)
    object_scores = Mul (best, known)
    scores, again = TopK <axis = 1> (object_scores, rows)
    again_row = Unsqueeze (again, axis2)
    found = Sign (scores)
    found_row = Unsqueeze (found, axis2)
    found_int = Cast <to = 7> (found)
    ordered_labels = GatherND <batch_dims = 1> (best_labels, again_row)
    labels = Mul (ordered_labels, found_int)
    ordered_boxes = GatherND <batch_dims = 1> (best_boxes, again_row)
    picture_int = Gather (shape, sides)
    picture = Cast <to = 1> (picture_int)
    factor = Mul (picture, unit)
    scaled = Mul (ordered_boxes, factor)
    boxes = Mul (scaled, found_row){more_nodes}
}}
"""

OCCLUSION = """
    best_hidden = GatherND <batch_dims = 1> (c_occlusion, row)
    ordered_hidden = GatherND <batch_dims = 1> (best_hidden, again_row)
    occlusion = Mul (ordered_hidden, found)"""

MEANING = {
    "images": "RGB pictures of any size, all of a batch alike, as they are decoded: 0 to 255",
    "boxes": "x1, y1, x2, y2 in px of the picture; rows that are left over are 0",
    "labels": "1 for the first of the categories in the metadata; 0: this row holds nothing",
    "scores": "0 to 1, falling; 0: this row holds nothing",
    "occlusion": "share of the object that is hidden, 0 to 1, as the detector sees it",
}


def around(
    network: onnx.ModelProto, candidates: Candidates, nms_iou: float, max_detections: int
) -> onnx.ModelProto:
    """The whole model: pictures -> resized -> `network` (of these candidates) -> detections.

    At most `max_detections` a picture, the best, of which no two of a category overlap by more than
    `nms_iou`.
    """
    rows = network.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    kept = min(max_detections, rows)
    first = 0 if candidates.background else 1
    categories = range(first, candidates.categories + 1)
    hidden = "occlusion" in candidates.outputs
    words = {
        "ir": network.ir_version,
        "opset": next(entry.version for entry in network.opset_import if not entry.domain),
        "net_w": candidates.width,
        "net_h": candidates.height,
        "d": kept,
        "most": kept,
        "iou": nms_iou,
        "c": len(categories),
        "categories": ", ".join(map(str, categories)),
        "unit": ", ".join(map(repr, [1 / candidates.width, 1 / candidates.height] * 2)),
        "more_in": ", float[batch, K] c_occlusion" if hidden else "",
        "more_out": f", float[batch, {kept}] occlusion" if hidden else "",
        "more_nodes": OCCLUSION if hidden else "",
    }
    before, after = (parser.parse_model(text.format(**words)) for text in (BEFORE, AFTER))
    network = compose.add_prefix(network, "network/")
    for other in (before, after):  # an operator set that only the network uses
        del other.opset_import[:]
        other.opset_import.extend(network.opset_import)
    whole = compose.merge_models(before, network, io_map=[("pixels", "network/images")])
    joints = [(f"network/{name}", f"c_{name}") for name in candidates.outputs]
    whole = compose.merge_models(whole, after, io_map=[*joints, ("shape", "shape")])
    for value in (*whole.graph.input, *whole.graph.output):
        value.doc_string = MEANING[value.name]
    whole.graph.name, whole.producer_name = "detector", "imitation-training"
    return whole
