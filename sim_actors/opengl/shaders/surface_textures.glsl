// What a surface looks like before light falls on it. Needs common.glsl, instance.glsl.

struct Surface {
    vec3 albedo;
    vec3 normal;
    float gloss;
    float reflectance;
    float open;        // share of the sky that the spot sees
    vec3 emitted;
};

float random(vec2 cell) { return fract(sin(dot(cell, vec2(12.9898, 78.233))) * 43758.5453); }

// Lays texture `kind` (materials.py) over a surface. `local`: m from the middle of the body's foot, y up;
// `wall`: the same along and up the wall; `grain`: the noise field, fetched once.
void lay_texture(inout Surface s, int kind, vec3 local, vec2 wall, vec3 grain) {
    vec2 offset = vec2(colors[0].w, colors[1].w);
    float low = local.y;
#ifdef FACADE
    if (kind == 4) {  // storeys of windows in plaster or brick, on a plinth
        s.albedo *= (0.72 + 0.3 * grain.r + 0.2 * grain.b) * (low < 0.7 ? 0.6 : 1.0);
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
        s.albedo = mix(s.albedo, vec3(0.42), max(frame.x * frame.y * 0.7, sill * 0.8 * (1.0 - coarse)) * room);
        float storey = clamp((0.02 - abs(grid.y - cell.y - 0.02)) / blur.y + 0.5, 0.0, 1.0) * (1.0 - coarse);
        s.albedo *= 1.0 - 0.2 * storey;
        float behind = random(cell + floor(offset * 61.0));
        s.albedo = mix(s.albedo, mix(vec3(0.015, 0.018, 0.022), vec3(0.3, 0.29, 0.26), step(0.7, behind) * 0.7), pane);
        s.gloss = mix(s.gloss, 0.9, pane);
        s.reflectance = mix(s.reflectance, 0.12, pane);
        s.emitted += vec3(0.75, 0.5, 0.24) * step(1.0 - paint.w, behind) * pane * (0.35 + 0.4 * random(cell.yx));
    } else if (kind == 5) {  // roof tiles
        s.albedo *= 0.7 + 0.3 * grain.g + 0.35 * abs(fract(low * 2.8) - 0.5);
    } else {
        s.albedo *= 0.65 + 0.35 * grain.g + 0.35 * grain.b;
    }
#else
    if (kind == 1) {  // paint: flakes, and dirt towards the sills
        float dirt = smoothstep(0.75, 0.2, low + 0.5 * (grain.g - 0.5)) * (0.25 + 0.5 * weather.x);
        s.albedo = mix(s.albedo * (0.94 + 0.12 * grain.r), soil.rgb * 0.8, dirt * 0.6);
        s.gloss *= 1.0 - 0.6 * dirt;
    } else if (kind == 2) {  // leaves: light and dark clumps
        float clump = grain.g * 0.6 + grain.b * 0.6;
        s.albedo *= 0.35 + 1.5 * clump * clump;
        s.open *= 0.55 + 0.45 * grain.r;
        s.normal = normalize(s.normal + (grain - 0.5) * 1.1);
    } else if (kind == 3) {  // stone, bark, tyres, boards
        s.albedo *= 0.65 + 0.35 * grain.g + 0.35 * grain.b;
    } else if (kind == 6) {  // cloth: folds
        s.albedo *= 0.6 + 0.8 * grain.r;
        s.normal = normalize(s.normal + (grain.gbr - 0.5) * 0.5);
    } else if (kind == 7) {  // signs: a bright face in a rim
        float rim = length(wall - vec2(0.0, size.y * 0.865)) / (0.13 * size.y);
        s.albedo = mix(vec3(0.6), s.albedo, smoothstep(0.62, 0.72, rim));
    }
#endif
}
