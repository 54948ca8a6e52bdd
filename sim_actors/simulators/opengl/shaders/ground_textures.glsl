// What the ground is: carriageway with its markings, kerb, pavement, verge. Needs road.glsl, noise_map.

struct Ground {
    vec3 albedo;
    vec3 fine;         // the noise field at the scale of grains, middling patches, and wide ones
    vec3 middle;
    vec3 coarse;
    float beyond;      // 0 on what is paved, 1 on grass and soil
    float kerb;        // 0 on the carriageway, 1 beside it
    float track;       // where wheels roll
};

// Share of a pixel of width `blur` that a stripe of `width` around 0 covers.
float stripe(float at, float width, float blur) {
    return clamp(0.5 + (0.5 * width - abs(at)) / blur, 0.0, 1.0) * min(1.0, width / blur);
}

float dice(vec2 cell) { return fract(sin(dot(cell, vec2(12.9898, 78.233))) * 43758.5453); }

// Tar with what years do to it: repaired patches, sealed seams, cracks, manhole covers. `at`: along and
// across, m; `lane`: the same in lanes.
vec3 worn_tar(vec2 at, float lane, vec2 blur, vec3 fine, vec3 middle, vec3 coarse, float track) {
    float wear = surface.w;
    vec2 offset = vec2(verge.w, soil.w);
    vec3 tar = surface.rgb * (1.0 + wear * (1.6 * (coarse.r - 0.5) + 0.9 * (middle.g - 0.5) + 1.2 * (fine.b - 0.5)));
    tar *= 1.0 - 0.18 * wear * track;
    float near = 1.0 - smoothstep(0.1, 0.5, blur.x);

    vec2 grid = vec2(at.x / 9.0 + offset.x * 7.0, lane * 1.5);
    vec2 cell = floor(grid), inside = (grid - cell) * vec2(9.0, lanes.x / 1.5);
    float which = dice(cell + floor(offset * 83.0));
    float reach = 1.2 + 5.0 * fract(which * 17.0);
    float patched = step(which, 0.7 * wear) * step(abs(inside.x - 4.5), reach * 0.5);
    tar *= 1.0 + patched * (fract(which * 31.0) - 0.62) * 0.8;
    float rim = step(which, 0.7 * wear) * stripe(abs(inside.x - 4.5) - reach * 0.5, 0.06, blur.x);
    float wander = 0.25 * (coarse.b - 0.5);
    float seam = stripe((fract(lane + 0.5) - 0.5) * lanes.x + 0.22 + 0.3 * wander, 0.04, blur.y) * step(0.5, offset.y + wear);
    float crack = (1.0 - smoothstep(0.0, 0.006 + 0.02 * blur.x, abs(middle.r - 0.5))) * smoothstep(0.56, 0.72, coarse.g) * near;
    tar *= 1.0 - clamp(0.45 * rim + 0.35 * seam + 0.9 * min(wear, 0.5) * crack, 0.0, 0.75);

    float hole = floor(at.x / 31.0 + offset.y * 5.0);
    vec2 to = vec2(at.x - (hole + 0.5 - offset.y * 5.0) * 31.0, (fract(lane) - 0.35 - 0.3 * dice(vec2(hole, 3.0))) * lanes.x);
    float own = step(0.6, dice(vec2(hole, floor(lane)))) * near;
    float r = length(to);
    tar = mix(tar, vec3(0.07, 0.066, 0.062) * (0.7 + 0.6 * step(0.5, fract(r * 9.0))), own * clamp((0.33 - r) / blur.x + 0.5, 0.0, 1.0));
    return tar * (1.0 - 0.5 * own * stripe(r - 0.35, 0.05, blur.x));
}

Ground ground_at(vec3 p) {
    vec2 at = road_coordinates(p);
    vec2 blur = max(fwidth(at), 1e-4);
    float half_width = road.w, paved = half_width + bend.w, walk_width = lanes.z;
    // Beyond the median of a motorway the same comes once more, mirrored.
    float mirror = -paved - 0.5 * cross_road.y;
    bool beyond_median = cross_road.y > 0.01 && at.y < mirror;
    if (beyond_median) at.y = 2.0 * mirror - at.y;
    float side = abs(at.y);
    bool walled = walk_width > 0.01;
    vec2 offset = vec2(verge.w, soil.w);
    vec3 coarse = texture(noise_map, at * 0.013 + offset).rgb;
    vec3 middle = texture(noise_map, at * vec2(0.09, 0.13) + offset).rgb;
    vec3 fine = texture(noise_map, at * 0.9).rgb;
    float wear = surface.w;

    // How far the spot lies beyond what wheels may use: beside this road and the one that crosses it,
    // with rounded corners between them.
    float cross_at = bend.y > 0.0 ? at.x - bend.y : 1e4;
    vec2 outside = vec2(side - paved, abs(cross_at) - cross_road.x);
    vec2 corner = 5.0 - outside;
    float edge = 5.0 - length(max(corner, 0.0)) - min(max(corner.x, corner.y), 0.0);
    float in_junction = bend.y > 0.0 ? clamp((3.5 - outside.y) / blur.x, 0.0, 1.0) : 0.0;

    // The carriageway and its lines.
    float lane = (at.y + half_width) / lanes.x;
    float track = exp(-30.0 * pow(abs(fract(lane) - 0.5) - 0.24, 2.0)) * step(side, half_width);
    vec3 tar = worn_tar(at, lane, blur, fine, middle, coarse, track);
    float nearest = clamp(round(lane), 0.0, lanes.y);
    bool border = nearest < 0.5 || nearest > lanes.y - 0.5;
    float line_at = (lane - nearest) * lanes.x + (border && bend.w < 0.01 ? sign(at.y) * 0.2 : 0.0);
    vec2 rhythm = cross_road.y > 0.01 ? vec2(18.0, 3.0) : vec2(9.0, 1.5);  // period, half a dash, m
    float dash = clamp(0.5 + (rhythm.y - abs(mod(at.x, rhythm.x) - 0.5 * rhythm.x)) / blur.x, 0.0, 1.0);
    dash = border ? 1.0 : mix(dash, 0.33, smoothstep(2.0, 6.0, blur.x));
    float line = stripe(line_at, cross_road.y > 0.01 ? 0.2 : 0.13, blur.y) * dash * (1.0 - in_junction);
    // The other road's middle, a stop line before it on the right, and a zebra crossing.
    float theirs = stripe(cross_at, 0.13, blur.x) * step(abs(mod(at.y, 9.0) - 4.5), 1.5) * step(paved + 4.0, side);
    bool coming = at.y > 0.0;
    float stop = stripe(cross_at + (coming ? 1.0 : -1.0) * (cross_road.x + 4.6), 0.45, blur.x) * step(side, half_width - 0.2);
    float bars = clamp(0.5 + (0.25 - abs(mod(at.y + half_width, 1.0) - 0.5)) / blur.y, 0.0, 1.0);
    float zebra = mix(bars, 0.5, smoothstep(0.4, 1.0, blur.y)) * step(side, half_width - 0.15);
    float over = bend.z > 0.0 ? clamp(0.5 + (1.6 - abs(at.x - bend.z)) / blur.x, 0.0, 1.0) : 0.0;
    line = max(mix(line, zebra, over), max(theirs, stop));
    line *= lanes.w * clamp(0.5 - edge / blur.y, 0.0, 1.0);
    vec3 carriageway = mix(tar, paint.rgb, line * (0.92 - 0.9 * wear * middle.b));

    // Kerb, pavement slabs, verge. The kerb is sunk where people cross.
    vec2 slab = abs(fract(at / max(pavement.w, 0.05)) - 0.5);
    vec2 joint = clamp((slab - 0.47) / max(blur / pavement.w, 0.02) + 0.5, 0.0, 1.0);
    float seam = max(joint.x, joint.y) * (1.0 - smoothstep(0.2, 0.7, max(blur.x, blur.y) / pavement.w));
    vec3 walk = pavement.rgb * (0.85 + 0.2 * middle.r + 0.3 * (fine.g - 0.5)) * (1.0 - 0.35 * seam);
    float soft = 0.02 + min(blur.x, blur.y) + 0.5 * abs(blur.y - blur.x) * step(outside.y, outside.x);
    float kerb = smoothstep(0.0, soft, edge);
    float gutter = stripe(edge + 0.06, 0.14, soft);
    vec3 stone = pavement.rgb * 1.25 * (0.9 + 0.2 * fine.r) * (1.0 - 0.3 * stripe(fract(at.x) - 0.5, 0.03, blur.x));
    float grassy = smoothstep(0.32, 0.55, 0.6 * coarse.g + 0.4 * middle.r);
    vec3 grass = mix(soil.rgb, verge.rgb, grassy) * (0.55 + 0.6 * middle.b + 0.5 * fine.g);
    grass *= 0.8 + 0.4 * mix(fine.r, 0.5, smoothstep(0.05, 0.4, blur.x));
    vec3 lot = mix(pavement.rgb * 0.8, surface.rgb * 1.5, step(0.5, coarse.r)) * (0.7 + 0.3 * middle.r + 0.3 * fine.g);
    grass = mix(grass, lot, cross_road.z * smoothstep(0.36, 0.4, coarse.b + 0.1 * (middle.g - 0.5)));
    vec3 albedo = mix(carriageway * (1.0 - (walled ? 0.25 : 0.0) * gutter), stone, walled ? kerb : 0.0);
    albedo = mix(albedo, walk, walled ? smoothstep(0.0, soft, edge - 0.18) : 0.0);
    float beyond = smoothstep(0.0, 0.3 + soft, edge - (walled ? 0.18 + walk_width : 0.0) + 0.5 * (middle.g - 0.5));
    albedo = mix(albedo, grass, beyond);
    return Ground(albedo, fine, middle, coarse, beyond, kerb, track);
}
