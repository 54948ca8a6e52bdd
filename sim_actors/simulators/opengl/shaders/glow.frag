#version 330
// What a lens scatters: a narrow halo and a wide veil around each cell's light.

uniform sampler2D glow_map;

layout(location = 0) out vec4 out_color;

void main() {
    ivec2 cell = ivec2(gl_FragCoord.xy), last = textureSize(glow_map, 0) - 1;
    vec3 sum = vec3(0.0);
    float total = 0.0;
    for (int y = -4; y <= 4; ++y)
        for (int x = -4; x <= 4; ++x) {
            float squared = float(x * x + y * y);
            float weight = exp(-0.7 * squared) + 0.12 * exp(-0.09 * squared);
            sum += weight * texelFetch(glow_map, clamp(cell + ivec2(x, y), ivec2(0), last), 0).rgb;
            total += weight;
        }
    out_color = vec4(sum / total, 1.0);
}
