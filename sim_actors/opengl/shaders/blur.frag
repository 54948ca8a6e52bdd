#version 330
// Across a row: lens blur and the filter over samples; highlights are held to the sensor's well.

uniform sampler2D image;
uniform int scale;
uniform int reach;
uniform float taps[49];

layout(location = 0) out vec4 out_color;

void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    int column = pixel.x * scale + scale / 2, last = textureSize(image, 0).x - 1;
    vec3 color = vec3(0.0);
    for (int k = -reach; k <= reach; ++k)
        color += taps[k + reach] * min(texelFetch(image, ivec2(clamp(column + k, 0, last), pixel.y), 0).rgb, 12.0);
    out_color = vec4(color, 1.0);
}
