"""Simulators behind one protocol, by name or import path, and the worker that runs one."""
