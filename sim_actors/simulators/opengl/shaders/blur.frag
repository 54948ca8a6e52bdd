#version 330
// Across a row: lens blur and the filter over samples. Highlights are held to the sensor's well.

uniform sampler2D image;
uniform int scale;
uniform int reach;
uniform float taps[55];       // with three zeros at either end
uniform int drift;            // samples that a colour moves, at most, 0 to 3
uniform float spread;         // of red and blue against green, in the corners: share of the way out
uniform float middle;         // of the image, px

layout(location = 0) out vec4 out_color;

vec3 sample_at(int column, int last, int row) {
    return min(texelFetch(image, ivec2(clamp(column, 0, last), row), 0).rgb, 12.0);
}

void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    int column = pixel.x * scale + scale / 2, last = textureSize(image, 0).x - 1;
    vec3 color = vec3(0.0);
#ifdef SPREAD
    // The kernel of red moves inwards by what its image lies farther out, and blue's outwards.
    float shift = -spread * (float(pixel.x) + 0.5 - middle) * float(scale), whole = floor(shift), part = shift - whole;
    int k0 = int(whole), k1 = -int(whole) - 1;
    for (int k = -reach - drift; k <= reach + drift; ++k) {
        vec3 here = sample_at(column + k, last, pixel.y);
        int a = clamp(k - k0 + reach + 3, 1, 2 * reach + 6), b = clamp(k - k1 + reach + 3, 1, 2 * reach + 6);
        color += vec3(mix(taps[a], taps[a - 1], part), taps[k + reach + 3], mix(taps[b - 1], taps[b], part)) * here;
    }
#else
    for (int k = -reach; k <= reach; ++k)
        color += taps[k + reach + 3] * sample_at(column + k, last, pixel.y);
#endif
    out_color = vec4(color, 1.0);
}
