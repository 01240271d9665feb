"""What is found, by whom, in which order, and what the page shows of it."""

import datetime as dt
import random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mentorbook.pages import paginate
from tickets.models import Reply, Ticket
from tickets.search import finding, index_tickets, related_articles, search_tickets, similar_articles
from tickets.search.dictionary import count_words, dictionary, refresh_search_words
from tickets.tests.factories import ReplyFactory, TicketFactory

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1) hx-get=/x>"


@pytest.fixture
def write(ann, mentor):
    """Makes tickets that the search knows: closed and public ones of Ann's that Max solved, unless told otherwise."""

    def write(title, description="…", solution="…", **fields):
        state = fields.pop("state", "closed")
        people = {"student": fields.pop("student", ann)}
        if state not in ("open", "deleted"):
            people |= {"mentor": mentor, "solution_text": solution}
        ticket = TicketFactory(
            **{state: True} if state != "open" else {}, **people, title=title, description=description, **fields
        )
        index_tickets([ticket.pk])
        return ticket

    return write


def found(text, rows=None, **options):
    """The titles."""
    results = search_tickets(Ticket.objects.articles() if rows is None else rows, text, **options)
    return [hit.ticket.title for hit in results[:20]]


# --- What is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "asyncio",
        "asyncio.run",
        "OperationalError",
        "operational",
        "django.db.utils.OperationalError",
        "utils.operationalerror",
        '"no such table"',
        "c++",
        "日本",
        "สวัส",
        "हिन्दी",
        "محمد",
        "🐍",
        "-ruby",
        "-tag:ruby asyncio",
        "run*",
        "tag:py",
    ],
)
def test_words_of_every_kind_are_found(write, text):
    ticket = write(
        "asyncio.run(main()) and c++",
        "django.db.utils.OperationalError: no such table 日本語 สวัสดี हिन्दी مُحَمَّد",
        "Use 🐍",
        tags=["py"],
    )
    write("ruby", tags=["ruby"])
    assert found(text) == [ticket.title]


@pytest.mark.parametrize(
    "text", ["c", "c#", '"such no table"', "本日", "", "-asyncio -ruby", "tag:nothing", "   ", "!!"]
)
def test_what_is_not_there_is_not_found(write, text):
    write("asyncio.run(main()) and c++", "no such table 日本語")
    write("ruby")
    assert found(text) == []


def test_solution_and_useful_replies_are_found_and_nothing_that_an_article_does_not_show(write):
    ticket = write("Title", "question", "antidote")
    ReplyFactory(ticket=ticket, text="helpful", is_useful=True)
    ReplyFactory(ticket=ticket, text="chatter")
    ReplyFactory(ticket=ticket, text="confidential", kind=Reply.Kind.NOTE, is_useful=True)
    ReplyFactory(ticket=ticket, text="outdated", kind=Reply.Kind.SOLUTION)
    index_tickets([ticket.pk])
    for word in ("question", "antidote", "helpful"):
        assert found(word) == ["Title"]
    for word in ("chatter", "confidential", "outdated"):
        assert found(word) == []


def test_synonym_of_a_tag_finds_what_has_the_tag(write):
    from mentors.models import Tag

    ticket = write("Loops", tags=["javascript"])
    Tag.objects.get(name="javascript").synonyms.create(name="js")
    index_tickets([ticket.pk])
    assert found("js") == found("tag:js") == found("tag:JavaScript") == ["Loops"]
    assert found("-tag:js") == []


# --- Who finds it -----------------------------------------------------------------------------------------------------


def test_words_of_a_private_ticket_show_nowhere(write, sam, max, ada):
    write("My xylophone is broken", "The xylophone of ours", is_public=False, tags=["xylophones"])
    write("Telephone", "telephones")
    count_words(now=NOW)
    rows = Ticket.objects.readable_by(sam)
    for text in ["xylophone", "xylophon", "xylofone", "xyl*", "tag:xylophones", "-telephone", "broken OR xylophone"]:
        results = search_tickets(rows, text)
        assert (len(results), results.suggestion, results.total_label) == (0, "", "0"), text
    assert len(search_tickets(rows, "-nothing")) == 1
    assert "xylophone" not in dictionary().documents
    assert [it.title for it in similar_articles("xylophone telephone")] == ["Telephone"]
    assert found("xylophone", Ticket.objects.visible_to(ada)) == ["My xylophone is broken"]


@pytest.mark.parametrize("state", ["open", "assigned"])
def test_ticket_in_work_is_found_by_its_people_and_by_mentors_only(write, ann, sam, max, state):
    write("Needle", state=state)
    assert found("needle", Ticket.objects.visible_to(ann)) == ["Needle"]
    assert found("needle", Ticket.objects.visible_to(max)) == ["Needle"]
    assert found("needle", Ticket.objects.visible_to(sam)) == []
    assert found("needle", Ticket.objects.readable_by(ann)) == []


def test_hidden_article_is_found_no_more_without_a_word_to_the_index(write, sam):
    ticket = write("Needle")
    results = search_tickets(Ticket.objects.readable_by(sam), "needle")
    Ticket.objects.filter(pk=ticket.pk).update(hidden_at=NOW)
    assert found("needle") == []
    assert results[:20] == []  # nor is it on the page that was about to be shown


def test_suggestion_is_not_made_of_what_the_person_may_not_see(write, sam):
    """The dictionary was counted while it was an article."""
    ticket = write("Xylophone")
    count_words(now=NOW)
    assert search_tickets(Ticket.objects.readable_by(sam), "xylophnoe").suggestion == "xylophone"
    Ticket.objects.filter(pk=ticket.pk).update(is_public=False)
    assert search_tickets(Ticket.objects.readable_by(sam), "xylophnoe").suggestion == ""


def test_strangers_find_nothing_where_the_knowledge_base_is_for_members(write, settings):
    from django.contrib.auth.models import AnonymousUser

    write("Needle")
    settings.KNOWLEDGE_IS_PUBLIC = False
    assert found("needle", Ticket.objects.readable_by(AnonymousUser())) == []
    assert similar_articles("needle", rows=Ticket.objects.readable_by(AnonymousUser())) == []
    settings.KNOWLEDGE_IS_PUBLIC = True
    assert found("needle", Ticket.objects.readable_by(AnonymousUser())) == ["Needle"]


# --- In which order ---------------------------------------------------------------------------------------------------


def test_title_comes_before_tags_before_text(write):
    write("Celery beat", tags=["x"])
    write("Queues", tags=["celery"])
    write("Tasks", "celery " * 20, tags=["x"])
    write("Celery", tags=["x"])
    assert found("celery") == ["Celery", "Celery beat", "Queues", "Tasks"]


def test_upvotes_and_age_decide_between_equals_and_do_not_outweigh_the_title(write):
    ago = timezone.now() - dt.timedelta(days=1500)
    write("needle old", created_at=ago)
    write("needle liked", upvote_count=30)
    write("needle new")
    write("hay", "needle", upvote_count=5000)
    assert found("needle") == ["needle liked", "needle new", "needle old", "hay"]


def test_other_orders(write):
    for days, votes in [(3, 1), (1, 0), (2, 7)]:
        write(f"needle {days}", created_at=timezone.now() - dt.timedelta(days=days), upvote_count=votes)
    assert found("needle", order="newest") == ["needle 1", "needle 2", "needle 3"]
    assert found("needle", order="helpful") == ["needle 2", "needle 3", "needle 1"]


def test_great_numbers_are_capped_and_titles_still_found(write, monkeypatch):
    monkeypatch.setattr(finding, "LIMIT", 5)
    write("Needle", upvote_count=9)
    for number in range(7):
        write(f"hay {number}", "needle")
    results = search_tickets(Ticket.objects.articles(), "needle")
    assert (len(results), results.total_label, results.is_capped) == (5, "5+", True)
    assert results[0].ticket.title == "Needle"
    assert found("needle", order="helpful")[0] == "Needle"
    assert len(search_tickets(Ticket.objects.articles(), "-needle")) == 0
    assert search_tickets(Ticket.objects.articles(), "-nothing").is_capped


def test_page_costs_the_same_number_of_queries_whatever_it_shows(write, rf):
    write("needle 0")
    rows = Ticket.objects.articles().for_rows()

    def page():
        with CaptureQueriesContext(connection) as captured:
            hits = list(paginate(rf.get("/"), search_tickets(rows, "needle")))
            shown = [(hit.title, hit.excerpt, hit.ticket.student.name, list(hit.ticket.tags.all())) for hit in hits]
        return len(shown), len(captured)

    assert page()[0] == 1
    page()  # the words of the articles are remembered for a while
    few = page()[1]
    for number in range(1, 25):
        write(f"needle {number}", "haystack " * 500)
    assert page() == (20, few - 2)  # with few results a better spelling is looked for


# --- What the page shows ----------------------------------------------------------------------------------------------


def test_injections_are_escaped_in_title_and_excerpt(write):
    write(f"needle {SCRIPT}", f"{SCRIPT} needle {SCRIPT} <mark>", f'</mark>"{SCRIPT}" needle')
    for text in ["needle", "script", "alert", "img OR onerror", '"needle script"', "-nothing", SCRIPT, f'"{SCRIPT}"']:
        results = search_tickets(Ticket.objects.articles(), text)
        assert len(results) == 1, text
        html = results[0].title + results[0].excerpt
        assert "<" not in html.replace("<mark>", "").replace("</mark>", "")
        assert html.count("<mark>") == html.count("</mark>")
        assert ("<mark>" in html) == (text != "-nothing")


def test_excerpt_comes_from_where_the_words_are(write):
    write("Title", "nothing here " * 50, "word " * 200 + "the needle is in the haystack " + "word " * 200)
    (hit,) = search_tickets(Ticket.objects.articles(), "needle haystack")[:20]
    assert "<mark>needle</mark> is in the <mark>haystack</mark>" in hit.excerpt
    assert hit.excerpt.startswith("… ")
    assert hit.excerpt.endswith(" …")
    assert len(hit.excerpt) < 350


# --- Did you mean -----------------------------------------------------------------------------------------------------


@pytest.fixture
def library(write):
    for number in range(3):
        write(f"Django queries {number}", "asynchronous python", tags=["python"])
    write("databases", tags=["postgresql"])
    assert count_words(now=NOW) > 5


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("djnago", "django"),
        ("jdango", "django"),
        ("Djano", "django"),
        ("pyhton querys", "python querys"),
        ("asynchronus", "asynchronous"),
        ("asinchronos", "asynchronous"),
        ("postgersql", "postgresql"),
        ("djnago pythn", "django python"),
        ('djnago -"x y"', 'django -"x y"'),
        ("djnago* OR pythn", "djnago* OR python"),
    ],
)
def test_mistyped_words_find_what_was_meant(library, typed, meant):
    results = search_tickets(Ticket.objects.articles(), typed)
    assert (results.suggestion, results.is_corrected) == (meant, True)
    assert len(results) > 0
    assert results.text == typed
    assert typed == "postgersql" or any("<mark>" in hit.title + hit.excerpt for hit in results[:5])  # that one is a tag


@pytest.mark.parametrize(
    "typed", ["django", "query", "database", "xq", "zzzzzzzz", '"djnago"', "-djnago", "404", "日本"]
)
def test_what_is_right_or_hopeless_is_not_corrected(library, typed):
    assert search_tickets(Ticket.objects.articles(), typed).suggestion == ""


def test_better_spelling_is_only_offered_where_something_was_found(library, write):
    write("djnago")
    results = search_tickets(Ticket.objects.articles(), "djnago")
    assert (results.suggestion, results.is_corrected, len(results)) == ("django", False, 1)


def test_words_are_counted_again_when_it_is_time(library, write):
    write("zeitgeist")
    assert refresh_search_words(now=NOW + dt.timedelta(minutes=1)) == 0
    assert search_tickets(Ticket.objects.articles(), "zeitgiest").suggestion == ""
    later = NOW + dt.timedelta(hours=2)
    assert refresh_search_words(now=later, dry_run=True) == 1
    assert refresh_search_words(now=later) == 1
    assert refresh_search_words(now=later) == 0
    assert search_tickets(Ticket.objects.articles(), "zeitgiest").suggestion == "zeitgeist"


# --- Articles like this one -------------------------------------------------------------------------------------------


def test_similar_articles_share_the_rarest_words(write):
    for number in range(6):
        write(f"Python question {number}", "asyncio deadlock")
    best = write("Python deadlock in asyncio")
    write("deadlock of mine", is_public=False)
    count_words(now=NOW)
    similar = similar_articles("Why does Python deadlock?")
    assert similar[0] == best
    assert similar_articles("deadlock") == [best]
    assert similar_articles("deadlock", without=best.pk) == []
    assert similar_articles("why does it") == similar_articles("") == similar_articles("\x00\ud800") == []


def test_similar_articles_are_found_before_any_word_was_counted(write):
    best = write("Deadlock in asyncio")
    assert similar_articles("asyncio deadlock") == [best]


def test_related_articles_share_words_or_tags(write):
    first = write("Celery worker hangs", tags=["celery"])
    same_words = write("worker hangs at night", tags=["x"])
    same_tag = write("beat", tags=["celery"])
    write("other", tags=["y"])
    assert related_articles(first) == [same_words, same_tag]


def test_title_of_any_kind_has_similar_articles_or_none(write):
    write("needle")
    chance = random.Random(4)
    for _ in range(200):
        title = "".join(chr(chance.randrange(0x110000)) for _ in range(30)) + chance.choice([" needle", "'\"*"])
        similar_articles(title * chance.choice([1, 500]))
