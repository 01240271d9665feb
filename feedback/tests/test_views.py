import datetime as dt

import pytest
from django.template import Context, Template
from django.urls import reverse
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from bookings.tests.factories import AppointmentFactory
from feedback.actions import write_review
from feedback.models import Review
from feedback.tests.factories import ReviewFactory, held
from mentors.models import MentorProfile
from tickets.tests.factories import TicketFactory

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _now(time_machine_at):
    time_machine_at(NOW)


@pytest.fixture
def time_machine_at():
    import time_machine

    travellers = []

    def travel(moment):
        while travellers:
            travellers.pop().stop()
        traveller = time_machine.travel(moment, tick=False)
        traveller.start()
        travellers.append(traveller)

    yield travel
    for traveller in travellers:
        traveller.stop()


@pytest.fixture
def session(mentor, ann):
    return held(mentor, ann)


def signed_in(client, user):
    client.force_login(user)
    return client


def create_url(session):
    return reverse("feedback:create", args=[session.pk])


def edit_url(review):
    return reverse("feedback:edit", args=[review.pk])


# --- Who gets in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post"])
def test_every_page_asks_to_sign_in(client, session, mentor, method):
    review = ReviewFactory(appointment=session)
    for url in (create_url(session), edit_url(review), reverse("feedback:of_mentor", args=[mentor.pk])):
        response = getattr(client, method)(url)
        assertRedirects(response, f"{reverse('account_login')}?next={url}", fetch_redirect_response=False)


@pytest.mark.parametrize(
    ("person", "status"), [("ann", 200), ("max", 200), ("sam", 404), ("ada", 403)], ids=lambda value: str(value)
)
def test_the_two_people_of_a_session_may_open_the_form(client, session, person, status, request):
    client = signed_in(client, request.getfixturevalue(person))
    assert client.get(create_url(session)).status_code == status
    posted = client.post(create_url(session), {"rating": "5"})
    assert posted.status_code == (302 if status == 200 else status)
    assert Review.objects.count() == (1 if status == 200 else 0)


@pytest.mark.parametrize("person", ["max", "sam", "ada"])
def test_nobody_else_changes_a_review(client, session, ann, person, request):
    review = write_review(session, author=ann, rating=4, now=NOW)
    client = signed_in(client, request.getfixturevalue(person))
    for response in (client.get(edit_url(review)), client.post(edit_url(review), {"rating": "1"})):
        assert response.status_code == 404
    review.refresh_from_db()
    assert review.rating == 4


def test_missing_ones_are_not_found(client, ann):
    client = signed_in(client, ann)
    for name in ("create", "edit", "of_mentor"):
        assert client.get(reverse(f"feedback:{name}", args=[2**40])).status_code == 404


def test_reviews_of_a_mentor_who_is_not_listed_are_not_found(client, ann, mentor):
    mentor.approval = MentorProfile.Approval.WAITING
    mentor.save(update_fields=["approval"])
    assert signed_in(client, ann).get(reverse("feedback:of_mentor", args=[mentor.pk])).status_code == 404


# --- Writing ----------------------------------------------------------------------------------------------------------


def test_the_form_says_who_reads_it_and_when(client, session, ann, max):
    response = signed_in(client, ann).get(create_url(session))
    assertContains(response, "How did Max Meyer help you?")
    assertContains(response, "Shown on 29 January, or as soon as Max Meyer has written too.")
    assertContains(response, "Everybody can read what students say of a mentor.")
    response = signed_in(client, max).get(create_url(session))
    assertContains(response, "How was working with Ann Archer?")
    assertContains(response, "Only Ann Archer and the staff read it.")


def test_writing_saves_and_leads_to_the_session(client, session, ann):
    response = signed_in(client, ann).post(create_url(session), {"rating": "4", "comment": "  Clear.  "}, follow=True)
    assertRedirects(response, f"{session.get_absolute_url()}#reviews", fetch_redirect_response=False)
    assertContains(response, "Max reads it on 29 January, or as soon as both of you have written.")
    review = Review.objects.get()
    assert (review.rating, review.comment) == (4, "Clear.")


def test_writing_second_says_that_both_can_be_read(client, session, ann, max):
    write_review(session, author=max, rating=4, comment="Asks good questions.", now=NOW)
    client = signed_in(client, ann)
    response = client.get(create_url(session))
    assertContains(response, "Max Meyer has written already")
    assertNotContains(response, "Asks good questions.")
    response = client.post(create_url(session), {"rating": "4"}, follow=True)
    assertContains(response, "Both reviews can be read now.")
    assertContains(response, "Asks good questions.")


@pytest.mark.parametrize(
    ("rating", "error"),
    [(value, "Choose from 1 to 5 stars.") for value in ("", "0", "6", "x", "4.5", "１", "9" * 30, "\0")],
)
def test_a_rating_that_makes_no_sense_is_refused_beside_the_field(client, session, ann, rating, error):
    response = signed_in(client, ann).post(create_url(session), {"rating": rating, "comment": "Kept words"})
    assertContains(response, error, status_code=422)
    assertContains(response, "Kept words", status_code=422)
    assert not Review.objects.exists()


@pytest.mark.parametrize("comment", ["x" * 2001, "a\0b"])
def test_a_comment_that_cannot_be_kept_is_refused_beside_the_field(client, session, ann, comment):
    response = signed_in(client, ann).post(create_url(session), {"rating": "3", "comment": comment})
    assert response.status_code == 422
    assert "comment" in response.context["form"].errors
    assert not Review.objects.exists()


def test_a_second_review_is_refused_and_the_words_are_kept_on_the_page(client, session, ann):
    client = signed_in(client, ann)
    client.post(create_url(session), {"rating": "4"})
    response = client.post(create_url(session), {"rating": "1", "comment": "Second words"})
    assertContains(response, "You have reviewed this already.", status_code=409)
    assertContains(response, "Second words", status_code=409)
    assertRedirects(client.get(create_url(session)), f"{session.get_absolute_url()}#reviews")


def test_a_session_that_is_not_over_is_refused(client, mentor, ann):
    session = AppointmentFactory(mentor=mentor, student=ann)
    client = signed_in(client, ann)
    assertContains(client.get(create_url(session)), "not completed yet", status_code=409)
    assertContains(client.post(create_url(session), {"rating": "4"}), "not completed yet", status_code=409)


# --- Changing ---------------------------------------------------------------------------------------------------------


def test_changing_shows_what_was_written_and_saves_what_is_new(client, session, ann):
    review = write_review(session, author=ann, rating=2, comment="First words", now=NOW)
    client = signed_in(client, ann)
    assertContains(client.get(edit_url(review)), "First words")
    response = client.post(edit_url(review), {"rating": "5", "comment": "Better words"})
    assertRedirects(response, f"{session.get_absolute_url()}#reviews", fetch_redirect_response=False)
    review.refresh_from_db()
    assert (review.rating, review.comment) == (5, "Better words")
    assert client.post(edit_url(review), {"rating": "7"}).status_code == 422


def test_changing_too_late_is_refused(client, session, ann, time_machine_at):
    review = write_review(session, author=ann, rating=2, now=NOW)
    client = signed_in(client, ann)
    time_machine_at(NOW + dt.timedelta(hours=48))
    client.force_login(ann)
    assert client.get(edit_url(review)).status_code == 409
    assertContains(client.post(edit_url(review), {"rating": "5"}), "cannot be changed any more", status_code=409)


# --- What others see --------------------------------------------------------------------------------------------------


def section(tag, user, **context):
    template = Template(f"{{% load feedback %}}{{% {tag} %}}")
    return template.render(Context({"user": user, **context}))


def of_appointment(session, user):
    session.refresh_from_db()
    return section("appointment_reviews appointment", user, appointment=session)


def test_a_session_shows_ones_own_review_and_not_the_others_until_both_wrote(session, ann, max, ada, sam):
    assert "How was it with Max Meyer?" in of_appointment(session, ann)
    write_review(session, author=max, rating=2, comment="Words of Max", now=NOW)

    for_max, for_ann = of_appointment(session, max), of_appointment(session, ann)
    assert "Words of Max" in for_max
    assert "Change it" in for_max
    assert "Words of Max" not in for_ann
    assert "Max Meyer has written a review. Write yours, and both are shown." in for_ann
    assert "Words of Max" in of_appointment(session, ada)

    write_review(session, author=ann, rating=5, comment="Words of Ann", now=NOW)
    for person in (ann, max):
        page = of_appointment(session, person)
        assert "Words of Max" in page
        assert "Words of Ann" in page
        assert "Change it" not in page
        assert "Write a review" not in page


def test_a_mentor_who_is_staff_reads_no_waiting_review_of_themselves(session, ann, max, mentor):
    max.is_staff = True
    write_review(session, author=ann, rating=3, comment="Too fast", now=NOW)
    ticket = TicketFactory(closed=True, student=ann, mentor=mentor)
    ReviewFactory(
        appointment=None,
        ticket=ticket,
        author=ann,
        recipient=max,
        comment="Too short",
        created_at=NOW,
        shown_at=NOW + dt.timedelta(hours=48),
    )
    assert "Too fast" not in of_appointment(session, max)
    assert "Too short" not in section("ticket_reviews ticket", max, ticket=ticket)
    Review.objects.update(shown_at=NOW)
    assert "Too fast" in of_appointment(session, max)
    assert "Too short" in section("ticket_reviews ticket", max, ticket=ticket)


def test_a_session_that_was_cancelled_says_nothing_of_reviews(mentor, ann):
    session = AppointmentFactory(mentor=mentor, student=ann, status="cancelled")
    assert of_appointment(session, ann).strip() == ""


def test_a_profile_shows_the_newest_five_and_links_to_all(mentor, ann, sam):
    for number in range(6):
        ReviewFactory(appointment=held(mentor, ann, -number - 1), comment=f"Words {number}.")
    page = section("mentor_reviews mentor", sam, mentor=mentor)
    assert "Words 4." in page
    assert "Words 5." not in page
    assert "Read all 6 reviews" in page
    assert "from 6 reviews" in page


def test_a_profile_without_reviews_says_so(mentor, sam):
    assert "Nobody has reviewed Max yet." in section("mentor_reviews mentor", sam, mentor=mentor)


def test_what_people_wrote_is_escaped(mentor, ann, sam):
    ReviewFactory(appointment=held(mentor, ann, -1), comment="<script>alert(1)</script>")
    page = section("mentor_reviews mentor", sam, mentor=mentor)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_page_of_all_reviews_has_pages_and_hides_what_is_not_shown(client, mentor, ann, sam):
    for number in range(21):
        ReviewFactory(appointment=held(mentor, ann, -number - 1))
    ReviewFactory(appointment=held(mentor, ann, -30), comment="Hidden words", hidden_at=NOW)
    ReviewFactory(appointment=held(mentor, ann, 0), comment="Waiting words", waiting=True)
    client = signed_in(client, sam)
    response = client.get(reverse("feedback:of_mentor", args=[mentor.pk]))
    assert len(response.context["page"].object_list) == 20
    assertNotContains(response, "Waiting words")
    response = client.get(reverse("feedback:of_mentor", args=[mentor.pk]), {"page": 2})
    assert len(response.context["page"].object_list) == 1
    assertNotContains(response, "Hidden words")


def test_the_dashboard_asks_for_reviews_and_shows_what_others_wrote(session, mentor, ann, max):
    ReviewFactory(appointment=held(mentor, ann, -2), comment="Words of Ann")
    page = section("dashboard_reviews", max)
    assert "How was “Help with Django forms” with Ann Archer?" in page
    assert "Words of Ann" in page
    assert section("dashboard_reviews", mentor.user).count("Write a review</a>") == 1


def test_the_dashboard_is_silent_when_there_is_nothing(sam):
    assert section("dashboard_reviews", sam).strip() == ""


# --- Queries ----------------------------------------------------------------------------------------------------------


def test_lists_take_as_many_queries_for_three_rows_as_for_one(
    client, mentor, ann, max, sam, django_assert_num_queries, django_assert_max_num_queries
):
    page = reverse("feedback:of_mentor", args=[mentor.pk])
    client = signed_in(client, sam)
    ReviewFactory(appointment=held(mentor, ann, -1))
    held(mentor, ann, -10)
    with django_assert_max_num_queries(20) as counted:
        assert client.get(page).status_code == 200
    for number in (2, 3):
        ReviewFactory(appointment=held(mentor, ann, -number))
        held(mentor, ann, -10 - number)
    with django_assert_num_queries(len(counted)):
        client.get(page)
    mentor = MentorProfile.objects.select_related("user").get(pk=mentor.pk)
    with django_assert_num_queries(2):
        section("mentor_reviews mentor", sam, mentor=mentor)
    with django_assert_num_queries(4):
        section("dashboard_reviews", max)
    session = Review.objects.select_related("appointment__mentor__user", "appointment__student").first().appointment
    with django_assert_num_queries(1):
        section("appointment_reviews appointment", ann, appointment=session)
