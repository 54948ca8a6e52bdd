"""CARLA behind the Simulator protocol: docs/carla.md."""
