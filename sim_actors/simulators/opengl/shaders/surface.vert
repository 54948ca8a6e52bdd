#version 330
#include common.glsl
#include instance.glsl

uniform vec4 materials[46];

in vec3 in_position;
in vec3 in_normal;
in float in_material;
#ifdef CHART
in vec2 in_place;      // of the texture, [0, 1]
#endif

out vec3 v_position;
out vec3 v_normal;
out vec3 v_local;
out vec3 v_axis;
out vec3 v_albedo;
out vec3 v_gloss;      // gloss, reflectance, emission (negative: tail lamp)
flat out int v_texture;
flat out float v_scale; // of the noise field, tiles per m

void main() {
    vec4 p = pose * vec4(in_position, 1.0);
    v_position = p.xyz;
    v_normal = mat3(turn) * in_normal;
    v_local = in_position * size.xyz * vec3(1.0, -1.0, 1.0);
    v_axis = in_normal;
    int number = int(in_material + 0.5), rgb565 = number - 1024;   // user_bodies.py: a colour of its own
    int index = rgb565 < 0 ? number : 3;
    vec4 base = materials[2 * index], rest = materials[2 * index + 1];
    int tint = int(rest.x);
    vec3 own = tint == 1 ? colors[0].rgb : (tint == 2 ? colors[1].rgb : colors[2].rgb);
    v_albedo = tint == 0 ? base.rgb : mix(base.rgb, own, fract(rest.x));
    if (rgb565 >= 0)
        v_albedo = pow(vec3(rgb565 >> 11, rgb565 >> 5 & 63, rgb565 & 31) / vec3(31.0, 63.0, 31.0), vec3(2.2));
    v_gloss = vec3(rest.yz, rest.w * colors[2].w);
    v_texture = int(base.w);
    v_scale = fract(base.w);
#ifdef MIRROR
    // Seen in the wet road: the image below it.
    p.xyz += 2.0 * (down.w - dot(p.xyz, down.xyz)) * down.xyz;
#endif
#ifdef CHART
    gl_Position = vec4(in_place * 2.0 - 1.0, 0.0, 1.0);
#else
    gl_Position = projection * p;
#endif
}
