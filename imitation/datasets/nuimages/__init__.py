"""nuImages: nuScenes' tables with 2D boxes."""
