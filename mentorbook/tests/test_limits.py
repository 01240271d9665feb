import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path

from mentorbook.limits import takes_files

MEGABYTE = 2**20


def answer(request):
    return HttpResponse(sum(file.size for file in request.FILES.values()))


urlpatterns = [
    path("files/", takes_files(lambda request: answer(request))),
    path("form/", answer),
    path("", include("mentorbook.urls")),
]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def signed_in(client, ann):
    client.force_login(ann)
    return client


def upload(megabytes):
    return {"file": SimpleUploadedFile("a.log", b"a" * int(megabytes * MEGABYTE))}


def test_a_view_that_takes_files_gets_them(signed_in):
    response = signed_in.post("/files/", upload(5))
    assert response.status_code == 200
    assert int(response.content) == 5 * MEGABYTE


def test_a_view_that_takes_none_gets_no_long_body(signed_in):
    assert signed_in.post("/form/", upload(5)).status_code == 413
    assert signed_in.post("/form/", upload(1)).status_code == 200


def test_only_people_who_are_signed_in_send_files(client):
    assert client.post("/files/", upload(5)).status_code == 413


def test_a_long_body_is_refused_before_anything_reads_it(client):
    """The CSRF check would be the first: it looks for its token in the form."""
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/files/", upload(5)).status_code == 413
    assert strict.post("/files/", upload(1)).status_code == 403


def test_all_files_of_a_form_together_have_a_limit(signed_in, settings):
    settings.UPLOAD_MAX_REQUEST_BYTES = 6 * MEGABYTE
    assert signed_in.post("/files/", {"one": upload(3)["file"], "two": upload(2)["file"]}).status_code == 200
    assert signed_in.post("/files/", {"one": upload(3)["file"], "two": upload(4)["file"]}).status_code == 413


def test_a_long_body_that_is_no_form_is_refused_by_views_that_take_files(signed_in):
    for content_type in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        assert signed_in.post("/files/", "a" * 5 * MEGABYTE, content_type=content_type).status_code == 413


def test_long_texts_in_a_form_with_files_are_refused_without_an_error(signed_in):
    response = signed_in.post("/files/", {**upload(0.1), "text": "a" * 5 * MEGABYTE})
    assert response.status_code in (400, 413)


def test_a_form_with_too_many_files_is_refused_without_an_error(signed_in):
    files = {f"file{number}": SimpleUploadedFile(f"{number}.txt", b"a") for number in range(101)}
    assert signed_in.post("/files/", files).status_code in (400, 413)


def test_long_texts_are_refused_by_the_csrf_check_as_well(ann):
    strict = Client(enforce_csrf_checks=True, raise_request_exception=False)
    strict.force_login(ann)
    strict.get("/accounts/login/")
    strict.cookies["csrftoken"] = token = "x" * 32
    form = {**upload(0.1), "text": "a" * 5 * MEGABYTE, "csrfmiddlewaretoken": token}
    assert strict.post("/files/", form).status_code in (400, 413)
    assert strict.post("/files/", {**upload(5), "csrfmiddlewaretoken": token}).status_code == 200
