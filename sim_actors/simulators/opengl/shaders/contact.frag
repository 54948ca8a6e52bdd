#version 330
in vec2 v_at;
in vec2 v_reach;
layout(location = 0) out vec4 out_color;

void main() {
    // Distance outside the footprint's inner rectangle: the sky's light fades under a body.
    vec2 out_by = max(abs(v_at) - (v_reach - 0.3), 0.0);
    float light = smoothstep(-0.1, 0.8, length(out_by));
#ifdef VEIL
    out_color = vec4(0.0, 0.0, 0.0, 0.9 * (1.0 - light));
#else
    out_color = vec4(vec3(mix(0.22, 1.0, light)), 1.0);
#endif
}
