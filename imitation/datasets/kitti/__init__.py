"""KITTI's object layout: images, labels and calibrations, one file a frame."""
