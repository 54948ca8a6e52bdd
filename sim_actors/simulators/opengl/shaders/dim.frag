#version 330
// Corners get the light that their neighbours leave them: multiplied into the picture.

uniform sampler2D light_map;  // ambient occlusion, one texel a pixel
uniform int scale;            // samples of the picture per pixel and axis

layout(location = 0) out vec4 out_color;

void main() {
    // Half a texel on: the mean of the four directions that neighbouring texels looked in.
    vec2 at = gl_FragCoord.xy / float(scale) + 0.5;
    out_color = vec4(vec3(texture(light_map, at / vec2(textureSize(light_map, 0))).r), 1.0);
}
