#version 330
#include common.glsl
#include road.glsl
#include lighting.glsl
#include ground_textures.glsl

in vec3 v_position;
layout(location = 0) out vec4 out_color;
layout(location = 1) out uint out_id;

void main() {
    Ground g = ground_at(v_position);

    // Rain darkens and mirrors, most in the puddles; snow lies least in the wheel tracks.
    float wet = weather.x;
    float puddle = wet * smoothstep(0.62 - 0.2 * wet, 0.72, g.middle.r * 0.5 + g.coarse.b * 0.5) * (1.0 - g.beyond);
    g.albedo *= 1.0 - 0.45 * wet * (1.0 - 0.5 * g.beyond);
    float gloss = (1.0 - g.beyond) * wet * mix(0.45, 0.9, puddle);
    float clear_of_snow = (1.0 - g.kerb) * (0.35 + 0.5 * g.track);
    float snow = smoothstep(0.0, 0.35, weather.y * 1.3 - clear_of_snow - 0.5 * g.middle.g);
    g.albedo = mix(g.albedo, vec3(0.76, 0.78, 0.82) * (0.85 + 0.2 * g.middle.r), snow);
    gloss *= 1.0 - snow;

    vec3 n = normalize(-down.xyz + vec3(g.fine.r - 0.5, 0.0, g.fine.g - 0.5) * 0.12 * (1.0 - puddle));
    vec3 color = shaded(v_position, n, g.albedo, gloss, 0.02, 1.0);
    out_color = vec4(color * weather.w, 1.0);
    out_id = 0u;
}
