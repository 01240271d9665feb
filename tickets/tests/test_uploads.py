import io
import zlib

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from tickets import uploads
from tickets.tests import pictures
from tickets.tests.pictures import BLUE, PAGE, PDF, RED, SVG, archive, drawing, exif, jpeg, opened, png, webp
from tickets.uploads import Accepted, FileRefused, accept, accept_all, safe_name


def file(content, name="file"):
    return ContentFile(content, name=name)


def label(value):
    """For the names of the tests: no bytes."""
    return "" if isinstance(value, bytes) else getattr(value, "__name__", None)


def near(colour, other):
    return all(abs(one - two) < 30 for one, two in zip(colour[:3], other[:3], strict=True))


# --- What is taken ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name", "content_type"),
    [
        (png(), "a.png", "image/png"),
        (jpeg(), "a.jpg", "image/jpeg"),
        (webp(), "a.webp", "image/webp"),
        (PDF, "a.pdf", "application/pdf"),
        (archive(), "a.zip", "application/zip"),
        (archive(), "homework.docx", "application/zip"),
        (b"print(1)\n", "main.py", "text/plain"),
        (b"\xef\xbb\xbfwith a mark", "notes.txt", "text/plain"),
        ("Größe: 5 €, 日本語 💥".encode(), "Makefile", "text/plain"),
        (b"\x1b[31mred\x1b[0m\x07\x08\n", "terminal.log", "text/plain"),
        (PAGE, "index.html", "text/plain"),
        (SVG, "logo.svg", "text/plain"),
    ],
    ids=label,
)
def test_a_file_is_what_its_content_is(content, name, content_type):
    accepted = accept(file(content, name))
    assert (accepted.name, accepted.content_type) == (name, content_type)
    assert accepted.size == len(accepted.content) > 0
    if not content_type.startswith("image/"):
        assert accepted.content == content
        assert (accepted.width, accepted.height) == (None, None)


@pytest.mark.parametrize(
    ("content", "name", "becomes"),
    [
        (png(), "a.jpg", "a.jpg.png"),
        (jpeg(), "a.html", "a.html.jpg"),
        (jpeg(), "a.JPEG", "a.JPEG"),
        (PDF, "a.png", "a.png.pdf"),
        (PDF, "report", "report.pdf"),
        (archive(), "a.exe", "a.exe.zip"),
        (archive(), "a.png", "a.png.zip"),
        (b"text", "a.png", "a.png.txt"),
        (b"text", "a.PDF", "a.PDF.txt"),
        (b"@echo off", "run.bat", "run.bat.txt"),
        (b"<script>", "a.hta", "a.hta.txt"),
        (b"text", "a.png.md", "a.png.md"),
        (b"text", ".gitignore", ".gitignore"),
    ],
    ids=label,
)
def test_a_name_that_claims_another_kind_gets_the_right_one_behind_it(content, name, becomes):
    assert accept(file(content, name)).name == becomes


@pytest.mark.parametrize("claimed", ["image/png", "text/html", "application/x-msdownload", "", "\r\nX: y"])
def test_what_the_browser_says_it_is_counts_for_nothing(claimed):
    upload = SimpleUploadedFile("notes.txt", b"only text", content_type=claimed)
    assert accept(upload).content_type == "text/plain"


def test_a_zip_is_never_opened():
    """Not even one that would fill the disk, or that is none."""
    bomb = archive(**{f"{n}.txt": "0" * 2_000_000 for n in range(3)})
    assert accept(file(bomb, "a.zip")).content == bomb
    assert accept(file(b"PK\x03\x04 and then nothing of the kind \x00", "a.zip")).content_type == "application/zip"


def test_several_are_accepted_one_by_one_and_only_once():
    first = accept(file(b"a", "a.txt"))
    again = accept_all([first, file(b"b", "b.txt")])
    assert again[0] is first
    assert [accepted.name for accepted in again] == ["a.txt", "b.txt"]


# --- What is not ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name", "refusal"),
    [
        (b"", "a.txt", uploads.EmptyFile),
        (b"", "a.png", uploads.EmptyFile),
        (b"MZ\x90\x00\x03\x00", "a.exe", uploads.KindNotTaken),
        (b"\x7fELF\x02\x01\x01\x00", "a.txt", uploads.KindNotTaken),
        (b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff", "a.png", uploads.KindNotTaken),
        (b"a\x00b", "a.txt", uploads.KindNotTaken),
        ("später".encode("latin-1"), "a.txt", uploads.KindNotTaken),
        ("text".encode("utf-16"), "a.txt", uploads.KindNotTaken),
        (b"\xed\xa0\x80", "a.txt", uploads.KindNotTaken),
        (b"RIFF\x00\x00\x00\x00WAVEfmt \xff", "a.webp", uploads.KindNotTaken),
        (png()[:60], "a.png", uploads.PictureBroken),
        (png(Image.effect_noise((200, 200), 90))[:9000], "a.png", uploads.PictureBroken),
        (jpeg(drawing(size=(400, 400)))[:900], "a.jpg", uploads.PictureBroken),
        (webp()[:40], "a.webp", uploads.PictureBroken),
        (b"\x89PNG\r\n\x1a\n", "a.png", uploads.PictureBroken),
        (b"\xff\xd8\xff", "a.jpg", uploads.PictureBroken),
        (b"RIFF\x04\x00\x00\x00WEBP", "a.webp", uploads.PictureBroken),
        (b"\x89PNG\r\n\x1a\n" + PAGE, "a.png", uploads.PictureBroken),
        (pictures.png_claiming(0, 10), "a.png", uploads.PictureBroken),
        (pictures.png_claiming(10, 10, b"short"), "a.png", uploads.PictureBroken),
    ],
    ids=label,
)
def test_what_does_not_fit_is_refused_with_its_name(content, name, refusal):
    with pytest.raises(refusal) as caught:
        accept(file(content, name))
    assert f"“{name}”" in str(caught.value.message)
    assert (caught.value.status, caught.value.field, caught.value.name) == (422, "files", name)


@pytest.mark.parametrize("size", [(50_000, 50_000), (5_001, 5_000), (16_001, 1), (1, 2**31 - 1)])
def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(size, monkeypatch):
    def load(self):
        raise AssertionError("decoded")

    monkeypatch.setattr(Image.Image, "load", load)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(uploads.PictureTooLarge):
        accept(file(pictures.png_claiming(*size), "bomb.png"))


def test_words_in_a_picture_that_unpack_to_much_are_refused():
    bomb = pictures.chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(b"0" * 50_000_000))
    content = png()
    content = content[:33] + bomb + content[33:]
    with pytest.raises(uploads.PictureBroken):
        accept(file(content, "a.png"))


def test_a_file_over_the_limit_is_refused_before_it_is_read(settings):
    settings.UPLOAD_MAX_BYTES = 2**20

    class Huge(ContentFile):
        def read(self, *args):
            raise AssertionError("read")

    with pytest.raises(uploads.FileTooLarge, match="1 MB"):
        accept(Huge(b"a" * (2**20 + 1), name="a.log"))
    assert accept(file(b"a" * 2**20, "a.log")).size == 2**20


def test_a_file_that_is_longer_than_it_says_is_refused(settings):
    settings.UPLOAD_MAX_BYTES = 100
    upload = file(b"a" * 101, "a.txt")
    upload.size = 5
    with pytest.raises(uploads.FileTooLarge):
        accept(upload)


# --- Pictures are made anew -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        png(pnginfo=pictures.texts(), exif=exif()),
        jpeg(exif=exif(), comment=b"Secret Street 5"),
        webp(exif=exif(), xmp=b"<x:xmpmeta>Secret Street 5</x:xmpmeta>"),
    ],
    ids=["png", "jpeg", "webp"],
)
def test_nothing_but_pixels_survives(content):
    assert b"Secret Street 5" in content
    image = opened(accept(file(content)).content)
    assert dict(image.getexif()) == {}
    assert set(image.info) <= {
        "jfif",
        "jfif_version",
        "jfif_unit",
        "jfif_density",
        "loop",
        "background",
        "timestamp",
        "duration",
    }
    for trace in (b"Secret", b"SpyCam", b"Exif", b"EXIF", b"eXIf", b"xmp", b"ICC"):
        assert trace not in accept(file(content)).content


@pytest.mark.parametrize("form", [png, jpeg, webp])
@pytest.mark.parametrize(
    "hidden", [PDF, PAGE, archive(), b"<?php system($_GET[0]); ?>"], ids=["pdf", "html", "zip", "php"]
)
def test_a_second_file_behind_a_picture_is_gone(form, hidden):
    accepted = accept(file(form() + hidden, "a.png"))
    assert hidden not in accepted.content
    assert hidden[:8] not in accepted.content
    assert opened(accepted.content).size == (40, 20)


def test_a_second_file_inside_a_picture_is_gone():
    content = png()
    content = content[:33] + pictures.chunk(b"evIl", PAGE) + content[33:]
    assert PAGE not in accept(file(content)).content


@pytest.mark.parametrize("form", [png, jpeg, webp])
@pytest.mark.parametrize(
    ("orientation", "size", "left_or_top"),
    [(1, (40, 20), RED), (2, (40, 20), BLUE), (3, (40, 20), BLUE), (4, (40, 20), RED)]
    + [(5, (20, 40), RED), (6, (20, 40), RED), (7, (20, 40), BLUE), (8, (20, 40), BLUE), (99, (40, 20), RED)],
)
def test_a_picture_stands_upright_without_its_orientation(form, orientation, size, left_or_top):
    accepted = accept(file(form(exif=exif(orientation))))
    image = opened(accepted.content).convert("RGB")
    assert (accepted.width, accepted.height) == image.size == size
    assert near(image.getpixel((3, 3)), left_or_top)


def test_broken_metadata_spoils_no_picture():
    accepted = accept(file(jpeg(exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff\xff\xff")))
    assert opened(accepted.content).size == (40, 20)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_is_kept_as_one_sees_it(mode):
    image = Image.new("I;16", (40, 20), 40_000) if mode == "I;16" else drawing(mode)
    accepted = accept(file(png(image)))
    assert accepted.content_type == "image/png"
    shown, meant = opened(accepted.content), opened(png(image))
    if mode == "I;16":
        assert shown.getpixel((5, 5)) == 40_000
    else:
        assert shown.convert("RGBA").getpixel((35, 5)) == meant.convert("RGBA").getpixel((35, 5))


def test_transparency_stays():
    palette = drawing("P")
    content = png(palette, transparency=palette.getpixel((0, 0)))
    shown = opened(accept(file(content)).content).convert("RGBA")
    assert shown.getpixel((5, 5))[3] == 0
    assert shown.getpixel((35, 5))[3] == 255
    half = Image.new("RGBA", (10, 10), (1, 2, 3, 128))
    for form in (png, webp):
        assert opened(accept(file(form(half))).content).getpixel((5, 5))[3] == 128


def test_a_picture_for_print_becomes_one_for_screens():
    accepted = accept(file(jpeg(drawing("CMYK"))))
    image = opened(accepted.content)
    assert image.mode == "RGB"
    assert near(image.getpixel((5, 5)), RED)


@pytest.mark.parametrize(
    "profile",
    [pictures.srgb_profile(), pictures.lab_profile(), b"no profile", b"\x00" * 300],
    ids=["srgb", "lab", "words", "zeros"],
)
@pytest.mark.parametrize("form", [png, jpeg, webp])
def test_a_colour_profile_is_used_where_it_fits_and_then_gone(form, profile):
    accepted = accept(file(form(icc_profile=profile)))
    image = opened(accepted.content)
    assert "icc_profile" not in image.info
    assert near(image.convert("RGB").getpixel((5, 5)), RED)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_of_a_moving_picture_the_first_frame_stays(form):
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, BLUE, RED)]
    moving = pictures.saved(frames[0], form, save_all=True, append_images=frames[1:], duration=100)
    assert opened(moving).n_frames == 3
    image = opened(accept(file(moving)).content)
    assert getattr(image, "n_frames", 1) == 1
    assert near(image.convert("RGB").getpixel((5, 5)), RED)


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.sampled_from([png(), jpeg(), webp(), jpeg(exif=exif(6)), png(drawing("P"))]), st.data())
def test_a_damaged_picture_is_made_anew_or_refused(content, data):
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        accepted = accept(file(bytes(damaged), "a"))
    except FileRefused:
        return
    assert isinstance(accepted, Accepted)
    if accepted.content_type.startswith("image/"):
        assert opened(accepted.content).size == (accepted.width, accepted.height)


# --- Names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("trace.txt", "trace.txt"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\win.ini", "win.ini"),
        ("/absolute/a.txt", "a.txt"),
        ("C:\\Users\\ann\\a.txt", "a.txt"),
        ("a/b/", "file"),
        ("..", "file"),
        ("...", "file"),
        ("", "file"),
        ("  \t\n ", "file"),
        ("\x00\x01\x02", "file"),
        ("a\x00.txt", "a.txt"),
        ("a\r\nX-Evil: 1.txt", "a X-Evil: 1.txt"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("\u2066a\u2069\u200b\ufeff.txt", "a.txt"),
        ("a\ud800b.txt", "ab.txt"),
        ("a\u2028b.txt", "a b.txt"),
        ("  much   space  .txt", "much space.txt"),
        ("dots.txt...", "dots.txt"),
        (".env", ".env"),
        ("👩🏽‍🚀 flag 🏴󠁧󠁢󠁳󠁣󠁴󠁿.png", "👩🏽‍🚀 flag 🏴󠁧󠁢󠁳󠁣󠁴󠁿.png"),
        ("می‌خواهم.txt", "می‌خواهم.txt"),
        ("e\u0301.txt", "é.txt"),
        ("a" * 300 + ".txt", "a" * 96 + ".txt"),
        ("a" * 300, "a" * 100),
        ("a." + "b" * 300, "a." + "b" * 98),
        ("a.b c", "a.b c"),
        ('quote".txt', 'quote".txt'),
    ],
)
def test_names_are_shown_without_folders_and_tricks(name, shown):
    assert safe_name(name) == shown


@pytest.mark.parametrize(("content", "ending"), [(b"text", ".txt"), (PDF, ".pdf"), (archive(), ".zip")], ids=label)
def test_an_added_ending_survives_a_long_name(content, ending):
    name = accept(ContentFile(content, name="x" * 400 + ".png")).name
    assert len(name) == 100
    assert name.endswith(ending)


@pytest.mark.parametrize("name", ["", "..", " ", "\u200c", "\u200d.", "\u0301", "\U000e0041", "a/\u200c"])
def test_a_name_of_which_nothing_can_be_seen_is_file(name):
    assert safe_name(name) == "file"


@hypothesis_settings(max_examples=500, deadline=None)
@given(st.text(max_size=150))
def test_any_name_becomes_one_that_can_be_shown_and_sent(name):
    shown = safe_name(name)
    assert 0 < len(shown) <= 100
    assert not set(shown) & set("/\\\0\r\n\u202e\u2066")
    assert shown == shown.strip()
    assert safe_name(shown) == shown
    shown.encode()


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_content_is_accepted_as_it_is_or_refused(content):
    try:
        accepted = accept(ContentFile(content, name="a"))
    except FileRefused:
        return
    assert io.BytesIO(accepted.content).read() == content
