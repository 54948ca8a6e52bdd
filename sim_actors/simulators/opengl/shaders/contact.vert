#version 330
#include common.glsl
#include instance.glsl

in vec2 in_corner;   // [-1, 1]
out vec2 v_at;
out vec2 v_reach;

void main() {
    // The footprint, grown by the width of its soft rim.
    v_reach = size.xz * 0.5;
    v_at = in_corner * (v_reach + 0.5);
    vec4 p = pose * vec4(v_at.x / size.x, 0.0, v_at.y / size.z, 1.0);
    gl_Position = projection * p;
    gl_Position.z = gl_Position.w * 0.999998;
}
