"""nuScenes: tables of JSON that name each other's rows by tokens; 3D boxes in the world, seen by six
cameras."""
