#version 330
#include common.glsl
#include lighting.glsl
#include instance.glsl

in vec3 v_position;
in vec3 v_normal;
in vec3 v_local;
in vec3 v_axis;
in vec3 v_albedo;
in vec3 v_gloss;
flat in int v_texture;
flat in float v_scale;

layout(location = 0) out vec4 out_color;
layout(location = 1) out uint out_id;

float random(vec2 cell) { return fract(sin(dot(cell, vec2(12.9898, 78.233))) * 43758.5453); }

void main() {
    vec3 n = normalize(v_normal);
    vec3 albedo = v_albedo;
    float gloss = v_gloss.x, reflectance = v_gloss.y;
    vec3 emitted = v_gloss.z >= 0.0 ? vec3(1.0, 0.94, 0.8) * v_gloss.z * 4.0 : vec3(-2.2, -0.1, -0.06) * v_gloss.z;
    vec2 offset = vec2(colors[0].w, colors[1].w);
    bool sideways = abs(v_axis.x) > abs(v_axis.z);
    vec2 wall = vec2(sideways ? v_local.z : v_local.x, v_local.y);
    vec2 at = abs(v_axis.y) > 0.7 ? v_local.xz : wall;
    float low = v_local.y;
    float open = mix(1.0, 0.55, smoothstep(0.35, 1.0, v_axis.y)) * mix(0.55, 1.0, smoothstep(0.0, 0.5, low));
    vec3 grain = texture(noise_map, at * v_scale + offset).rgb;   // the one fetch: llvmpipe runs every branch

#ifdef FACADE
    if (v_texture == 4) {  // storeys of windows in plaster or brick, on a plinth
        albedo *= (0.72 + 0.3 * grain.r + 0.2 * grain.b) * (low < 0.7 ? 0.6 : 1.0);
        vec2 grid = vec2(wall.x / window.x + 0.5 * step(0.5, offset.x), (low - 0.3) / window.y);
        vec2 cell = floor(grid), from = grid - cell - vec2(0.5, 0.52), inside = abs(from);
        vec2 blur = max(fwidth(grid), 1e-4);
        vec2 glass = clamp((window.zw * 0.5 - inside) / blur + 0.5, 0.0, 1.0);
        vec2 frame = clamp((window.zw * 0.5 + 0.035 - inside) / blur + 0.5, 0.0, 1.0);
        vec2 bars = clamp((0.018 - abs(from - vec2(0.0, 0.1))) / blur + 0.5, 0.0, 1.0) * min(vec2(1.0), 0.036 / blur);
        float coarse = smoothstep(0.35, 0.8, max(blur.x, blur.y));
        float room = size.y - low > 0.5 * window.y ? 1.0 : 0.0;
        float pane = mix(glass.x * glass.y * (1.0 - max(bars.x, bars.y)), window.z * window.w, coarse) * room;
        float sill = clamp((0.03 - abs(from.y + 0.5 * window.w + 0.05)) / blur.y + 0.5, 0.0, 1.0) * frame.x;
        albedo = mix(albedo, vec3(0.42), max(frame.x * frame.y * 0.7, sill * 0.8 * (1.0 - coarse)) * room);
        float storey = clamp((0.02 - abs(grid.y - cell.y - 0.02)) / blur.y + 0.5, 0.0, 1.0) * (1.0 - coarse);
        albedo *= 1.0 - 0.2 * storey;
        float behind = random(cell + floor(offset * 61.0));
        albedo = mix(albedo, mix(vec3(0.015, 0.018, 0.022), vec3(0.3, 0.29, 0.26), step(0.7, behind) * 0.7), pane);
        gloss = mix(gloss, 0.9, pane);
        reflectance = mix(reflectance, 0.12, pane);
        emitted += vec3(0.75, 0.5, 0.24) * step(1.0 - paint.w, behind) * pane * (0.35 + 0.4 * random(cell.yx));
    } else if (v_texture == 5) {  // roof tiles
        albedo *= 0.7 + 0.3 * grain.g + 0.35 * abs(fract(low * 2.8) - 0.5);
    } else {
        albedo *= 0.65 + 0.35 * grain.g + 0.35 * grain.b;
    }
#else
    if (v_texture == 1) {  // paint: flakes, and dirt towards the sills
        float dirt = smoothstep(0.75, 0.2, low + 0.5 * (grain.g - 0.5)) * (0.25 + 0.5 * weather.x);
        albedo = mix(albedo * (0.94 + 0.12 * grain.r), soil.rgb * 0.8, dirt * 0.6);
        gloss *= 1.0 - 0.6 * dirt;
    } else if (v_texture == 2) {  // leaves: light and dark clumps
        float clump = grain.g * 0.6 + grain.b * 0.6;
        albedo *= 0.35 + 1.5 * clump * clump;
        open *= 0.55 + 0.45 * grain.r;
        n = normalize(n + (grain - 0.5) * 1.1);
    } else if (v_texture == 3) {  // stone, bark, tyres, boards
        albedo *= 0.65 + 0.35 * grain.g + 0.35 * grain.b;
    } else if (v_texture == 6) {  // cloth: folds
        albedo *= 0.6 + 0.8 * grain.r;
        n = normalize(n + (grain.gbr - 0.5) * 0.5);
    } else if (v_texture == 7) {  // signs: a bright face in a rim
        float rim = length(wall - vec2(0.0, size.y * 0.865)) / (0.13 * size.y);
        albedo = mix(vec3(0.6), albedo, smoothstep(0.62, 0.72, rim));
    }
#endif

    float snow = weather.y * smoothstep(0.25, 0.75, -dot(n, down.xyz) + 0.3 * (grain.g - 0.5));
    albedo = mix(albedo * (1.0 - 0.25 * weather.x), vec3(0.78, 0.8, 0.83), snow);
    gloss = mix(gloss, 0.1, snow);
    vec3 color = shaded(v_position, n, albedo, gloss, reflectance, open);
    out_color = vec4((color + emitted * exp(-fog.w * length(v_position))) * weather.w, 1.0);
    out_id = uint(size.w + 0.5);
}
