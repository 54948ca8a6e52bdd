#version 330
#include instance.glsl
// A photographed thing: where it is and who it is; its colour is the photo's.

layout(location = 0) out vec4 out_color;
layout(location = 1) out uint out_id;

void main() {
    out_color = vec4(0.0);
    out_id = uint(size.w + 0.5);
}
