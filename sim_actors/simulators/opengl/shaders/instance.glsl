// One posed body. Needs common.glsl.

layout(std140) uniform Instance {
    mat4 pose;         // unit cuboid -> camera
    mat4 turn;         // mesh normals -> camera normals (upper 3 x 3)
    vec4 size;         // length, height, width m; w: id
    vec4 colors[3];    // paint or upper cloth; lower cloth or roof; skin. w: texture offsets; lights
};
