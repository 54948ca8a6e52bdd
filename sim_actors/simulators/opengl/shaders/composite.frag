#version 330
#include film.glsl
// Down the columns of what composite_rows.frag filtered, and over the photo. Pixels that nothing
// touches keep the photo's own bytes.

uniform sampler2D image;
uniform sampler2D photo;
uniform int scale;
uniform int reach;
uniform float taps[55];
uniform vec2 noise;           // standard deviation at mid grey: of photons, of the read-out
uniform uint seed;

layout(location = 0) out vec4 out_color;

#include random.glsl

void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    int row = pixel.y * scale + scale / 2, last = textureSize(image, 0).y - 1;
    vec4 sum = vec4(0.0);
    for (int k = -reach; k <= reach; ++k)
        sum += taps[k + reach + 3] * texelFetch(image, ivec2(pixel.x, clamp(row + k, 0, last)), 0);
    vec3 original = texelFetch(photo, pixel, 0).rgb;
    out_color = vec4(original, 1.0);
    if (sum.a > 0.002) {
        vec3 color = sum.rgb;
        // The photo brings its own noise along; what is rendered gets as much.
        float rendered = min(sum.a, 40.0 * dot(color, vec3(1.0)));
        vec3 variance = noise.x * noise.x * color / 0.2140 + noise.y * noise.y * rendered;
        color += normal_noise(pixel, seed) * 0.93 * sqrt(variance);
        out_color.rgb = encoded(color + decoded(original) * (1.0 - min(sum.a, 1.0)));
    }
}
