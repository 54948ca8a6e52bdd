#version 330
#include common.glsl

in vec2 in_corner;   // ground coordinates: right, forward, m
out vec3 v_position;

void main() {
    v_position = vec3(in_corner.x, 0.0, 0.0) + forward_axis() * in_corner.y + down.xyz * down.w;
    gl_Position = projection * vec4(v_position, 1.0);
    // Behind everything that stands on it: an actor whose cuboid dips under the plane stays whole.
    gl_Position.z = gl_Position.w * 0.999999;
}
