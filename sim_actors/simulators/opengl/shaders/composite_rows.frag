#version 330
#include film.glsl
// Across a row of bodies to be set into a photo: each sample developed, then lens blur and the filter
// over samples. Colour is premultiplied; alpha is how much of the photo's light is taken away.

uniform sampler2D image;
uniform sampler2D light_map;  // ambient occlusion, one texel a pixel
uniform int scale;            // rendered samples per pixel and axis
uniform int reach;
uniform float taps[55];       // with three zeros at either end
uniform vec3 gains;           // white balance and exposure

layout(location = 0) out vec4 out_color;

void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    int column = pixel.x * scale + scale / 2, last = textureSize(image, 0).x - 1;
    vec2 texel = 1.0 / vec2(textureSize(light_map, 0));
    float light = texture(light_map, vec2(gl_FragCoord.x + 0.5, gl_FragCoord.y / float(scale) + 0.5) * texel).r;
    vec4 sum = vec4(0.0);
    for (int k = -reach; k <= reach; ++k) {
        vec4 here = texelFetch(image, ivec2(clamp(column + k, 0, last), pixel.y), 0);
        if (dot(here.rgb, vec3(1.0)) > 0.0)
            here.rgb = min(developed(here.rgb * light * gains * film.z), 1.0);
        sum += taps[k + reach + 3] * here;
    }
    out_color = sum;
}
