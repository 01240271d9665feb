"""Files as people send them, honest and hostile, made here so that one can see what is in them."""

import io
import struct
import zipfile
import zlib

from PIL import ExifTags, Image, ImageCms, PngImagePlugin

PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
PAGE = b"<!DOCTYPE html><script>alert(document.cookie)</script>"
RED, BLUE = (200, 30, 30), (30, 30, 200)


def drawing(mode="RGB", size=(40, 20)):
    """Red on the left, blue on the right: what is turned or mirrored shows."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image.convert(mode)


def saved(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def png(image=None, **options):
    return saved(image or drawing(), "PNG", **options)


def jpeg(image=None, **options):
    return saved(image or drawing(), "JPEG", **options)


def webp(image=None, **options):
    return saved(image or drawing(), "WEBP", **options)


def opened(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_claiming(width, height, pixels=b""):
    """A PNG whose header says a size, whatever is in it."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def exif(orientation=None, place=True):
    tags = Image.Exif()
    tags[ExifTags.Base.Make] = "SpyCam"
    tags[ExifTags.Base.Artist] = "Ann Archer, Secret Street 5"
    if orientation:
        tags[ExifTags.Base.Orientation] = orientation
    if place:
        tags.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (40.0, 24.0, 59.0), 3: "W", 4: (3.0, 42.0, 9.0)})
    return tags.tobytes()


def texts():
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", "Secret Street 5")
    words.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>Secret Street 5</x:xmpmeta>")
    return words


def lab_profile():
    """One that fits no picture of ours."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def archive(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in (files or {"main_py": "print(1)"}).items():
            file.writestr(name, content)
    return out.getvalue()
