// One sun with two shadow cascades, the sky around, lamps at night, fog. Needs common.glsl, road.glsl.

uniform sampler2D noise_map;
uniform sampler2D sky_map;
#ifdef SUN
uniform sampler2DShadow shadow_map;    // the near cascade on the left, the wider one on the right

float sun_visible(vec3 p, vec3 n, float lambert) {
    // The point moves along its normal, the more the flatter the light falls: no acne, little leak.
    float lift = 1.0 + 2.0 * (1.0 - lambert);
    vec3 near = (shadow * vec4(p + n * (sky_right.w * lift), 1.0)).xyz;
    vec3 wide = (shadow_wide * vec4(p + n * (sky_ahead.w * lift), 1.0)).xyz;
    vec2 edge = abs(near.xy - 0.5), rim = abs(wide.xy - 0.5);
    bool close = max(edge.x, edge.y) < 0.48;
    vec3 at = close ? vec3(near.x * 0.5, near.yz) : vec3(wide.x * 0.5 + 0.5, wide.yz);
    float r = close ? max(sun.w / 26.0, 0.8 / sun_color.w) : 0.8 / sun_color.w;
    // Three taps around the point, each of them filtered over four texels.
    float lit = texture(shadow_map, at + vec3(0.0, r, 0.0)) + texture(shadow_map, at + vec3(0.87 * r, -0.5 * r, 0.0))
        + texture(shadow_map, at - vec3(0.87 * r, 0.5 * r, 0.0));
    float away = close ? 0.0 : smoothstep(0.42, 0.49, max(rim.x, rim.y));
    return mix(lit / 3.0, 1.0, away);
}
#endif

#ifdef NIGHT
// Light of the street lamps (every 28 m, on alternate sides), of vehicles' head lamps and of the
// camera's own.
vec3 lamp_light(vec3 p, vec3 n) {
    vec2 at = road_coordinates(p);
    float heading = atan(road.y, road.x) + bend.x * at.x;
    vec3 along = vec3(sin(heading), 0.0, 0.0) + forward_axis() * cos(heading);
    vec3 across = vec3(cos(heading), 0.0, 0.0) - forward_axis() * sin(heading);
    vec3 above = down.xyz * (down.w - dot(p, down.xyz) - 7.0);
    float first = floor(at.x / 28.0);
    vec3 total = vec3(0.0);
    for (int k = 0; k < 2; ++k) {
        float index = first + float(k);
        float side = mod(index, 2.0) < 0.5 ? 1.0 : -1.0;
        // Near enough to a lamp for its light to count, the bent road's coordinates are straight.
        vec3 to = along * (index * 28.0 - at.x) + across * (side * (road.w + 0.5) - at.y) + above;
        float squared = dot(to, to);
        vec3 l = to * inversesqrt(squared);
        float cone = smoothstep(0.1, 0.7, -dot(l, down.xyz));
        total += lamp.rgb * (max(dot(n, l), 0.0) * 0.8 + 0.2) * cone / (squared + 8.0);
    }
    vec3 to = vec3(0.0, 0.9, 0.2) - p;
    float squared = dot(to, to);
    vec3 l = to * inversesqrt(squared);
    vec3 beam = normalize(forward_axis() + down.xyz * 0.03);
    float cone = smoothstep(0.82, 0.985, -dot(l, beam));
    float own = lamp.w * (0.85 * max(dot(n, l), 0.0) + 0.15) * cone / (squared + 250.0);
    for (int k = 0; k < 4; ++k) {
        to = beams[2 * k].xyz - p;
        squared = dot(to, to);
        l = to * inversesqrt(squared);
        // Dipped: wide to the sides, cut off above.
        float ahead = -dot(l, beams[2 * k + 1].xyz), drop = -dot(l, down.xyz);
        cone = smoothstep(0.72, 0.98, ahead) * smoothstep(-0.06, 0.02, drop);
        own += beams[2 * k].w * (0.85 * max(dot(n, l), 0.0) + 0.15) * cone / (squared + 25.0);
    }
    return total + vec3(1.0, 0.95, 0.86) * own;
}
#endif

vec3 fogged(vec3 color, vec3 toward, float distance) {
    return mix(air_light(toward), color, exp(-fog.w * distance));
}

// What a mirror shows in direction d, blurred to `lod` of the sky map: the sky, a dark rim of far
// things on the horizon, the ground.
vec3 surroundings(vec3 d, float lod, float blur) {
    float rise = -dot(d, down.xyz);
    vec3 sky = textureLod(sky_map, sky_place(d), lod).rgb;
    vec3 rim = mix(bounce.rgb * 0.45, fog.rgb, 0.18);
    vec3 low = mix(bounce.rgb * 0.8, rim, smoothstep(-0.12 - blur, 0.0, rise));
    return mix(low, sky, smoothstep(0.05 - blur, 0.16 + blur, rise));
}

// Light on a surface from all sides but its mirror's; `open` is the share of sky that it sees.
vec3 ambient_light(vec3 n) {
    vec4 m = vec4(n, 1.0);
    return max(vec3(dot(ambient[0], m), dot(ambient[1], m), dot(ambient[2], m)), 0.0);
}

// Radiance towards the eye (camera axes) of a surface point. `through`: the share of the sun's light
// behind the surface that comes through it.
vec3 shaded(vec3 eye, vec3 p, vec3 n, vec3 albedo, float gloss, float reflectance, float open, float through) {
    vec3 v = eye - p;
    float distance = length(v);
    v /= distance;
    float facing = clamp(dot(n, v), 0.0, 1.0);
    vec3 light = ambient_light(n) * open;
#ifdef NIGHT
    light += lamp_light(p, n);
#endif
    float lack = 1.0 - facing, fifth = lack * lack * lack * lack * lack;
    float fresnel = reflectance + max(gloss - reflectance, 0.0) * fifth;   // Lagarde's, for rough ones
    float rough = 1.0 - gloss;
    vec3 r = reflect(-v, n);
    vec3 mirror = surroundings(r, 4.5 * rough, 0.4 * rough) * open * (0.25 + 0.75 * gloss);
    vec3 glint = vec3(0.0);
#ifdef SUN
    float lambert = dot(n, sun.xyz), toward = abs(lambert);
    float visible = lambert > 0.0 || through > 0.0 ? sun_visible(p, lambert > 0.0 ? n : -n, toward) : 0.0;
    light += sun_color.rgb * (visible * (lambert > 0.0 ? lambert : through * toward));
    // Trowbridge and Reitz's lobe with Karis's visibility term.
    vec3 h = normalize(v + sun.xyz);
    float a = max(rough * rough, 0.03), nh = clamp(dot(n, h), 0.0, 1.0);
    float d = nh * nh * (a * a - 1.0) + 1.0;
    float lobe = a * a / (d * d) * (0.25 * rough + 0.25);
    float slant = 1.0 - clamp(dot(v, h), 0.0, 1.0), slant2 = slant * slant;
    float share = reflectance + max(gloss - reflectance, 0.0) * slant2 * slant2 * slant;
    glint = sun_color.rgb * (min(lobe, 60.0) * share * visible * max(lambert, 0.0));
#endif
    vec3 color = albedo * light * (1.0 - fresnel) + mirror * fresnel + glint;
    return fogged(color, -v, distance);
}
