// Shared by every pass. All vectors are in camera axes (x right, y down, z forward, metres).

layout(std140) uniform Frame {
    mat4 projection;   // camera -> clip; image row 0 is the framebuffer's row 0
    mat4 shadow;       // camera -> shadow map, [0, 1]
    vec4 down;         // the ground's downward normal; w: camera height, m
    vec4 sun;          // direction to the sun or moon; w: shadow softness, map units
    vec4 sun_color;    // rgb; w: shadow map's size, texels
    vec4 zenith;       // rgb; w: exponent of the gradient
    vec4 horizon;      // rgb; w: share of clouds
    vec4 fog;          // rgb; w: extinction, 1/m
    vec4 bounce;       // rgb the ground throws up; w: scale of the sky's light
    vec4 lamp;         // rgb of street lamps; w: strength of the own headlights
    vec4 weather;      // wetness, snow, cloud scale, exposure
    vec4 road;         // cos heading, sin heading, offset m, half width m
    vec4 lanes;        // lane width m, lanes, sidewalk m, markings 0 or 1
    vec4 surface;      // rgb; w: contrast of wear
    vec4 pavement;     // rgb; w: slab size, m
    vec4 verge;        // rgb; w: texture offset
    vec4 soil;         // rgb; w: texture offset
    vec4 paint;        // rgb; w: share of lit windows
    vec4 window;       // pitch m (x, y), share of glass (x, y)
    vec4 bend;         // curvature 1/m; m ahead to the junction, to the zebra crossing (0: none); shoulder m
    vec4 cross_road;   // half width of the crossing road m, median m (0: none), 1 where lots are paved
};

vec3 forward_axis() { return cross(vec3(1.0, 0.0, 0.0), down.xyz); }

vec3 sky_gradient(vec3 direction) {
    float up = clamp(-dot(direction, down.xyz), 0.0, 1.0);
    return mix(horizon.rgb, zenith.rgb, pow(up, zenith.w));
}
