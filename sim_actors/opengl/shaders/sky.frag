#version 330
#include common.glsl

uniform sampler2D noise_map;

in vec3 v_direction;
layout(location = 0) out vec4 out_color;
layout(location = 1) out uint out_id;

void main() {
    vec3 d = normalize(v_direction);
    float up = -dot(d, down.xyz);
    vec3 color = sky_gradient(d);
    float bright = dot(horizon.rgb, vec3(0.33));
    vec2 plane = d.xz / max(up + 0.12, 0.05) * weather.z + vec2(verge.w, soil.w);
    float cover = texture(noise_map, plane * 0.12).r * 0.6 + texture(noise_map, plane * 0.31).g * 0.4;
    float cloud = smoothstep(0.62 - 0.5 * horizon.w, 0.85 - 0.45 * horizon.w, cover) * smoothstep(-0.02, 0.12, up);
    vec3 puff = mix(horizon.rgb, vec3(bright) * 1.12, 0.6) * (0.82 + 0.3 * cover) + sun_color.rgb * 0.06;
    color = mix(color, puff, cloud * (0.55 + 0.4 * horizon.w));
    float toward = max(dot(d, sun.xyz), 0.0);
    color += sun_color.rgb * (0.12 * pow(toward, 12.0) + 2.5 * pow(toward, 1200.0)) * (1.0 - 0.8 * cloud);

    // A far skyline of woods and roofs, mostly lost in the haze.
    float bearing = atan(d.x, d.z);
    float ridge = 0.012 + 0.045 * texture(noise_map, vec2(bearing * 0.5 + verge.w, 0.37)).r
        + 0.012 * texture(noise_map, vec2(bearing * 3.0 + soil.w, 0.71)).b;
    float far = smoothstep(0.002, -0.002, up - ridge);
    vec3 woods = mix(verge.rgb, vec3(bright) * 0.25, 0.5) * (bright + 0.01);
    color = mix(color, mix(woods, fog.rgb, 1.0 - exp(-fog.w * 260.0)), far);
    color = mix(color, fog.rgb, (1.0 - exp(-fog.w * 700.0)) * smoothstep(0.3, 0.0, up) * smoothstep(0.004, 0.03, fog.w));
    out_color = vec4(color * weather.w, 1.0);
    out_id = 0u;
}
