"""FiftyOne's dataset folders."""
