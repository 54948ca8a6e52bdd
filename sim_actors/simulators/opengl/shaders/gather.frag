#version 330
// The mean light of each cell of the picture, for the glow around highlights.

uniform sampler2D image;
uniform int cell;             // samples a side

layout(location = 0) out vec4 out_color;

void main() {
    vec2 texel = 1.0 / vec2(textureSize(image, 0)), corner = floor(gl_FragCoord.xy) * float(cell);
    vec3 sum = vec3(0.0);
    for (int y = 0; y < 4; ++y)
        for (int x = 0; x < 4; ++x) {
            vec2 at = corner + (vec2(x, y) + 0.5) * (0.25 * float(cell));
            sum += min(texture(image, min(at * texel, vec2(1.0))).rgb, 40.0);
        }
    out_color = vec4(sum / 16.0, 1.0);
}
