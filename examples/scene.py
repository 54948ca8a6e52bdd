"""A scene, a picture, its labels: the whole idea in one file.  python examples/scene.py [scene.jpg]"""

import sys
from pathlib import Path

from imitation import Camera, Cuboid
from sim_actors import Actor, Environment, OpenGLSimulator, Road, Scene

camera = Camera(fx=480, fy=480, cx=320, cy=90, height=1.65)  # px; height over the road, m
car = Actor(
    "car", Cuboid(x=2.2, y=1.65, z=13, length=4.2, width=1.8, height=1.5, yaw=-1.4), color=(0.5, 0, 0)
)
walker = Actor("pedestrian", Cuboid(x=-1.6, y=1.65, z=9, length=0.6, width=0.5, height=1.75, yaw=0.3))
scene = Scene(
    "hello", 640, 192, camera, (car, walker), road=Road(lanes=2), environment=Environment(hour=17.5)
)

simulator = OpenGLSimulator()
frame = simulator.render(scene)
simulator.close()

Path(sys.argv[1] if len(sys.argv) > 1 else "scene.jpg").write_bytes(frame.image or b"")
for thing in frame.objects:
    print(f"{thing.category}: {[round(v) for v in thing.box]}, {thing.occlusion:.0%} hidden")
