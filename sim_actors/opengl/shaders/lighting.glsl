// One sun with a shadow map, a hemisphere of sky, lamps at night, fog. Needs common.glsl, road.glsl.

uniform sampler2DShadow shadow_map;
uniform sampler2D noise_map;

float sun_visible(vec3 p, vec3 n) {
    // The point is moved along its normal by about a texel's footprint: no acne, little leak.
    vec3 at = (shadow * vec4(p + n * 0.09, 1.0)).xyz;
    vec2 edge = abs(at.xy - 0.5);
    if (max(edge.x, edge.y) > 0.49 || at.z > 1.0) return 1.0;
    vec3 r = vec3(sun.w, 0.4 * sun.w, 0.0);
    float lit = texture(shadow_map, at + r) + texture(shadow_map, at - r);
    return mix(lit * 0.5, 1.0, smoothstep(0.42, 0.49, max(edge.x, edge.y)));
}

#ifdef NIGHT
// Light of the street lamps (every 28 m, on alternate sides) and of the camera's own headlights.
vec3 lamp_light(vec3 p, vec3 n) {
    vec2 at = road_coordinates(p);
    vec3 along = vec3(road.y, 0.0, 0.0) + forward_axis() * road.x;
    vec3 across = vec3(road.x, 0.0, 0.0) - forward_axis() * road.y;
    vec3 foot = vec3(road.z, 0.0, 0.0) + down.xyz * (down.w - 7.0);
    float first = floor(at.x / 28.0);
    vec3 total = vec3(0.0);
    for (int k = 0; k < 2; ++k) {
        float index = first + float(k);
        float side = mod(index, 2.0) < 0.5 ? 1.0 : -1.0;
        vec3 to = foot + along * (index * 28.0) + across * side * (road.w + 0.5) - p;
        float squared = dot(to, to);
        vec3 l = to * inversesqrt(squared);
        float cone = smoothstep(0.1, 0.7, -dot(l, down.xyz));
        total += lamp.rgb * (max(dot(n, l), 0.0) * 0.8 + 0.2) * cone / (squared + 8.0);
    }
    vec3 to = vec3(0.0, 0.9, 0.2) - p;
    float squared = dot(to, to);
    vec3 l = to * inversesqrt(squared);
    vec3 beam = normalize(forward_axis() + down.xyz * 0.03);
    float cone = smoothstep(0.8, 0.99, -dot(l, beam));
    total += vec3(1.0, 0.95, 0.86) * lamp.w * (0.85 * max(dot(n, l), 0.0) + 0.15) * cone / (squared + 90.0);
    return total;
}
#endif

vec3 fogged(vec3 color, float distance) {
    return mix(fog.rgb, color, exp(-fog.w * distance));
}

// Radiance towards the camera of a surface point. `open` is the share of sky that it sees.
vec3 shaded(vec3 p, vec3 n, vec3 albedo, float gloss, float reflectance, float open) {
    float distance = length(p);
    vec3 v = -p / distance;
    float facing = max(dot(n, v), 0.0);
    float lambert = dot(n, sun.xyz);
    float visible = lambert > 0.0 && sun_color.r + sun_color.g > 0.0 ? sun_visible(p, n) : 0.0;
    float up = 0.5 - 0.5 * dot(n, down.xyz);
    vec3 sky_light = mix(zenith.rgb, horizon.rgb, 0.55) * bounce.w;
    vec3 light = mix(bounce.rgb, sky_light, up) * open + sun_color.rgb * max(lambert, 0.0) * visible;
#ifdef NIGHT
    light += lamp_light(p, n);
#endif
    vec3 color = albedo * light;
    vec3 r = reflect(-v, n);
    float rise = -dot(r, down.xyz);
    vec3 mirror = mix(bounce.rgb * 0.6, mix(horizon.rgb, zenith.rgb, clamp(1.3 * rise, 0.0, 1.0)) * bounce.w,
                      smoothstep(-0.15, 0.12, rise));
    float graze = (1.0 - facing) * (1.0 - facing);
    float fresnel = reflectance + (1.0 - reflectance) * graze * graze * gloss;
    float power = exp2(3.0 + 7.0 * gloss);
    float spot = pow(max(dot(r, sun.xyz), 0.0), power) * visible * power * 0.04;
    color = mix(color, mirror * open, fresnel * gloss) + sun_color.rgb * (spot * fresnel * gloss);
    return fogged(color, distance);
}
