#version 330
// From the rendered radiance to the sensor's pixels.

uniform sampler2D image;
uniform sampler2D noise_map;
uniform int scale;            // rendered samples per pixel and axis, 1 or 2
uniform int reach;            // taps to either side of the centre
uniform float taps[55];       // lens blur and filter over samples, as one kernel; three zeros at either end
uniform int drift;            // samples that a colour moves, at most, 0 to 3
uniform float spread;         // of red and blue against green, in the corners: share of the way out
uniform float middle;         // of the image, px
uniform sampler2D glow_map;
uniform float bloom;          // share of the light that the lens scatters
uniform vec2 image_size;      // px
uniform vec3 gains;           // white balance and exposure
uniform float vignette;
uniform vec2 noise;           // standard deviation at mid grey: of photons, of the read-out
uniform uint seed;
uniform vec4 curve;
uniform vec3 film;            // the curve's last term, saturation, gain
uniform vec2 fall;            // shift of the pattern of rain or snow in the air

layout(location = 0) out vec4 out_color;

#include random.glsl

void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    int row = pixel.y * scale + scale / 2, last = textureSize(image, 0).y - 1;
    vec3 color = vec3(0.0);
#ifdef SPREAD
    float shift = -spread * (float(pixel.y) + 0.5 - middle) * float(scale), whole = floor(shift), part = shift - whole;
    int k0 = int(whole), k1 = -int(whole) - 1;
    for (int k = -reach - drift; k <= reach + drift; ++k) {
        vec3 here = texelFetch(image, ivec2(pixel.x, clamp(row + k, 0, last)), 0).rgb;
        int a = clamp(k - k0 + reach + 3, 1, 2 * reach + 6), b = clamp(k - k1 + reach + 3, 1, 2 * reach + 6);
        color += vec3(mix(taps[a], taps[a - 1], part), taps[k + reach + 3], mix(taps[b - 1], taps[b], part)) * here;
    }
#else
    for (int k = -reach; k <= reach; ++k)
        color += taps[k + reach + 3] * texelFetch(image, ivec2(pixel.x, clamp(row + k, 0, last)), 0).rgb;
#endif
#ifdef BLOOM
    vec2 cells = (vec2(pixel) + 0.5) / 8.0 / vec2(textureSize(glow_map, 0));
    color = mix(color, texture(glow_map, cells).rgb, bloom);
#endif
    vec2 centred = (vec2(pixel) + 0.5 - 0.5 * image_size) / (0.5 * length(image_size));
#if defined(RAIN) || defined(SNOW)
    float glow = dot(color, vec3(0.33));
#endif
#ifdef RAIN
    {                         // streaks, slanted, most of them faint
        vec2 where = vec2(pixel) / image_size.y;
        where.x += 0.12 * where.y;
        float drops = texture(noise_map, where * vec2(2.3, 0.13) + fall).b;
        color += vec3(0.9, 0.95, 1.0) * smoothstep(0.7, 1.0, drops) * (0.02 + 0.14 * glow);
    }
#endif
#ifdef SNOW
    {                         // flakes, near and far
        float flakes = 0.0;
        for (int layer = 0; layer < 2; ++layer) {
            vec2 where = vec2(pixel) / image_size.y * (layer == 0 ? 30.0 : 11.0) + 50.0 * fall;
            vec3 dice = vec3(shuffled(uvec3(uvec2(floor(where)), seed + uint(layer))) >> 8u) / 16777216.0;
            float away = length(fract(where) - 0.2 - 0.6 * dice.xy);
            flakes = max(flakes, smoothstep(0.14, 0.05, away) * step(0.45, dice.z) * (layer == 0 ? 0.6 : 0.75));
        }
        color = mix(color, vec3(0.8 * glow + 0.3), flakes);
    }
#endif
    color *= gains * film.z * (1.0 - vignette * dot(centred, centred));
    color = (curve.x * color + curve.y) * color / ((curve.z * color + curve.w) * color + film.x);
    color = max(mix(vec3(dot(color, vec3(0.2126, 0.7152, 0.0722))), color, film.y), 0.0);
    if (noise.x + noise.y > 0.0) {   // photons: the deviation grows with the root of the signal
        // 0.2140 is mid grey, where a step of sRGB is 0.93 of one in linear light.
        vec3 variance = noise.x * noise.x * (color / 0.2140) + noise.y * noise.y;
        color += normal_noise(pixel, seed) * 0.93 * sqrt(variance);
    }
    color = clamp(color, 0.0, 1.0);
    color = mix(12.92 * color, 1.055 * pow(color, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, color));
    out_color = vec4(color, 1.0);
}
