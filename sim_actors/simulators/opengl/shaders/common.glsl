// Shared by every pass. All vectors are in camera axes (x right, y down, z forward, metres).

layout(std140) uniform Frame {
    mat4 projection;   // camera -> clip; image row 0 is the framebuffer's row 0
    mat4 shadow;       // camera -> shadow map, [0, 1]
    vec4 down;         // the ground's downward normal; w: camera height, m
    vec4 sun;          // direction to the sun or moon; w: shadow softness, m
    vec4 sun_color;    // rgb; w: shadow map's size, texels
    vec4 zenith;       // rgb of the sky there
    vec4 horizon;      // rgb of the low sky; w: share of clouds
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
    mat4 shadow_wide;  // camera -> the wider cascade of the shadow map, [0, 1]
    vec4 sky_right;    // level, right of the sun's bearing; w: offset along normals in the near cascade, m
    vec4 sky_ahead;    // level, the sun's bearing; w: the same in the wider cascade
    vec4 ambient[3];   // r, g, b: the sky's and the ground's light on a surface is dot(xyz, normal) + w
    vec4 glare;        // rgb of what haze adds towards the sun
    vec4 beams[8];     // head lamps: place m, strength; direction, half their distance m
    vec4 bend;         // curvature 1/m; m ahead to the junction, to the zebra crossing (0: none); shoulder m
    vec4 cross_road;   // half width of the crossing road m, median m (0: none), 1 where lots are paved
};

vec3 forward_axis() { return cross(vec3(1.0, 0.0, 0.0), down.xyz); }

// Where a direction falls on the sky map; below the horizon it mirrors what is above.
vec2 sky_place(vec3 d) {
    float up = abs(dot(d, down.xyz));
    return vec2(dot(d, sky_right.xyz), dot(d, sky_ahead.xyz)) / (1.0 + up) * (0.5 / 1.04) + 0.5;
}

// What air of great depth shines with in a direction.
vec3 air_light(vec3 d) {
    float toward = max(dot(d, sun.xyz), 0.0);
    toward *= toward;
    return fog.rgb + glare.rgb * (toward * toward);
}
