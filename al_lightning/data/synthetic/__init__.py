"""A renderer of the inside of a colon: the pictures of the built-in dataset "synthetic".

The wall is a height field r = R(z, θ) around a bending centre line (haustral folds, three taeniae, bumps),
polyps are ellipsoids and stalked spheres blended into it, and the picture is found by sphere tracing the
distance field (Hart 1996), first one cone for a block of pixels, then one ray a pixel. Light and camera share
one point, so that radiance falls as 1/d² and nothing casts a shadow.

Units are cm and radians. World: z along the colon, x right, y down. Camera: x right, y down, z the optical
axis; pinhole, pixel (i, j) looks along ((j + ½ − W/2)/f, (i + ½ − H/2)/f, 1). Depth is z in the camera's
system (not the length of the ray), clipped at 20 cm, and 0 outside the aperture, where the frame is black.
"""

from al_lightning.data.synthetic.dataset import RENDERER, render_dataset
from al_lightning.data.synthetic.draw import draw_sequence
from al_lightning.data.synthetic.scene import MODES, Polyp, SequenceParameters
from al_lightning.data.synthetic.trace import MAX_DEPTH, Frame, camera, render_frame

__all__ = [
    "MAX_DEPTH",
    "MODES",
    "RENDERER",
    "Frame",
    "Polyp",
    "SequenceParameters",
    "camera",
    "draw_sequence",
    "render_dataset",
    "render_frame",
]
