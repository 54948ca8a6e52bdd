// Random numbers of a pixel and a seed.

uvec3 shuffled(uvec3 v) {     // pcg3d: Jarzynski and Olano, JCGT 9(3), 2020
    v = v * 1664525u + 1013904223u;
    v.x += v.y * v.z; v.y += v.z * v.x; v.z += v.x * v.y;
    v ^= v >> 16u;
    v.x += v.y * v.z; v.y += v.z * v.x; v.z += v.x * v.y;
    return v;
}

vec3 normal_noise(ivec2 pixel, uint seed) {   // Box and Muller
    uvec3 bits = shuffled(uvec3(pixel, seed));
    uvec3 more = shuffled(uvec3(bits.x, bits.y, seed + 1u));
    vec3 u = (vec3(bits >> 8u) + 0.5) / 16777216.0, w = vec3(more >> 8u) / 16777216.0;
    return sqrt(-2.0 * log(u)) * cos(6.2831853 * w);
}
