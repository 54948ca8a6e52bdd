// The camera's response and the display's encoding.

uniform vec4 curve;
uniform vec3 film;            // the curve's last term, saturation, gain

// Scene light, exposed -> linear light as developed.
vec3 developed(vec3 color) {
    color = (curve.x * color + curve.y) * color / ((curve.z * color + curve.w) * color + film.x);
    return max(mix(vec3(dot(color, vec3(0.2126, 0.7152, 0.0722))), color, film.y), 0.0);
}

vec3 encoded(vec3 color) {
    color = clamp(color, 0.0, 1.0);
    return mix(12.92 * color, 1.055 * pow(color, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, color));
}

vec3 decoded(vec3 color) {
    return mix(color / 12.92, pow((color + 0.055) / 1.055, vec3(2.4)), step(0.04045, color));
}
