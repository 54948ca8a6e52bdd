#version 330
// Ambient occlusion from depth: McGuire et al., "The Alchemy Screen-Space Ambient Obscurance
// Algorithm", HPG 2011, with eight taps that turn from pixel to pixel.

uniform sampler2D depth_map;
uniform int scale;            // depth samples per pixel and axis
uniform vec4 lens;            // fx, fy, cx, cy of the depth map, its samples
uniform vec2 range;           // near and far plane, m

layout(location = 0) out float out_light;

const float RADIUS = 0.7;     // m

float depth_at(ivec2 at) {
    float z = texelFetch(depth_map, at, 0).r * 2.0 - 1.0;
    return 2.0 * range.x * range.y / (range.x + range.y - z * (range.y - range.x));
}

vec3 point(vec2 at, float z) { return vec3((at - lens.zw) / lens.xy * z, z); }

void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy), size = textureSize(depth_map, 0);
    ivec2 here = pixel * scale;
    float z = depth_at(here);
    vec3 p = point(vec2(here) + 0.5, z);
    vec3 n = normalize(cross(dFdx(p), dFdy(p)));
    n *= -sign(dot(n, p));
    float reach = min(RADIUS * lens.x / z, 0.12 * float(size.x));
    float turn = float((pixel.x & 1) * 2 + (pixel.y & 1)) * 0.3927 + 0.2;
    float sum = 0.0;
    for (int k = 0; k < 8; ++k) {
        float angle = turn + float(k) * 2.3999632;
        ivec2 at = here + ivec2(vec2(cos(angle), sin(angle)) * (reach * sqrt((float(k) + 0.7) / 8.0)));
        at = clamp(at, ivec2(0), size - 1);
        vec3 q = point(vec2(at) + 0.5, depth_at(at)) - p;
        float squared = dot(q, q);
        sum += max(dot(q, n) - 0.012 * z, 0.0) / (squared + 0.02) * smoothstep(4.0 * RADIUS * RADIUS, 0.0, squared);
    }
    out_light = mix(clamp(1.0 - 0.22 * sum, 0.15, 1.0), 1.0, smoothstep(45.0, 80.0, z));
}
