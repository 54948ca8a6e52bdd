"""From a request to labelled pixels: scenes, simulators and the actor that runs one. No torch."""
