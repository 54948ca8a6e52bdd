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
    if (kind == 4) {  // storeys of windows in plaster or brick, on a plinth; doors and shops towards the street
        vec2 grid = vec2(wall.x / window.x + 0.5 * step(0.5, offset.x), (low - 0.3) / window.y);
        vec2 cell = floor(grid), from = grid - cell - vec2(0.5, 0.52);
        vec2 blur = max(fwidth(grid), 1e-4);
        float coarse = smoothstep(0.35, 0.8, max(blur.x, blur.y));
        vec2 street = floor(offset * 61.0);
        // Brick: courses of 8 cm in a running bond, each brick of its own tone.
        float bricked = step(0.6, fract(offset.y * 13.0));
        vec2 course = vec2(wall.x / 0.25, low / 0.083);
        course.x += 0.5 * mod(floor(course.y), 2.0);
        vec2 mortar = abs(fract(course) - 0.5);
        float sharp = bricked * (1.0 - smoothstep(0.1, 0.5, blur.y * window.y / 0.083));
        s.albedo *= mix(1.0, 0.75 + 0.5 * random(floor(course)), 0.6 * sharp);
        s.albedo = mix(s.albedo, vec3(0.4), 0.6 * sharp * step(0.42, max(mortar.y, mortar.x * 0.87 + 0.02)));
        s.albedo *= (0.72 + 0.3 * grain.r + 0.2 * grain.b) * (low < 0.7 ? 0.6 : 1.0);
        s.albedo *= 1.0 - 0.25 * smoothstep(0.6, 0.9, grain.g) * smoothstep(2.5, 0.0, size.y - low);

        bool ground = cell.y < 0.5 && local.z > 0.38 * size.z;
        float pick = random(vec2(cell.x, street.x));
        bool shop = ground && size.y > 6.5 && fract(offset.x * 7.0) > 0.6;
        bool door = ground && !shop && pick < 0.34;
        vec2 share = shop ? vec2(0.88, 0.76) : (door ? vec2(0.40, 0.78) : window.zw);
        share.y = cell.y > 0.5 && fract(offset.y * 5.0) > 0.75 ? min(share.y + 0.22, 0.8) : share.y;
        if (ground) from.y += shop ? 0.08 : (door ? 0.2 : 0.0);
        vec2 inside = abs(from);
        vec2 glass = clamp((share * 0.5 - inside) / blur + 0.5, 0.0, 1.0);
        vec2 frame = clamp((share * 0.5 + 0.035 - inside) / blur + 0.5, 0.0, 1.0);
        vec2 bars = clamp((0.018 - abs(from - vec2(0.0, 0.1))) / blur + 0.5, 0.0, 1.0) * min(vec2(1.0), 0.036 / blur);
        float room = size.y - low > 0.5 * window.y && low > 0.3 ? 1.0 : 0.0;
        float pane = mix(glass.x * glass.y * (1.0 - max(bars.x, bars.y)), share.x * share.y, coarse) * room;
        float sill = clamp((0.03 - abs(from.y + 0.5 * share.y + 0.05)) / blur.y + 0.5, 0.0, 1.0) * frame.x;
        vec3 trim = mix(vec3(0.5), vec3(0.14, 0.09, 0.06), step(0.7, fract(offset.x * 19.0)));
        s.albedo = mix(s.albedo, trim, max(frame.x * frame.y * 0.8, sill * 0.8 * (1.0 - coarse)) * room);
        float shutters = clamp((0.09 - abs(inside.x - 0.5 * share.x - 0.13)) / blur.x + 0.5, 0.0, 1.0) * glass.y;
        shutters *= room * step(0.72, fract(offset.x * 29.0)) * (ground ? 0.0 : 1.0) * (1.0 - coarse);
        float hue = random(street.yx);   // from brown over grey to green and blue
        vec3 painted = mix(mix(vec3(0.16, 0.08, 0.04), vec3(0.03, 0.1, 0.05), step(0.4, hue)), vec3(0.07, 0.1, 0.17), step(0.7, hue));
        painted *= 0.5 + 1.2 * random(street + 7.0);
        s.albedo = mix(s.albedo, painted, shutters);
        float storey = clamp((0.02 - abs(grid.y - cell.y - 0.02)) / blur.y + 0.5, 0.0, 1.0) * (1.0 - coarse);
        s.albedo *= 1.0 - 0.2 * storey;
        if (shop) {  // a band with its name above the window
            float whose = floor(cell.x * 0.5);
            vec3 board = vec3(random(street + whose), random(street.yx + whose), random(street + 3.0 + whose));
            board = mix(vec3(dot(board, vec3(0.33))), board, 0.55) * 0.45;
            s.albedo = mix(s.albedo, board + 0.02, clamp((0.06 - abs(from.y - 0.47)) / blur.y + 0.5, 0.0, 1.0));
        }
        float behind = random(cell + street);
        vec3 dim = mix(vec3(0.015, 0.018, 0.022), vec3(0.3, 0.29, 0.26), step(0.7, behind) * 0.7);
        if (shop) dim = (vec3(0.05, 0.045, 0.04) + vec3(0.1, 0.095, 0.085) * grain.r * step(from.y, 0.0)) * (0.5 + behind);
        if (door) dim = painted * (0.7 + 0.4 * step(0.1, abs(fract(from.y * 4.0) - 0.5)));
        float clear = door ? 0.35 * pane : pane;
        s.albedo = mix(s.albedo, dim, pane);
        s.gloss = mix(s.gloss, 0.9, clear);
        s.reflectance = mix(s.reflectance, 0.12, clear);
        float lit = step(1.0 - paint.w * (shop ? 2.0 : 1.0), behind) * (door ? 0.0 : 1.0);
        s.emitted += vec3(0.75, 0.5, 0.24) * lit * pane * (0.35 + 0.4 * random(cell.yx));
    } else if (kind == 5) {  // roof tiles: courses, and tiles in them
        float far = smoothstep(0.1, 0.4, fwidth(low));
        vec2 tile = vec2(local.x / 0.3, low * 4.5);
        float tone = random(floor(tile)) - 0.5;
        s.albedo *= 0.75 + 0.3 * grain.g + (1.0 - far) * (0.4 * tone + 0.3 * (abs(fract(tile.y) - 0.5) - 0.25));
    } else {
        s.albedo *= 0.65 + 0.35 * grain.g + 0.35 * grain.b;
    }
#else
    if (kind == 1) {  // paint: flakes, and dirt towards the sills
        float dirt = smoothstep(0.75, 0.2, low + 0.5 * (grain.g - 0.5)) * (0.25 + 0.5 * weather.x);
        s.albedo = mix(s.albedo * (0.94 + 0.12 * grain.r), soil.rgb * 0.8, dirt * 0.6);
        s.gloss *= 1.0 - 0.6 * dirt;
    } else if (kind == 2) {  // leaves: light and dark clumps
        float clump = grain.g * 0.5 + grain.b * 0.7;
        s.albedo *= 0.3 + 1.6 * clump * clump;
        s.albedo.r *= 0.75 + 0.5 * grain.r;
        s.open *= 0.5 + 0.5 * grain.b;
        s.normal = normalize(s.normal + (grain - 0.5) * 0.9);
    } else if (kind == 3) {  // stone, bark, tyres, boards
        s.albedo *= 0.65 + 0.35 * grain.g + 0.35 * grain.b;
    } else if (kind == 8) {  // bricks
        vec2 course = vec2(wall.x / 0.25, low / 0.083);
        course.x += 0.5 * mod(floor(course.y), 2.0);
        vec2 mortar = abs(fract(course) - 0.5);
        float sharp = 1.0 - smoothstep(0.04, 0.16, fwidth(low));
        s.albedo *= (0.7 + 0.5 * grain.g) * mix(1.0, 0.7 + 0.6 * random(floor(course)), sharp);
        s.albedo = mix(s.albedo, vec3(0.36), 0.7 * sharp * step(0.42, max(mortar.y, mortar.x * 0.87 + 0.02)));
    } else if (kind == 9) {  // checks, stripes or plain
        vec2 cell = floor(wall * (2.0 + 6.0 * offset.x));
        float odd = mod(cell.x + (offset.y > 0.6 ? cell.y : 0.0), 2.0) * step(0.3, offset.y);
        s.albedo = mix(s.albedo, colors[1].rgb, odd);
    } else if (kind == 6) {  // cloth: folds
        s.albedo *= 0.6 + 0.8 * grain.r;
        s.normal = normalize(s.normal + (grain.gbr - 0.5) * 0.5);
    } else if (kind == 7) {  // signs: a bright face in a rim
        vec2 from = (wall - vec2(0.0, size.y * 0.865)) / (0.13 * size.y);
        float mark = step(abs(from.y), 0.16) * step(abs(from.x), 0.45 * fract(offset.x * 3.0) + 0.1);
        vec3 face = mix(vec3(0.6), vec3(0.03), mark * step(0.4, offset.y));
        s.albedo = mix(mix(face, s.albedo, step(0.75, offset.x)), s.albedo, smoothstep(0.62, 0.72, length(from)));
    }
#endif
}
