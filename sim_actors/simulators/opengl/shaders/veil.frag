#version 330
#include common.glsl
#include road.glsl
#include lighting.glsl
// Shadows of rendered bodies on photographed ground: alpha is the share of its light that they take.

uniform sampler2D photo;      // sRGB, with mipmaps
uniform vec2 image_size;      // of the photo in this target's samples
uniform vec3 shade;           // of lit road: luminance; share that full shade leaves; strength of shadows

in vec3 v_position;
layout(location = 0) out vec4 out_color;

void main() {
    float dark = 0.0;
#ifdef SUN
    float visible = sun_visible(v_position, -down.xyz, max(dot(-down.xyz, sun.xyz), 0.0));
    if (visible < 0.999) {
        // What lies in a photographed shadow grows no darker.
        vec3 soft = textureLod(photo, gl_FragCoord.xy / image_size, 3.0).rgb;
        float level = dot(pow(soft, vec3(2.2)), vec3(0.2126, 0.7152, 0.0722));
        float left = max(shade.y, min(1.0, 0.9 * shade.x * shade.y / max(level, 1e-4)));
        dark = (1.0 - visible) * (1.0 - left) * shade.z;
    }
#endif
    out_color = vec4(0.0, 0.0, 0.0, dark < 0.004 ? 0.0 : dark);
}
