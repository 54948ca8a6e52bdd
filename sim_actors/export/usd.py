"""A scene as OpenUSD: z up, metres, materials for any renderer (UsdPreviewSurface), labels (UsdSemantics).

    /Scene                     Xform; its camera, Camera, has the aperture offsets of the principal point
    /Scene/Actors/actor_000_car/actor_000_car
    /Scene/Props, /Scene/Ground, /Scene/Lights, /Scene/Materials, /Render

Every prim above a mesh is an Xform: importers keep no place and no axes for other types (Blender).
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from imitation.common.settings import UserError
from sim_actors.export.content import Content, Image, Item, Look, lamps_of
from sim_actors.simulators.geometry.axes import looking_back
from sim_actors.simulators.geometry.lights import SUN_ANGLE, Lamp

FOCAL = 0.5
"""The camera's focal length, in tenths of a unit: 50 mm. Apertures follow; only their quotients count."""

_PACKED = 347155200
"""When the files in a package were made, s since 1970: 1981, the same for all."""

_PARENTS = {
    "actor": "Actors", "prop": "Props", "ground": "Ground", "photographed": "Photographed", "plate": "Photo"
}  # fmt: skip


class Usd:
    """OpenUSD (`sim_actors.export.formats.SceneFormat`)."""

    endings: ClassVar[tuple[str, ...]] = (".usdc", ".usda", ".usd", ".usdz")

    @staticmethod
    def need() -> None:
        """Raises UserError where the packages that write USD are missing."""
        try:
            import OpenEXR  # noqa: F401
            from pxr import UsdSemantics  # noqa: F401
        except ImportError as error:
            raise UserError(
                f"OpenUSD is written with usd-core and OpenEXR: pip install imitation-training[usd] ({error})"
            ) from None

    @staticmethod
    def write(content: Content, path: Path) -> list[Path]:
        """Writes the file, and its textures into a folder beside it; in a .usdz they are inside. The same
        content gives the same bytes."""
        from pxr import Sdf, UsdUtils

        Usd.need()
        if path.suffix.lower() != ".usdz":
            return _write(content, path)
        with tempfile.TemporaryDirectory() as folder:
            inner = Path(folder) / f"{path.stem}.usdc"
            for file in _write(content, inner):
                os.utime(file, (_PACKED, _PACKED))  # the package holds it
            if not UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(inner)), str(path)):
                raise UserError(f"{path}: the package could not be written")
        return [path]


def _write(content: Content, path: Path) -> list[Path]:
    from pxr import Usd as UsdStage
    from pxr import UsdGeom

    stage = UsdStage.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    writer = _Writer(stage, content, path)
    writer.write()
    stage.GetRootLayer().Export(str(path))
    return [path, *writer.textures]


class _Writer:
    def __init__(self, stage: Any, content: Content, path: Path) -> None:
        self.stage, self.content = stage, content
        self.folder = path.parent / f"{path.stem}_textures"
        self.textures: list[Path] = []
        self.materials: dict[Look, Any] = {}

    def write(self) -> None:
        from pxr import UsdGeom

        root = UsdGeom.Xform.Define(self.stage, "/Scene")
        self.stage.SetDefaultPrim(root.GetPrim())
        root.GetPrim().SetMetadata("kind", "assembly")
        scene = self.content.scene
        root.GetPrim().SetCustomDataByKey("imitation:scene", json.dumps(scene.plain(), sort_keys=True))
        self._camera()
        for item in self.content.items:
            self._item(item)
        self._lights()

    def _camera(self) -> None:
        from pxr import Gf, Sdf, UsdGeom, UsdRender

        geometry = self.content.geometry
        lens, width, height = geometry.camera, geometry.width, geometry.height
        camera = UsdGeom.Camera.Define(self.stage, "/Scene/Camera")
        # A camera of USD looks along -z, and its y points up.
        _place(camera, geometry.camera_pose @ np.diag([1.0, -1.0, -1.0, 1.0]))
        camera.CreateFocalLengthAttr(FOCAL)
        camera.CreateHorizontalApertureAttr(width / lens.fx * FOCAL)
        camera.CreateVerticalApertureAttr(height / lens.fy * FOCAL)
        camera.CreateHorizontalApertureOffsetAttr((width / 2 - lens.cx) / lens.fx * FOCAL)
        camera.CreateVerticalApertureOffsetAttr((lens.cy - height / 2) / lens.fy * FOCAL)
        camera.CreateClippingRangeAttr(Gf.Vec2f(0.2, 2000.0))
        UsdGeom.Scope.Define(self.stage, "/Render")
        settings = UsdRender.Settings.Define(self.stage, "/Render/Settings")
        settings.CreateResolutionAttr(Gf.Vec2i(width, height))
        settings.CreatePixelAspectRatioAttr(lens.fy / lens.fx)
        settings.CreateCameraRel().SetTargets([Sdf.Path("/Scene/Camera")])
        self.stage.SetMetadata("renderSettingsPrimPath", "/Render/Settings")

    def _item(self, item: Item) -> None:
        from pxr import UsdGeom

        mesh = item.mesh
        parent = f"/Scene/{_PARENTS[mesh.kind]}"
        UsdGeom.Xform.Define(self.stage, parent).GetPrim().SetMetadata("kind", "group")
        body = UsdGeom.Xform.Define(self.stage, f"{parent}/{mesh.name}")
        body.GetPrim().SetMetadata("kind", "component")
        _place(body, mesh.pose)
        if mesh.kind == "photographed":
            body.CreateVisibilityAttr(UsdGeom.Tokens.invisible)
        if mesh.kind in ("prop", "ground") or mesh.labelled:
            _label(body.GetPrim(), "category", mesh.category)
            _label(body.GetPrim(), "class", mesh.category)
            _label(body.GetPrim(), "instance", mesh.name)
        for key, value in (("model", mesh.model), ("identity", mesh.identity)):
            body.GetPrim().SetCustomDataByKey(f"imitation:{key}", value)
        self._mesh(item, f"{parent}/{mesh.name}/{mesh.name}")

    def _mesh(self, item: Item, path: str) -> None:
        from pxr import Sdf, UsdGeom, UsdShade, Vt

        mesh = item.mesh
        prim = UsdGeom.Mesh.Define(self.stage, path)
        points = mesh.points.astype(np.float32)
        prim.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
        prim.CreateFaceVertexCountsAttr(
            Vt.IntArray.FromNumpy(np.full(len(mesh.triangles), 3, dtype=np.int32))
        )
        prim.CreateFaceVertexIndicesAttr(
            Vt.IntArray.FromNumpy(np.ascontiguousarray(mesh.triangles, dtype=np.int32).reshape(-1))
        )
        prim.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(mesh.normals.astype(np.float32)))
        prim.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
        prim.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([points.min(axis=0), points.max(axis=0)])))
        prim.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
        prim.CreateDoubleSidedAttr(True)  # leaves are seen from both sides
        if mesh.uv is not None:
            places = UsdGeom.PrimvarsAPI(prim).CreatePrimvar(
                "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying
            )
            places.Set(Vt.Vec2fArray.FromNumpy(mesh.uv.reshape(-1, 2).astype(np.float32)))
        binding = UsdShade.MaterialBindingAPI.Apply(prim.GetPrim())
        if len(item.looks) == 1:
            binding.Bind(self._material(item.looks[0]))
            return
        for k, look in enumerate(item.looks):
            faces = np.flatnonzero(mesh.material == k).astype(np.int32)
            subset = binding.CreateMaterialBindSubset(
                f"{look.surface.name}_{k}", Vt.IntArray.FromNumpy(faces)
            )
            UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(self._material(look))
        binding.SetMaterialBindSubsetsFamilyType(UsdGeom.Tokens.partition)

    def _material(self, look: Look) -> Any:
        """The material of a look; the same look has the same."""
        from pxr import Gf, Sdf, UsdGeom, UsdShade

        if look in self.materials:
            return self.materials[look]
        UsdGeom.Scope.Define(self.stage, "/Scene/Materials")
        path = f"/Scene/Materials/{look.name}_{len(self.materials):03d}"
        material = UsdShade.Material.Define(self.stage, path)
        shader = UsdShade.Shader.Define(self.stage, f"{path}/surface")
        shader.CreateIdAttr("UsdPreviewSurface")
        surface = look.surface
        types = Sdf.ValueTypeNames
        diffuse = shader.CreateInput("diffuseColor", types.Color3f)
        diffuse.Set(Gf.Vec3f(*surface.color))
        rough = shader.CreateInput("roughness", types.Float)
        rough.Set(surface.roughness)
        root = math.sqrt(surface.reflectance)
        shader.CreateInput("ior", types.Float).Set((1 + root) / (1 - root))
        emissive = shader.CreateInput("emissiveColor", types.Color3f)
        emissive.Set(Gf.Vec3f(*surface.emission))
        if look.albedo is not None:
            diffuse.ConnectToSource(self._texture(path, "albedo", look.albedo, look.name, "rgb"))
        if look.roughness is not None:
            rough.ConnectToSource(self._texture(path, "roughness", look.roughness, look.name, "g"))
        if look.emission is not None:
            emissive.ConnectToSource(
                self._texture(path, "emission", look.emission, look.name, "rgb", look.glow)
            )
        material.CreateSurfaceOutput().ConnectToSource(shader.CreateOutput("surface", types.Token))
        self.materials[look] = material
        return material

    def _texture(
        self, path: str, what: str, image: Image, name: str, channel: str, scale: float = 1.0
    ) -> Any:
        from pxr import Gf, Sdf, UsdShade

        types = Sdf.ValueTypeNames
        reader = UsdShade.Shader.Define(self.stage, f"{path}/places")
        reader.CreateIdAttr("UsdPrimvarReader_float2")
        reader.CreateInput("varname", types.String).Set("st")
        texture = UsdShade.Shader.Define(self.stage, f"{path}/{what}")
        texture.CreateIdAttr("UsdUVTexture")
        texture.CreateInput("file", types.Asset).Set(self._saved(f"{name}_{what}.{image.suffix}", image.data))
        texture.CreateInput("st", types.Float2).ConnectToSource(reader.CreateOutput("result", types.Float2))
        for direction in ("wrapS", "wrapT"):
            texture.CreateInput(direction, types.Token).Set("clamp")
        texture.CreateInput("sourceColorSpace", types.Token).Set("raw" if channel == "g" else "sRGB")
        if scale != 1.0:
            texture.CreateInput("scale", types.Float4).Set(Gf.Vec4f(scale, scale, scale, 1.0))
        return texture.CreateOutput(channel, types.Float if len(channel) == 1 else types.Float3)

    def _saved(self, name: str, data: bytes) -> str:
        """Saves a texture, and returns its path as the stage names it."""
        file = self._new_file(name)
        file.write_bytes(data)
        return f"./{self.folder.name}/{name}"

    def _new_file(self, name: str) -> Path:
        self.folder.mkdir(exist_ok=True)
        file = self.folder / name
        if file not in self.textures:
            self.textures.append(file)
        return file

    def _lights(self) -> None:
        from pxr import Gf, UsdGeom, UsdLux

        lights = self.content.geometry.lights
        UsdGeom.Xform.Define(self.stage, "/Scene/Lights")
        made = []
        if lights.sun.light.any():
            sun = UsdLux.DistantLight.Define(self.stage, "/Scene/Lights/Sun")
            level = float(lights.sun.light.max())
            # A white card in it shines with `light`: its irradiance is pi times that.
            sun.CreateIntensityAttr(math.pi * level)
            sun.CreateNormalizeAttr(True)
            sun.CreateColorAttr(Gf.Vec3f(*(lights.sun.light / level).tolist()))
            sun.CreateAngleAttr(math.degrees(SUN_ANGLE))
            _place(sun, looking_back(lights.sun.direction))  # it shines along -z
            made.append(sun)
        dome = UsdLux.DomeLight.Define(self.stage, "/Scene/Lights/Sky")
        dome.CreateIntensityAttr(1.0)
        dome.CreateTextureFileAttr(self._sky())
        dome.CreateTextureFormatAttr(UsdLux.Tokens.latlong)
        # The dome's texture has its top at +y, its middle at +z and its left at +x.
        _place(dome, np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]))
        made.append(dome)
        for name, lamp in lamps_of(lights):
            made.append(self._lamp(name, lamp))
        if self.content.scene.backdrop is not None:
            for light in made:  # the card with the photo is no thing of the scene
                shadows = UsdLux.LightAPI(light).GetShadowLinkCollectionAPI()
                shadows.ExcludePath("/Scene/Photo")

    def _lamp(self, name: str, lamp: Lamp) -> Any:
        from pxr import Gf, UsdLux

        light = UsdLux.SphereLight.Define(self.stage, f"/Scene/Lights/{name}")
        level = float(lamp.light.max())
        radius = 0.05
        # Radiance over the sphere's disc is intensity; on a card at 1 m it gives pi times `light`.
        light.CreateRadiusAttr(radius)
        light.CreateIntensityAttr(level / radius**2)
        light.CreateColorAttr(Gf.Vec3f(*(lamp.light / level).tolist()))
        shaping = UsdLux.ShapingAPI.Apply(light.GetPrim())
        shaping.CreateShapingConeAngleAttr(math.degrees(lamp.outer))
        shaping.CreateShapingConeSoftnessAttr(1.0 - lamp.inner / lamp.outer)
        pose = looking_back(-lamp.direction)
        pose[:3, 3] = lamp.position + 0.1 * lamp.direction  # before the glass, which would hide it
        _place(light, pose)
        return light

    def _sky(self) -> str:
        import OpenEXR

        file = self._new_file("sky.exr")
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        channels = {"RGB": np.ascontiguousarray(self.content.sky.astype(np.float16))}
        with OpenEXR.File(header, channels) as image:
            image.write(str(file))
        return f"./{self.folder.name}/sky.exr"


def _place(prim: Any, matrix: np.ndarray) -> None:
    from pxr import Gf

    # USD's matrices multiply rows from the right.
    prim.AddTransformOp().Set(Gf.Matrix4d(*(matrix.T + 0.0).reshape(-1).tolist()))


def _label(prim: Any, taxonomy: str, label: str) -> None:
    from pxr import UsdSemantics

    UsdSemantics.LabelsAPI.Apply(prim, taxonomy).CreateLabelsAttr([label])
