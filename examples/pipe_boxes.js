// A simulator that is a program on a pipe, in JavaScript and without any package (docs/simulator.md): boxes.
// Pictures are PPM and PGM, in base64 in the answer itself; visible boxes and occlusion are counted from the ids.
//
// imitate check simulator simulate.simulator=command "simulate.options={command: [node, pipe_boxes.js]}"

// The box around a cuboid's 8 corners, px. Axes: x right, y down, z forward, m; x, y, z are the middle of its bottom.
function projected(c, camera) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const i of [-0.5, 0.5]) for (const j of [-0.5, 0.5]) for (const up of [0, c.height]) {
    const [dx, dz] = [i * c.length, j * c.width];
    const x = c.x + Math.cos(c.yaw) * dx + Math.sin(c.yaw) * dz;
    const z = c.z - Math.sin(c.yaw) * dx + Math.cos(c.yaw) * dz;
    if (z < 0.2) return null; // it reaches behind the lens
    const [u, v] = [camera.fx * x / z + camera.cx, camera.fy * (c.y - up) / z + camera.cy];
    box[0] = Math.min(box[0], u); box[1] = Math.min(box[1], v);
    box[2] = Math.max(box[2], u); box[3] = Math.max(box[3], v);
  }
  return box;
}

const within = (value, most) => Math.min(Math.max(Math.round(value), 0), most);

function render(scene) {
  const { width, height, camera, actors } = scene;
  const picture = Buffer.alloc(3 * width * height, 170);
  picture.fill(90, 3 * width * within(camera.cy, height)); // the ground
  const ids = Buffer.alloc(2 * width * height); // an actor's index + 1, 16 bits
  const order = actors.map((_, index) => index).sort((a, b) => actors[b].cuboid.z - actors[a].cuboid.z); // far first
  const objects = [];
  for (const index of order) {
    const { cuboid, color } = actors[index];
    const whole = projected(cuboid, camera);
    if (whole === null) continue;
    const [x1, y1, x2, y2] = whole.map((edge, k) => within(edge, k % 2 ? height : width));
    if (x1 >= x2 || y1 >= y2) continue;
    for (let y = y1; y < y2; y++) for (let x = x1; x < x2; x++) {
      const at = y * width + x;
      color.forEach((share, k) => { picture[3 * at + k] = Math.round(255 * Math.min(Math.max(share, 0), 1) ** 0.45); });
      ids.writeUInt16BE(index + 1, 2 * at);
    }
    objects.push({ actor: index, amodal_box: whole, pixels: (x2 - x1) * (y2 - y1), cuboid });
  }
  const file = (kind, most, bytes) => Buffer.concat([Buffer.from(`${kind} ${width} ${height} ${most}\n`), bytes]).toString("base64");
  return { image_base64: file("P6", 255, picture), ids_base64: file("P5", 65535, ids), objects };
}

const CATEGORIES = ["car", "truck", "pedestrian"];
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { ask, scene } = JSON.parse(line);
  let answer;
  if (ask === "hello") answer = { protocol: 1, name: "pipe-boxes-js", version: "1", categories: CATEGORIES, supports: true };
  else if (ask === "supports") answer = { scene_id: scene.scene_id, reasons: scene.width > 4096 ? ["wider than 4096 px"] : [] };
  else if (ask === "render") answer = { scene_id: scene.scene_id, ...render(scene) };
  else process.exit(0); // bye
  process.stdout.write(JSON.stringify(answer) + "\n");
});
