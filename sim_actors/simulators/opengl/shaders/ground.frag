#version 330
#include common.glsl
#include road.glsl
#include lighting.glsl
#include ground_textures.glsl

#ifdef WET
uniform sampler2D mirror_map;   // bodies as the road mirrors them; alpha: where there are any
uniform float mirror_scale;     // its pixels per sample of the picture
#endif

in vec3 v_position;
layout(location = 0) out vec4 out_color;
#ifdef BARE                      // no light yet: passes/albedo.py
layout(location = 1) out vec4 out_shown;
layout(location = 2) out vec4 out_light;
#else
layout(location = 1) out uint out_id;
#endif

void main() {
    Ground g = ground_at(v_position);

    // Rain darkens and mirrors, most in the puddles; snow lies least in the wheel tracks.
    float wet = weather.x, paved = 1.0 - g.beyond;
    float puddle = wet * smoothstep(0.6 - 0.25 * wet, 0.75, g.middle.r * 0.45 + g.coarse.b * 0.55) * paved;
    g.albedo *= 1.0 - 0.5 * wet * (1.0 - 0.5 * g.beyond);
    float gloss = paved * mix(0.22, mix(0.62, 0.95, puddle), wet);
    float clear_of_snow = (1.0 - g.kerb) * (0.3 + 0.55 * g.track);
    float snow = smoothstep(0.0, 0.55, weather.y * 1.35 - clear_of_snow - 0.45 * g.middle.g);
    vec3 slush = mix(vec3(0.34, 0.34, 0.35), vec3(0.76, 0.78, 0.82), smoothstep(0.3, 0.9, snow));
    g.albedo = mix(g.albedo, slush * (0.85 + 0.2 * g.middle.r), snow);
    gloss *= 1.0 - snow;

#ifdef BARE
    out_color = vec4(g.albedo, gloss);
    out_shown = vec4(0.0, 0.02, length(v_position), 1.0);
    out_light = vec4(0.0, 0.0, 0.0, 1.0);
    return;
#else
    vec3 n = normalize(-down.xyz + vec3(g.fine.r - 0.5, 0.0, g.fine.g - 0.5) * 0.12 * (1.0 - puddle));
    vec3 color = shaded(vec3(0.0), v_position, n, g.albedo, gloss, 0.02, 1.0, 0.0);
#ifdef WET
    {   // What stands on the road, upside down in the film of water: sharp in puddles, else smeared.
        vec2 at = gl_FragCoord.xy / vec2(textureSize(mirror_map, 0)) * mirror_scale;
        vec2 ripple = n.xz * vec2(0.05, 0.12);
        float smear = mix(0.045, 0.006, puddle);
        vec4 seen = vec4(0.0);
        for (int k = 0; k < 5; ++k)
            seen += texture(mirror_map, at + ripple + vec2(0.0, (float(k) - 1.5) * smear));
        seen *= 0.2;
        vec3 v = normalize(-v_position);
        float lack = 1.0 - clamp(dot(-down.xyz, v), 0.0, 1.0), squared = lack * lack;
        float fresnel = (0.02 + 0.98 * squared * squared * lack) * mix(0.55, 1.0, puddle) * gloss;
        vec3 behind = surroundings(reflect(-v, -down.xyz), 1.0, 0.1);
        color += (seen.rgb - behind * seen.a) * (fresnel * exp(-fog.w * length(v_position)));
    }
#endif
    out_color = vec4(max(color, 0.0) * weather.w, 1.0);
    out_id = 0u;
#endif
}
