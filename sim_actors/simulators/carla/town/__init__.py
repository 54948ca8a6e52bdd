"""A scene in a CARLA server's town: where, with which bodies and light, its pictures, its truth."""
