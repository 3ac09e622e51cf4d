"""Picture files -> `Pixels`, as they are stored: Pillow, tifffile and pydicom behind one function."""

from al_lightning.data.pictures.pixels import Pixels
from al_lightning.data.pictures.stored import Header, read_header, read_pixels

__all__ = ["Header", "Pixels", "read_header", "read_pixels"]
