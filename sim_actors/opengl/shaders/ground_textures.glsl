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

Ground ground_at(vec3 p) {
    vec2 at = road_coordinates(p);
    vec2 blur = max(fwidth(at), 1e-4);
    float side = abs(at.y), half_width = road.w, edge = half_width + 0.18 + lanes.z;
    vec2 offset = vec2(verge.w, soil.w);
    vec3 coarse = texture(noise_map, at * 0.013 + offset).rgb;
    vec3 middle = texture(noise_map, at * vec2(0.09, 0.13) + offset).rgb;
    vec3 fine = texture(noise_map, at * 0.9).rgb;
    float wear = surface.w;

    // The carriageway: patches, stains, the darker tracks of wheels.
    float lane = (at.y + half_width) / lanes.x;
    float track = exp(-30.0 * pow(abs(fract(lane) - 0.5) - 0.24, 2.0));
    vec3 tar = surface.rgb * (1.0 + wear * (1.6 * (coarse.r - 0.5) + 0.9 * (middle.g - 0.5) + 1.2 * (fine.b - 0.5)));
    tar *= 1.0 - 0.18 * wear * track;
    float nearest = round(lane);
    bool border = nearest < 0.5 || nearest > lanes.y - 0.5;
    float line_at = (lane - nearest) * lanes.x + (border ? sign(at.y) * 0.2 : 0.0);
    float dash = border ? 1.0 : clamp(0.5 + (1.5 - abs(mod(at.x, 9.0) - 4.5)) / blur.x, 0.0, 1.0);
    dash = mix(dash, border ? 1.0 : 0.33, smoothstep(2.0, 6.0, blur.x));
    float line = stripe(line_at, 0.13, blur.y) * dash * lanes.w * step(side, half_width);
    vec3 carriageway = mix(tar, paint.rgb, line * (0.9 - 0.8 * wear * middle.b));

    // Kerb, pavement slabs, verge.
    vec2 slab = abs(fract(at / max(pavement.w, 0.05)) - 0.5);
    vec2 joint = clamp((slab - 0.47) / max(blur / pavement.w, 0.02) + 0.5, 0.0, 1.0);
    float seam = max(joint.x, joint.y) * (1.0 - smoothstep(0.2, 0.7, max(blur.x, blur.y) / pavement.w));
    vec3 walk = pavement.rgb * (0.85 + 0.2 * middle.r + 0.3 * (fine.g - 0.5)) * (1.0 - 0.35 * seam);
    float kerb = smoothstep(half_width, half_width + 0.02 + blur.y, side);
    float gutter = stripe(side - half_width + 0.06, 0.14, blur.y);
    vec3 stone = pavement.rgb * 1.25 * (0.9 + 0.2 * fine.r);
    float grassy = smoothstep(0.32, 0.55, 0.6 * coarse.g + 0.4 * middle.r);
    vec3 grass = mix(soil.rgb, verge.rgb, grassy) * (0.55 + 0.6 * middle.b + 0.5 * fine.g);
    vec3 albedo = mix(carriageway * (1.0 - 0.2 * gutter * step(0.01, lanes.z)), stone, lanes.z > 0.01 ? kerb : 0.0);
    albedo = mix(albedo, walk, lanes.z > 0.01 ? smoothstep(0.0, 0.02 + blur.y, side - half_width - 0.18) : 0.0);
    float beyond = smoothstep(0.0, 0.3 + blur.y, side - (lanes.z > 0.01 ? edge : half_width) + 0.5 * (middle.g - 0.5));
    albedo = mix(albedo, grass, beyond);
    return Ground(albedo, fine, middle, coarse, beyond, kerb, track);
}
