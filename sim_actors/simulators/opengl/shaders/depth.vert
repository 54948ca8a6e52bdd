#version 330
#include common.glsl
#include instance.glsl

uniform mat4 view;    // camera -> clip: the sun's for shadows, a tile's for silhouettes
in vec3 in_position;

void main() { gl_Position = view * (pose * vec4(in_position, 1.0)); }
