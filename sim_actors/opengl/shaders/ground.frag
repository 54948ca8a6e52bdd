#version 330
#include common.glsl
#include lighting.glsl

in vec3 v_position;
layout(location = 0) out vec4 out_color;
layout(location = 1) out uint out_id;

// Share of a pixel of width `blur` that a stripe of `width` around 0 covers.
float stripe(float at, float width, float blur) {
    return clamp(0.5 + (0.5 * width - abs(at)) / blur, 0.0, 1.0) * min(1.0, width / blur);
}

void main() {
    vec2 at = road_coordinates(v_position);
    vec2 blur = max(fwidth(at), 1e-4);
    float side = abs(at.y), half_width = road.w, edge = half_width + 0.18 + lanes.z;
    vec2 offset = vec2(verge.w, soil.w);
    vec3 coarse = texture(noise_map, at * 0.013 + offset).rgb;
    vec3 middle = texture(noise_map, at * vec2(0.09, 0.13) + offset).rgb;
    vec3 fine = texture(noise_map, at * 0.9).rgb;
    float gloss = 0.0, reflectance = 0.02;
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

    // Rain darkens and mirrors, most in the puddles; snow lies least in the wheel tracks.
    float wet = weather.x;
    float puddle = wet * smoothstep(0.62 - 0.2 * wet, 0.72, middle.r * 0.5 + coarse.b * 0.5) * (1.0 - beyond);
    albedo *= 1.0 - 0.45 * wet * (1.0 - 0.5 * beyond);
    gloss = (1.0 - beyond) * wet * mix(0.45, 0.9, puddle);
    float clear_of_snow = (1.0 - kerb) * (0.35 + 0.5 * track);
    float snow = smoothstep(0.0, 0.35, weather.y * 1.3 - clear_of_snow - 0.5 * middle.g);
    albedo = mix(albedo, vec3(0.76, 0.78, 0.82) * (0.85 + 0.2 * middle.r), snow);
    gloss *= 1.0 - snow;

    vec3 n = normalize(-down.xyz + vec3(fine.r - 0.5, 0.0, fine.g - 0.5) * 0.12 * (1.0 - puddle));
    vec3 color = shaded(v_position, n, albedo, gloss, reflectance, 1.0);
    out_color = vec4(color * weather.w, 1.0);
    out_id = 0u;
}
