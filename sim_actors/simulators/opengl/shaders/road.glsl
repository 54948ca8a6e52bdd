// The road's own coordinates. Needs common.glsl.

// Along and across the road's centre line, m, for a point in camera axes: along its arc, and to its
// right. sim_actors/roads.py has the same for the layout of what stands there.
vec2 road_coordinates(vec3 p) {
    vec2 ground = vec2(p.x - road.z, dot(p, forward_axis()));
    vec2 at = vec2(dot(ground, vec2(road.y, road.x)), dot(ground, vec2(road.x, -road.y)));
    float k = bend.x;
    float turn = k * at.x, rest = 1.0 - k * at.y;
    float right = (2.0 * at.y - k * dot(at, at)) / (1.0 + sqrt(turn * turn + rest * rest));
    return vec2(abs(k) < 1e-6 ? at.x : atan(turn, rest) / k, right);
}
