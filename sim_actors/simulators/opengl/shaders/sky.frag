#version 330
#include common.glsl

uniform sampler2D noise_map;
uniform sampler2D sky_map;

in vec3 v_direction;
layout(location = 0) out vec4 out_color;
#ifdef BARE                      // behind everything: passes/albedo.py
layout(location = 1) out vec4 out_shown;
layout(location = 2) out vec4 out_light;
#else
layout(location = 1) out uint out_id;
#endif

void main() {
#ifdef PANORAMA                   // azimuth and elevation, of half a turn and a quarter: passes/bake.py
    vec2 turn = v_direction.xy * vec2(3.14159265, 1.57079633);
    vec3 d = vec3(sin(turn.x) * cos(turn.y), 0.0, 0.0) + forward_axis() * (cos(turn.x) * cos(turn.y)) - down.xyz * sin(turn.y);
#else
    vec3 d = normalize(v_direction);
#endif
    float up = -dot(d, down.xyz);
    vec3 color = texture(sky_map, sky_place(d)).rgb;
    float bright = dot(horizon.rgb, vec3(0.33));
    float toward = max(dot(d, sun.xyz), 0.0);

    // Clouds on a layer overhead, lit by the sun from above and by the sky.
    vec2 plane = d.xz / max(up + 0.1, 0.04) * weather.z + vec2(verge.w, soil.w);
    float cover = texture(noise_map, plane * 0.09).r * 0.55 + texture(noise_map, plane * 0.27).g * 0.3
        + texture(noise_map, plane * 0.8).b * 0.15;
#ifdef VEILED
    // Below a closed deck: lighter and darker folds.
    color *= 0.86 + 0.28 * mix(0.5, cover, smoothstep(0.0, 0.2, up) * exp(-60.0 * fog.w));
#else
    float edge = 0.66 - 0.36 * horizon.w;
    float cloud = smoothstep(edge, edge + 0.22, cover) * smoothstep(0.0, 0.12, up);
    float lining = pow(toward, 6.0);
    vec3 puff = vec3(bright) * (0.9 + 0.25 * lining) + sun_color.rgb * (0.22 + 0.3 * lining) * (1.25 - 0.6 * cover);
    color = mix(color, puff, cloud * 0.8);
#ifndef PANORAMA
    // The disc, half a degree wide, in its aureole.
    color += sun_color.rgb * (40.0 * smoothstep(0.99996, 0.99999, toward) + 1.5 * pow(toward, 1500.0)) * (1.0 - 0.9 * cloud);
#endif
#endif

    // A far skyline of woods and roofs, mostly lost in the haze.
    float bearing = atan(d.x, d.z);
    float ridge = 0.012 + 0.045 * texture(noise_map, vec2(bearing * 0.5 + verge.w, 0.37)).r
        + 0.012 * texture(noise_map, vec2(bearing * 3.0 + soil.w, 0.71)).b;
    float far = smoothstep(0.002, -0.002, up - ridge);
    vec3 woods = mix(verge.rgb * 0.8, vec3(0.035, 0.05, 0.05), 0.6) * (bounce.rgb * 5.0 + 0.5 * fog.rgb);
    vec3 air = air_light(d);
    color = mix(color, mix(woods, air, 1.0 - exp(-fog.w * 400.0 - 0.12)), far);
    color = mix(color, air, (1.0 - exp(-fog.w * 700.0)) * smoothstep(0.45, 0.0, up) * smoothstep(0.002, 0.03, fog.w));
#ifdef BARE
    out_color = vec4(0.0);
    out_shown = vec4(-1.0, 0.0, 0.0, 1.0);
    out_light = vec4(color * weather.w, 1.0);
#else
    out_color = vec4(color * weather.w, 1.0);
    out_id = 0u;
#endif
}
