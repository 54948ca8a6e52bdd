// The road's own coordinates. Needs common.glsl.

// Along and across the road, m, for a point in camera axes.
vec2 road_coordinates(vec3 p) {
    vec2 ground = vec2(p.x - road.z, dot(p, forward_axis()));
    return vec2(dot(ground, vec2(road.y, road.x)), dot(ground, vec2(road.x, -road.y)));
}
