#version 330
#include common.glsl

in vec2 in_corner;
out vec3 v_direction;

void main() {
    gl_Position = vec4(in_corner, 0.9999999, 1.0);
#ifdef PANORAMA
    v_direction = vec3(in_corner, 0.0);   // of a panorama
#else
    v_direction = vec3((in_corner.x - projection[2][0]) / projection[0][0],
                       (in_corner.y - projection[2][1]) / projection[1][1], 1.0);
#endif
}
