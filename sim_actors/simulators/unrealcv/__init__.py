"""Unreal Engine as a simulator, through the UnrealCV plugin: scenes are staged in a level that somebody
built."""
