"""Files that people send: what they are by their content, and pictures made anew. No database, no clock.

The name and the type that a browser claims decide nothing. Pictures are decoded and written again, so that nothing but
what one sees survives: no place where it was taken, no second file hidden inside. Of a moving picture the first frame
stays. Everything else is kept as it came, is never opened here, and is only ever sent as a download: PDF, ZIP (closed),
and text, which is what a web page, a script or an SVG is as well.
"""

import io
import threading
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.core.files import File
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from PIL import ExifTags, Image, ImageCms

from mentorbook.errors import Refused

MAX_PIXELS = 25_000_000
MAX_SIDE = 16_000  # what WebP can hold, rounded
NAME_LENGTH = 100
EXTENSION_LENGTH = 12

# For the file field of a form: what the dialog of a phone or a computer offers first. It is a hint, not a check.
ACCEPT = "image/png,image/jpeg,image/webp,application/pdf,application/zip,text/*,.log,.md,.json,.toml,.yaml,.yml,.ipynb"

PICTURES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
# The names that each kind may have; a file with another gets the first of them added.
EXTENSIONS = {
    "image/png": ("png",),
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "image/webp": ("webp",),
    "application/pdf": ("pdf",),
    "application/zip": (
        *("zip", "docx", "xlsx", "pptx", "odt", "ods", "odp", "epub"),
        *("jar", "war", "whl", "nupkg", "vsix", "kra", "sketch", "sb3"),
    ),
}
# A text may be called anything (Makefile, main.c), but not what another program would open or what a double click runs.
NOT_TEXT = {extension for extensions in EXTENSIONS.values() for extension in extensions} | {
    *("gif", "bmp", "ico", "tif", "tiff", "heic", "avif", "mp3", "mp4", "webm", "doc", "xls", "ppt", "rar", "7z", "gz"),
    *("exe", "dll", "msi", "com", "scr", "pif", "bat", "cmd", "hta", "vbs", "vbe", "jse", "wsf", "wsh", "lnk", "url"),
    *("reg", "inf", "scf", "cpl", "chm", "desktop", "jnlp", "app", "dmg", "pkg", "apk", "appref-ms", "application"),
}

# A picture of 25 megapixels takes 100 MB while it is decoded, and twice that while it is turned.
DECODING = threading.BoundedSemaphore(2)


class FileRefused(Refused):
    """A file that is not taken. `name` is how it is called."""

    code = "file_refused"
    status = 422
    field = "files"

    def __init__(self, name):
        super().__init__(self.message % {"name": name, "limit": f"{settings.UPLOAD_MAX_BYTES // 2**20} MB"}, name=name)


class EmptyFile(FileRefused):
    code = "file_empty"
    message = _("“%(name)s” is empty. Look whether it was saved, and choose it again.")


class FileTooLarge(FileRefused):
    code = "file_too_large"
    message = _("“%(name)s” is larger than %(limit)s. Send a part of it, or a smaller version.")


class KindNotTaken(FileRefused):
    code = "file_kind_not_taken"
    message = _("“%(name)s” is nothing that fits here: pictures (PNG, JPEG, WebP), PDF, ZIP and text in UTF-8 do.")


class PictureTooLarge(FileRefused):
    code = "picture_too_large"
    message = _("“%(name)s” has more than 25 megapixels. Make it smaller or cut out what matters.")


class PictureBroken(FileRefused):
    code = "picture_broken"
    message = _("“%(name)s” cannot be read as a picture; it may have been cut off on its way. Save it anew.")


@dataclass(frozen=True)
class Accepted:
    """A file that may be stored: `content` as it will be, `name` as it will be shown, `content_type` as it is."""

    content: bytes
    name: str
    content_type: str
    width: int | None = None
    height: int | None = None

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def extension(self) -> str:
        """In lower case and without a dot; empty for a `Makefile`."""
        return split_name(self.name)[1].lower()


def accept_all(files: Iterable[File | Accepted]) -> list[Accepted]:
    """`accept` each; those that already are accepted stay as they are."""
    return [file if isinstance(file, Accepted) else accept(file) for file in files]


def accept(file: File, *, name: str | None = None) -> Accepted:
    """`file` as it may be stored, or a `FileRefused` that says what is wrong with it.

    Pictures may take a second, so this belongs before a transaction and not into it.
    """
    shown = safe_name(name or file.name or "")
    if file.size > settings.UPLOAD_MAX_BYTES:
        raise FileTooLarge(shown)
    file.seek(0)
    content = file.read(settings.UPLOAD_MAX_BYTES + 1)
    if len(content) > settings.UPLOAD_MAX_BYTES:
        raise FileTooLarge(shown)
    if not content:
        raise EmptyFile(shown)
    kind = kind_of(content)
    if kind is None:
        raise KindNotTaken(shown)
    shown = name_for(shown, kind)
    if kind in PICTURES.values():
        return redraw(content, kind, shown)
    return Accepted(content, shown, kind)


def kind_of(content: bytes) -> str | None:
    """The type of a file by its first bytes, or None where it is nothing that we take."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content.startswith(b"%PDF-"):
        return "application/pdf"
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "application/zip"
    return "text/plain" if is_text(content) else None


def is_text(content: bytes) -> bool:
    """Whether this is UTF-8. Control characters are allowed, because the output of programs has them; NUL is not."""
    if b"\0" in content:
        return False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


# --- Pictures ---------------------------------------------------------------------------------------------------------


def redraw(content: bytes, kind: str, name: str) -> Accepted:
    """The picture in `content` written anew: upright, in the colours of screens, without anything but its pixels."""
    form = next(form for form, content_type in PICTURES.items() if content_type == kind)
    try:
        with DECODING, Image.open(io.BytesIO(content), formats=[form]) as image:
            # From the header: nothing is decoded yet.
            if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
                raise PictureTooLarge(name)
            turn = TURNS.get(orientation(image))
            drawn = in_screen_colours(image)
            if turn is not None:
                drawn = drawn.transpose(turn)
            out = io.BytesIO()
            drawn.save(out, form, **SAVING[form])
    except FileRefused:
        raise
    except Image.DecompressionBombError:
        raise PictureTooLarge(name) from None
    except Exception:
        # Decoders that meet nonsense raise whatever comes: OSError, SyntaxError, struct.error, IndexError, MemoryError.
        raise PictureBroken(name) from None
    return Accepted(out.getvalue(), name, kind, *drawn.size)


SAVING = {
    "PNG": {},
    "JPEG": {"quality": 88, "optimize": True},
    "WEBP": {"quality": 88, "method": 3},
}


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(image):
    """How the camera was held, as EXIF numbers it; 1 where that cannot be read, which spoils no picture."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1


def in_screen_colours(image: Image.Image) -> Image.Image:
    """A picture that all three formats can hold, in sRGB where it came with a profile, and nothing but its pixels."""
    profile = image.info.get("icc_profile")
    transparent = image.has_transparency_data
    if image.format == "PNG" and image.mode in ("1", "L", "I;16") and not transparent:
        plain = image.copy()  # one value a pixel, also with 16 bits, stays so
    elif profile and image.mode in ("L", "RGB", "RGBA", "CMYK"):
        plain = from_profile(image, profile)
    else:
        plain = image.convert("RGBA" if transparent else "RGB")
    plain.info = {}
    return plain


def from_profile(image, profile):
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        # A profile that is broken or made for other kinds of picture is as good as none.
        return image.convert(mode)


# --- Names ------------------------------------------------------------------------------------------------------------


def safe_name(name: str) -> str:
    """`name` without folders, controls and what turns the direction of writing, at most 100 characters long.

    The extension survives the cut, and so do emoji with their joiners. Nothing left: "file".
    """
    name = unicodedata.normalize("NFC", str(name)).replace("\\", "/").rpartition("/")[2]
    name = " ".join("".join(character for character in name if is_printable(character)).split())
    name = name.rstrip(". ").lstrip(" ")
    if all(character == "." or unicodedata.category(character)[0] in "CMZ" for character in name):
        return gettext("file")  # nobody would see anything of it
    stem, extension = split_name(name)
    return join_name(stem, extension)


def is_printable(character):
    category = unicodedata.category(character)
    if category == "Cf":
        return character in "\u200c\u200d" or "\U000e0020" <= character <= "\U000e007f"  # joiners, tags of flags
    # Unassigned ones may be newer than this Python's tables: next year's emoji.
    return category not in ("Cc", "Cs", "Co", "Zl", "Zp") or character.isspace()


def split_name(name: str) -> tuple[str, str]:
    """("notes.tar", "gz") of "notes.tar.gz"; a leading dot makes no extension, nor does a sentence."""
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem.strip(".") or not extension.isalnum() or len(extension) > EXTENSION_LENGTH:
        return name, ""
    return stem, extension


def join_name(stem, extension):
    ending = f".{extension}" if extension else ""
    return stem[: NAME_LENGTH - len(ending)].rstrip("\u200c\u200d. ") + ending


def name_for(name: str, kind: str) -> str:
    """`name` where it fits the `kind` of the file; otherwise with the right extension behind it."""
    extension = split_name(name)[1].lower()
    if kind == "text/plain":
        return join_name(name, "txt") if extension in NOT_TEXT else name
    return name if extension in EXTENSIONS[kind] else join_name(name, EXTENSIONS[kind][0])
