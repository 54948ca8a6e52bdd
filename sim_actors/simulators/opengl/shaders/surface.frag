#version 330
#include common.glsl
#include road.glsl
#include lighting.glsl
#include instance.glsl
#include surface_textures.glsl

in vec3 v_position;
in vec3 v_normal;
in vec3 v_local;
in vec3 v_axis;
in vec3 v_albedo;
in vec3 v_gloss;
flat in int v_texture;
flat in float v_scale;

layout(location = 0) out vec4 out_color;
#ifdef BARE                      // no light yet: passes/albedo.py
layout(location = 1) out vec4 out_shown;   // number of the body, reflectance, m from the eye
layout(location = 2) out vec4 out_light;   // what shines by itself
uniform float number;
#elif !defined(MIRROR)
layout(location = 1) out uint out_id;
#endif

const int FOLIAGE = 2;   // materials.py

void main() {
    vec3 emitted = v_gloss.z >= 0.0 ? vec3(1.0, 0.94, 0.8) * v_gloss.z * 6.0 : vec3(-4.0, -0.12, -0.06) * v_gloss.z;
    vec2 offset = vec2(colors[0].w, colors[1].w);
    bool sideways = abs(v_axis.x) > abs(v_axis.z);
    vec2 wall = vec2(sideways ? v_local.z : v_local.x, v_local.y);
    vec2 at = abs(v_axis.y) > 0.7 ? v_local.xz : wall;
    float open = mix(1.0, 0.45, smoothstep(0.35, 1.0, v_axis.y)) * mix(0.5, 1.0, smoothstep(0.0, 0.6, v_local.y));
    vec3 grain = texture(noise_map, at * v_scale + offset).rgb;   // the one fetch: llvmpipe runs every branch

    Surface s = Surface(v_albedo, normalize(v_normal), v_gloss.x, v_gloss.y, open, emitted);
    lay_texture(s, v_texture, v_local, wall, grain);
    float through = v_texture == FOLIAGE ? 0.45 : 0.0;

    // Panes show a hint of the cabin: daylight from the far windows above, seats below.
    float pane = step(0.93, v_gloss.x) * step(0.055, v_gloss.y);
    vec3 cabin = ambient_light(-s.normal) * smoothstep(0.68, 0.86, v_local.y / size.y) * (0.05 * pane);

    float snow = weather.y * smoothstep(0.25, 0.75, -dot(s.normal, down.xyz) + 0.3 * (grain.g - 0.5));
    s.albedo = mix(s.albedo * (1.0 - 0.25 * weather.x), vec3(0.78, 0.8, 0.83), snow);
    s.gloss = mix(min(s.gloss + 0.25 * weather.x, 0.97), 0.1, snow);
#ifdef BARE
    out_color = vec4(s.albedo, s.gloss);
    out_shown = vec4(number, s.reflectance, length(v_position), 1.0);
    out_light = vec4(s.emitted + cabin, 1.0);
    return;
#else
#ifdef MIRROR
    vec3 eye = 2.0 * down.w * down.xyz;
#else
    vec3 eye = vec3(0.0);
#endif
    vec3 color = shaded(eye, v_position, s.normal, s.albedo, s.gloss, s.reflectance, s.open, through);
    color += (s.emitted + cabin) * exp(-fog.w * distance(eye, v_position));
    out_color = vec4(color * weather.w, 1.0);
#ifndef MIRROR
    out_id = uint(size.w + 0.5);
#endif
#endif
}
