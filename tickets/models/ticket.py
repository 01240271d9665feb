from django.conf import settings
from django.core.validators import MaxLengthValidator, ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Case, F, Q, When
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from mentors.models import MentorProfile, Tag
from tickets import readers

MAX_TAGS = 5
TITLE_LENGTH = 200
TEXT_LENGTH = 20_000
REASON_LENGTH = 500


def knowledge_is_open_to(user) -> bool:
    """Whether `user` may look into the knowledge base: everybody where the setting says so, otherwise members."""
    return user.is_authenticated or settings.KNOWLEDGE_IS_PUBLIC


class TicketQuerySet(models.QuerySet):
    def there(self):
        """All but the deleted ones, of which nothing may be seen."""
        return self.exclude(status=Ticket.Status.DELETED)

    def visible_to(self, user):
        """One's own as a student, those shared with one's groups, those one mentors, those in work for every approved
        mentor, those that `readers` open; all for staff."""
        if not user.is_authenticated:
            return self.none()
        if user.is_staff:
            return self.there()
        mine = Q(student=user)
        if user.group_ids:
            mine |= Q(group__in=user.group_ids)
        if (profile := getattr(user, "mentor_profile", None)) is not None:
            mine |= Q(mentor=profile)
            if profile.is_approved:
                mine |= Q(status__in=Ticket.IN_WORK)
        return self.there().filter(mine | readers.opened_for(user))

    def shared_with(self, group):
        """Those that their students let the members of `group` read."""
        return self.there().filter(group=group)

    def of_student(self, user):
        return self.there().filter(student=user)

    def involving(self, user):
        """Those that `user` asked or has as their mentor."""
        profile = getattr(user, "mentor_profile", None)
        return self.there().filter(Q(student=user) | Q(mentor=profile) if profile else Q(student=user))

    def for_mentor(self, mentor):
        return self.there().filter(mentor=mentor)

    def open(self):
        """Those that wait for a mentor."""
        return self.filter(status=Ticket.Status.OPEN)

    def assigned(self):
        """Those that a mentor has and has not solved yet."""
        return self.filter(status=Ticket.Status.ASSIGNED)

    def queue_for(self, user):
        """The open ones that `user` may take: everybody's but their own."""
        return self.open().exclude(student=user)

    def articles(self):
        """The knowledge base: solved, and the student lets others learn from it, and staff did not hide it."""
        return self.filter(status__in=Ticket.SOLVED, is_public=True, hidden_at=None)

    def readable_by(self, user):
        """The articles that `user` may read."""
        return self.articles() if knowledge_is_open_to(user) else self.none()

    def with_tags(self, *tags):
        """Those that have all of these tags."""
        rows = self
        for tag in tags:
            rows = rows.filter(pk__in=Ticket.tags.through.objects.filter(tag=tag).values("ticket"))
        return rows

    def awaited_first(self):
        """A mentor's own: where the mentor is awaited, then where the student is, longest waiting first; then the
        solved ones, newest first. `place` numbers the three from 0."""
        in_work = [Ticket.Status.ASSIGNED, Ticket.Status.RESOLVED]
        place = Case(
            When(status__in=in_work, waiting_on=Ticket.Side.MENTOR, then=0),
            When(status=Ticket.Status.ASSIGNED, then=1),
            default=2,
            output_field=models.IntegerField(),
        )
        waiting = Case(When(place__lt=2, then=F("waiting_since")))
        return self.annotate(place=place).order_by("place", waiting, "-resolved_at", "-id")

    def silent_since(self, moment):
        """Assigned ones whose mentor has been awaited since before `moment`, longest first."""
        waiting = self.assigned().filter(waiting_on=Ticket.Side.MENTOR, waiting_since__lte=moment)
        return waiting.order_by("waiting_since", "id")

    def solved_before(self, moment):
        """Resolved ones that have been so since before `moment`, longest first."""
        return self.filter(status=Ticket.Status.RESOLVED, resolved_at__lte=moment).order_by("resolved_at", "id")

    def with_people(self):
        return self.select_related("student", "mentor__user", "group")

    def for_rows(self):
        """With what a list shows of each, without the long texts."""
        return self.with_people().prefetch_related("tags").defer("description", "student__bio", "mentor__bio")


class Ticket(models.Model):
    """A question in writing, from the asking to its end. Changed only by tickets.actions."""

    class Status(models.TextChoices):
        OPEN = "open", _("waiting for a mentor")
        ASSIGNED = "assigned", _("in work")
        RESOLVED = "resolved", _("solved")
        CLOSED = "closed", _("closed")
        DELETED = "deleted", _("deleted")

    class Side(models.TextChoices):
        MENTOR = "mentor", _("waiting on the mentor")
        STUDENT = "student", _("waiting on the student")

    IN_WORK = (Status.OPEN, Status.ASSIGNED)
    SOLVED = (Status.RESOLVED, Status.CLOSED)
    HELD = (Status.ASSIGNED, Status.RESOLVED, Status.CLOSED)

    student = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="tickets")
    group = models.ForeignKey(
        "accounts.ProjectGroup",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="tickets",
        verbose_name=_("shared with"),
        help_text=_("The members of the group may read it."),
    )
    mentor = models.ForeignKey(MentorProfile, on_delete=models.PROTECT, null=True, blank=True, related_name="tickets")
    title = models.CharField(_("title"), max_length=TITLE_LENGTH, validators=[ProhibitNullCharactersValidator()])
    description = models.TextField(
        _("description"),
        help_text=_("Markdown."),
        validators=[MaxLengthValidator(TEXT_LENGTH), ProhibitNullCharactersValidator()],
    )
    tags = models.ManyToManyField(Tag, verbose_name=_("tags"), related_name="tickets")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    is_public = models.BooleanField(
        _("others may learn from this"),
        default=True,
        help_text=_("Once solved, it can be found in the knowledge base, without your name."),
    )
    solution = models.OneToOneField(
        "Reply",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="solves",
        help_text=_("The one that holds; solutions before a reopening stay in the conversation."),
    )
    waiting_on = models.CharField(max_length=10, choices=Side.choices, blank=True)
    waiting_since = models.DateTimeField(default=timezone.now, help_text=_("Since when that side is awaited."))

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    opened_at = models.DateTimeField(
        default=timezone.now, help_text=_("Since when it waits for a mentor, for the last time.")
    )
    assigned_at = models.DateTimeField(null=True, blank=True)
    first_response_at = models.DateTimeField(
        null=True, blank=True, help_text=_("The first word of the mentor who has it now.")
    )
    resolved_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    active_at = models.DateTimeField(default=timezone.now, help_text=_("When anything last happened."))
    edited_at = models.DateTimeField(null=True, blank=True)

    hidden_at = models.DateTimeField(null=True, blank=True, help_text=_("Out of the knowledge base since then."))
    hidden_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    hidden_reason = models.CharField(max_length=200, blank=True)
    upvote_count = models.PositiveIntegerField(default=0, editable=False)
    idempotency_key = models.CharField(max_length=100, null=True, blank=True)  # noqa: DJ001  unique where given

    objects = TicketQuerySet.as_manager()

    class Meta:
        ordering = ["-active_at", "-id"]
        verbose_name = _("ticket")
        constraints = [
            models.CheckConstraint(
                condition=Q(status="deleted")
                | Q(status="open", mentor=None)
                | Q(status__in=["assigned", "resolved", "closed"], mentor__isnull=False),
                name="tickets_mentor_when_taken",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["resolved", "closed"], solution__isnull=False, resolved_at__isnull=False)
                | Q(status__in=["open", "assigned", "deleted"], solution=None),
                name="tickets_solution_when_solved",
            ),
            models.UniqueConstraint(fields=["student", "idempotency_key"], name="tickets_key_once"),
        ]
        indexes = [
            models.Index(fields=["student", "-active_at"], name="tickets_of_student"),
            models.Index(fields=["mentor", "status", "-active_at"], name="tickets_of_mentor"),
            models.Index(fields=["opened_at"], condition=Q(status="open"), name="tickets_queue"),
            models.Index(
                fields=["waiting_since"],
                condition=Q(status="assigned", waiting_on="mentor"),
                name="tickets_silent",
            ),
            models.Index(fields=["resolved_at"], condition=Q(status="resolved"), name="tickets_to_close"),
            models.Index(
                fields=["-resolved_at", "-id"],
                condition=Q(status__in=["resolved", "closed"], is_public=True, hidden_at=None),
                name="tickets_articles_newest",
            ),
            models.Index(
                fields=["-upvote_count", "-resolved_at", "-id"],
                condition=Q(status__in=["resolved", "closed"], is_public=True, hidden_at=None),
                name="tickets_articles_helpful",
            ),
        ]

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return reverse("tickets:detail", args=[self.pk])

    @property
    def slug(self):
        """The words of the title for the address of the article."""
        return slugify(self.title, allow_unicode=True)[:80].strip("-_") or "question"

    def get_article_url(self):
        return reverse("knowledge:article", args=[self.pk, self.slug])

    @property
    def is_article(self):
        """Whether it is in the knowledge base; `TicketQuerySet.articles` for one row."""
        return self.status in self.SOLVED and self.is_public and self.hidden_at is None

    @property
    def status_tone(self):
        return STATUS_LOOKS[self.status][0]

    @property
    def status_icon(self):
        return STATUS_LOOKS[self.status][1]

    def is_asked_by(self, user):
        return self.student_id == user.pk

    def is_mentored_by(self, user):
        return self.mentor_id is not None and self.mentor.user_id == user.pk

    def other_side(self, user):
        """Whom `user` talks to in this ticket; None for a student while nobody has it."""
        if self.is_asked_by(user):
            return self.mentor.user if self.mentor_id else None
        return self.student

    # What each of these allows, its action in tickets.actions does; what it forbids, the action refuses.

    def can_be_edited_by(self, user):
        """Edited and deleted: by its student, while it is open."""
        return self.is_asked_by(user) and self.status == self.Status.OPEN

    def can_be_accepted_by(self, user):
        """By an approved mentor, while it is open and not their own. The capacity is asked by the action."""
        return self.status == self.Status.OPEN and user.is_mentor and not self.is_asked_by(user)

    def can_be_released_by(self, user):
        return self.is_mentored_by(user) and self.status == self.Status.ASSIGNED

    def can_be_replied_to_by(self, user):
        """By its student, its mentor and staff, until it is closed; staff also afterwards."""
        if self.status == self.Status.DELETED:
            return False
        if user.is_staff:
            return True
        return self.status != self.Status.CLOSED and (self.is_asked_by(user) or self.is_mentored_by(user))

    def can_be_resolved_by(self, user):
        return self.is_mentored_by(user) and self.status == self.Status.ASSIGNED

    def can_be_reopened_by(self, user):
        return self.is_asked_by(user) and self.status == self.Status.RESOLVED

    def can_be_closed_by(self, user):
        return self.is_asked_by(user) and self.status == self.Status.RESOLVED

    def can_be_shared_by(self, user):
        """Whether `user` says which group may read it, at any time."""
        return self.is_asked_by(user) and self.status != self.Status.DELETED

    def can_be_published_by(self, user):
        """Whether `user` says if others may learn from it, at any time."""
        return self.is_asked_by(user) and self.status != self.Status.DELETED

    def can_be_voted_by(self, user):
        """Upvoted: articles, by everybody but those whose work it is."""
        return self.is_article and not self.is_asked_by(user) and not self.is_mentored_by(user)


STATUS_LOOKS = {
    Ticket.Status.OPEN: ("info", "hourglass"),
    Ticket.Status.ASSIGNED: ("points", "message-circle"),
    Ticket.Status.RESOLVED: ("success", "circle-check"),
    Ticket.Status.CLOSED: ("muted", "archive"),
    Ticket.Status.DELETED: ("muted", "trash-2"),
}


class TicketEvent(models.Model):
    """A line of a ticket's history. Never changed or deleted (triggers on both databases)."""

    class Kind(models.TextChoices):
        CREATED = "created", _("asked")
        EDITED = "edited", _("changed")
        DELETED = "deleted", _("deleted")
        ACCEPTED = "accepted", _("accepted")
        RELEASED = "released", _("released")
        RELEASED_SILENT = "released_silent", _("released after days of silence")
        REASSIGNED = "reassigned", _("handed to another mentor by staff")
        RESOLVED = "resolved", _("solved")
        REOPENED = "reopened", _("reopened")
        CLOSED = "closed", _("closed")
        CLOSED_BY_ITSELF = "closed_by_itself", _("closed by itself")
        PUBLISHED = "published", _("others may learn from it")
        UNPUBLISHED = "unpublished", _("others may not learn from it any more")
        SHARED = "shared", _("shared with a group")
        UNSHARED = "unshared", _("no longer shared with a group")
        HIDDEN = "hidden", _("taken out of the knowledge base by staff")
        SHOWN = "shown", _("put back into the knowledge base by staff")

    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    from_status = models.CharField(max_length=10, choices=Ticket.Status.choices, blank=True)
    to_status = models.CharField(max_length=10, choices=Ticket.Status.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    mentor = models.ForeignKey(
        MentorProfile,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Whom it is about: who accepted or had it."),
    )
    reason = models.CharField(max_length=REASON_LENGTH, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["mentor", "ticket"], name="tickets_event_of_mentor")]

    def __str__(self):
        return f"{self.from_status} → {self.to_status}"
