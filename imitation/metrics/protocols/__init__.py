"""The field's protocols: KITTI, COCO's twelve numbers, Waymo."""
