"""What a scene holds as plain meshes, materials and lights, for renderers and files other than ours."""
