import pytest
from django.template import Context, Template
from django.urls import reverse
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from notifications.models import Notification
from notifications.tests.factories import NotificationFactory

LIST = reverse("notifications:list")


@pytest.fixture
def ann_signed_in(client, ann):
    client.force_login(ann)
    return client


@pytest.mark.parametrize(
    ("method", "url"),
    [("get", LIST), ("get", "/notifications/1/"), ("post", "/notifications/1/read/"), ("post", "/notifications/read/")],
)
@pytest.mark.django_db
def test_every_page_asks_to_sign_in(client, method, url):
    assertRedirects(
        getattr(client, method)(url), f"{reverse('account_login')}?next={url}", fetch_redirect_response=False
    )


@pytest.mark.parametrize(("method", "page"), [("get", "open"), ("post", "read")])
def test_those_of_others_and_missing_ones_answer_alike(ann_signed_in, sam, method, page):
    of_sam = NotificationFactory(recipient=sam)
    for pk in (of_sam.pk, of_sam.pk + 1):
        assert getattr(ann_signed_in, method)(reverse(f"notifications:{page}", args=[pk])).status_code == 404
    of_sam.refresh_from_db()
    assert of_sam.read_at is None


@pytest.mark.parametrize("url", ["/notifications/1/read/", "/notifications/read/"])
def test_marking_read_needs_post(ann_signed_in, url):
    assert ann_signed_in.get(url).status_code == 405


def test_list_shows_ones_own_newest_first(ann_signed_in, ann, sam):
    NotificationFactory(recipient=ann, title="The older one")
    NotificationFactory(recipient=ann, title="The newer one")
    NotificationFactory(recipient=sam, title="Of Sam")
    response = ann_signed_in.get(LIST)
    assertNotContains(response, "Of Sam")
    text = response.content.decode()
    assert text.index("The newer one") < text.index("The older one")
    assertContains(response, "2 unread")


def test_list_escapes_what_people_wrote(ann_signed_in, ann):
    NotificationFactory(recipient=ann, title="<script>a</script>", body="<img src=x>")
    response = ann_signed_in.get(LIST)
    assertNotContains(response, "<script>a")
    assertNotContains(response, "<img src=x>")


def test_list_says_what_belongs_there_when_empty(ann_signed_in):
    assertContains(ann_signed_in.get(LIST), "Nothing to tell yet")


def test_list_takes_as_many_queries_for_three_as_for_one(
    ann_signed_in, ann, django_assert_num_queries, django_assert_max_num_queries
):
    NotificationFactory(recipient=ann)
    with django_assert_max_num_queries(20) as counted:
        ann_signed_in.get(LIST)
    NotificationFactory.create_batch(2, recipient=ann)
    with django_assert_num_queries(len(counted)):
        ann_signed_in.get(LIST)


def test_list_has_pages(ann_signed_in, ann):
    NotificationFactory.create_batch(21, recipient=ann)
    assert len(ann_signed_in.get(LIST).context["page"].object_list) == 20
    assert len(ann_signed_in.get(LIST, {"page": 2}).context["page"].object_list) == 1
    assert ann_signed_in.get(LIST, {"page": "x"}).status_code == 200


def test_open_marks_read_and_leads_to_the_page(ann_signed_in, ann):
    notification = NotificationFactory(recipient=ann, url="/bookings/17/")
    response = ann_signed_in.get(notification.get_absolute_url())
    assertRedirects(response, "/bookings/17/", fetch_redirect_response=False)
    notification.refresh_from_db()
    assert notification.read_at


@pytest.mark.parametrize("url", ["https://evil.example/", "//evil.example", "/\\evil.example", ""])
def test_open_never_leads_away(ann_signed_in, ann, url):
    notification = NotificationFactory(recipient=ann, url=url)
    assertRedirects(ann_signed_in.get(notification.get_absolute_url()), LIST, fetch_redirect_response=False)


def test_read_marks_one_and_returns_to_the_same_page(ann_signed_in, ann):
    one, _other = NotificationFactory.create_batch(2, recipient=ann)
    response = ann_signed_in.post(reverse("notifications:read", args=[one.pk]), {"page": "2"})
    assertRedirects(response, f"{LIST}?page=2", fetch_redirect_response=False)
    assert Notification.objects.unread().count() == 1


def test_read_all_leaves_what_came_after_the_page_was_shown(ann_signed_in, ann, sam):
    NotificationFactory(recipient=sam)
    newest = NotificationFactory.create_batch(2, recipient=ann)[-1]
    later = NotificationFactory(recipient=ann)
    ann_signed_in.post(reverse("notifications:read_all"), {"up_to": newest.pk})
    assert list(Notification.objects.visible_to(ann).unread()) == [later]
    assert Notification.objects.visible_to(sam).unread().count() == 1


@pytest.mark.parametrize("up_to", ["", "x", "-1", "9" * 40, "½", "٣"])
def test_read_all_bears_nonsense(ann_signed_in, ann, up_to):
    NotificationFactory(recipient=ann)
    assert ann_signed_in.post(reverse("notifications:read_all"), {"up_to": up_to}).status_code == 302


def test_unread_count_counts_ones_own_in_one_query(ann, sam, django_assert_num_queries):
    NotificationFactory.create_batch(2, recipient=ann)
    NotificationFactory(recipient=ann, read_at=timezone.now())
    NotificationFactory(recipient=sam)
    template = Template("{% load notifications %}{% unread_count as unread %}{{ unread }}")
    with django_assert_num_queries(1):
        assert template.render(Context({"user": ann})) == "2"
    assert template.render(Context({})) == "0"
