from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    ProhibitNullCharactersValidator,
    URLValidator,
)
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from accounts.models import validate_timezone
from mentors import search, tags
from mentors.matching import RESPONSE_SHOWN_FROM
from mentors.ratings import PRIOR_MEAN

SESSION_MINUTES = (30, 45, 60, 90, 120)
MAX_EXPERTISE = 15
MAX_HOURLY_RATE = 100_000
MAX_LANGUAGES, MAX_LANGUAGE_LENGTH = 10, 40


def validate_session_minutes(minutes):
    if (
        not isinstance(minutes, list)
        or not minutes
        or any(type(length) is not int or length not in SESSION_MINUTES for length in minutes)
        or len(set(minutes)) < len(minutes)
    ):
        raise ValidationError(_("Offer at least one of 30, 45, 60, 90 and 120 minutes."))


def validate_languages(languages):
    if (
        not isinstance(languages, list)
        or len(languages) > MAX_LANGUAGES
        or any(
            not isinstance(language, str)
            or not language.strip()
            or len(language) > MAX_LANGUAGE_LENGTH
            or tags.has_hidden_characters(language)
            for language in languages
        )
    ):
        raise ValidationError(_("List at most 10 languages of at most 40 characters each."))


def each_language_once(languages: list[str]) -> list[str]:
    """In their order, with single spaces, and without repetitions in other letters."""
    spellings = {}
    for language in languages:
        if spelling := " ".join(language.split()):
            spellings.setdefault(spelling.casefold(), spelling)
    return list(spellings.values())


def one_hour():
    return [60]


class TagQuerySet(models.QuerySet):
    def by_spelling(self, names):
        """Each of the normalised `names` that finds a tag → that tag, by its own name before a synonym's."""
        # In this order: a tag that is merged away between the two questions is then found by its new synonym.
        found = {tag.name: tag for tag in self.filter(name__in=names)}
        synonyms = TagSynonym.objects.filter(name__in=names).select_related("tag")
        return {synonym.name: synonym.tag for synonym in synonyms} | found

    def beginning_with(self, text):
        """Those to offer while somebody types the normalised `text`, the most used first."""
        return (
            self.filter(
                Q(name__startswith=text) | Q(pk__in=TagSynonym.objects.filter(name__startswith=text).values("tag"))
            )
            .annotate(mentor_count=models.Count("mentors"))
            .order_by("-mentor_count", "name")
        )

    def completing(self, typed):
        """The same for what somebody typed so far; none where that cannot begin a tag."""
        try:
            return self.beginning_with(tags.normalise(typed))
        except ValidationError:
            return self.none()

    def most_used(self, limit):
        """The tags that most approved mentors have, as a list. Counted in the narrow table between the two: joined
        to the tags first, the same takes ten times as long."""
        counted = (
            MentorProfile.expertise.through.objects.filter(mentorprofile__approval=MentorProfile.Approval.APPROVED)
            .values("tag")
            .annotate(mentor_count=models.Count("pk"))
            .order_by("-mentor_count", "tag")
        )
        ids = [row["tag"] for row in counted[:limit]]
        tags_by_id = self.in_bulk(ids)
        return [tags_by_id[pk] for pk in ids if pk in tags_by_id]


class Tag(models.Model):
    """A word of the one vocabulary for expertise and tickets, in its normalised spelling."""

    name = models.CharField(_("name"), max_length=tags.MAX_LENGTH, unique=True)
    created_at = models.DateTimeField(_("created"), default=now, editable=False)

    objects = TagQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("tag")

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("mentors:list", query={"tag": self.name})

    def clean(self):
        self.name = tags.normalise(self.name)
        if TagSynonym.objects.filter(name=self.name).exists():
            raise ValidationError({"name": _("This spelling already finds another tag.")})


class TagSynonym(models.Model):
    """Another normalised spelling that finds the same tag (`py` → `python`)."""

    name = models.CharField(_("also written"), max_length=tags.MAX_LENGTH, unique=True)
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="synonyms")

    class Meta:
        ordering = ["name"]
        verbose_name = _("other spelling")

    def __str__(self):
        return f"{self.name} → {self.tag}"

    def clean(self):
        self.name = tags.normalise(self.name)
        if Tag.objects.filter(name=self.name).exists():
            raise ValidationError({"name": _("“%(name)s” is a tag of its own; merge it.") % {"name": self.name}})


class MentorProfileQuerySet(models.QuerySet):
    def listed(self):
        """Those whom students may see: approved, with an active account."""
        return self.filter(approval=MentorProfile.Approval.APPROVED, user__is_active=True)

    def bookable(self):
        """Those whom students may book: listed, and not away."""
        return self.listed().exclude(status=MentorProfile.Status.AWAY)

    def visible_to(self, user):
        """Listed ones for everybody, one's own in any state, all for staff."""
        if user.is_staff:
            return self
        return self.filter(Q(approval=MentorProfile.Approval.APPROVED, user__is_active=True) | Q(user=user))

    def waiting(self):
        """Those that staff have not answered yet."""
        return self.filter(approval=MentorProfile.Approval.WAITING)

    def matching(self, query):
        """Those in whose name, headline, bio or tags every word of `query` is the beginning of a word."""
        return self.filter(search.matches(query))

    def with_expertise(self, *expertise):
        """Those who have all of these tags."""
        rows = self
        for tag in expertise:
            rows = rows.filter(pk__in=MentorProfile.expertise.through.objects.filter(tag=tag).values("mentorprofile"))
        return rows

    def rated_at_least(self, tenths):
        """Those with reviews whose plain mean is at least `tenths` / 10."""
        return self.filter(rating_count__gt=0, rating_sum__gte=F("rating_count") * tenths / 10.0)

    def best_rated(self):
        return self.order_by("-rating_rank", "id")

    def cheapest(self):
        return self.order_by("hourly_rate_points", "id")

    def dearest(self):
        """The reverse, so that the same index serves."""
        return self.order_by("-hourly_rate_points", "-id")

    def soonest(self):
        """By the next free time as last noted; those without one last."""
        return self.order_by(F("next_free_at").asc(nulls_last=True), "id")

    def for_rows(self):
        """With what a list shows of each, in a fixed number of queries."""
        return self.select_related("user").prefetch_related("expertise").defer("bio", "search_text")


class MentorProfile(models.Model):
    """What a mentor offers and on which terms."""

    class Status(models.TextChoices):
        AVAILABLE = "available", _("available")
        BUSY = "busy", _("busy")
        AWAY = "away", _("away")

    class Approval(models.TextChoices):
        WAITING = "waiting", _("waiting for approval")
        APPROVED = "approved", _("approved")
        DECLINED = "declined", _("declined")

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="mentor_profile")
    headline = models.CharField(
        _("headline"), max_length=120, blank=True, validators=[ProhibitNullCharactersValidator()]
    )
    bio = models.TextField(
        _("about your mentoring"), max_length=4000, blank=True, validators=[ProhibitNullCharactersValidator()]
    )
    expertise = models.ManyToManyField(Tag, verbose_name=_("expertise"), related_name="mentors", blank=True)
    languages = models.JSONField(_("languages"), default=list, blank=True, validators=[validate_languages])
    hourly_rate_points = models.PositiveIntegerField(
        _("points an hour"), default=0, validators=[MaxValueValidator(MAX_HOURLY_RATE)]
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.AVAILABLE)
    approval = models.CharField(max_length=10, choices=Approval.choices, default=Approval.WAITING)
    approved_at = models.DateTimeField(null=True, blank=True, editable=False)
    approval_note = models.CharField(
        _("why it was declined"),
        max_length=500,
        blank=True,
        editable=False,
        help_text=_("The mentor reads it and can change the profile."),
    )

    timezone = models.CharField(_("time zone of your hours"), max_length=64, validators=[validate_timezone])
    session_minutes = models.JSONField(_("session lengths"), default=one_hour, validators=[validate_session_minutes])
    slot_step_minutes = models.PositiveSmallIntegerField(
        _("start times every … minutes"),
        null=True,
        blank=True,
        validators=[MinValueValidator(5), MaxValueValidator(240)],
        help_text=_("Empty: the length of the session."),
    )
    buffer_before_minutes = models.PositiveSmallIntegerField(
        _("free minutes before a session"), default=0, validators=[MaxValueValidator(240)]
    )
    buffer_after_minutes = models.PositiveSmallIntegerField(
        _("free minutes after a session"), default=0, validators=[MaxValueValidator(240)]
    )
    minimum_notice_minutes = models.PositiveIntegerField(
        _("shortest notice in minutes"), default=240, validators=[MaxValueValidator(60 * 24 * 60)]
    )
    booking_horizon_days = models.PositiveSmallIntegerField(
        _("bookable days ahead"), default=28, validators=[MaxValueValidator(365)]
    )
    max_sessions_per_day = models.PositiveSmallIntegerField(
        _("most sessions a day"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(50)]
    )
    max_sessions_per_week = models.PositiveSmallIntegerField(
        _("most sessions a week"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(200)]
    )
    confirms_automatically = models.BooleanField(_("confirm requests at once"), default=False)
    cancellation_notice_hours = models.PositiveSmallIntegerField(
        _("free cancelling until … hours before"), default=24, validators=[MaxValueValidator(30 * 24)]
    )
    takes_chats = models.BooleanField(_("chats are welcome"), default=True)
    tickets_at_once = models.PositiveSmallIntegerField(
        _("tickets at a time"),
        default=4,
        validators=[MaxValueValidator(50)],
        help_text=_("How many questions in writing you work on at once. 0: none."),
    )
    meeting_url = models.URLField(
        _("meeting link"), max_length=500, blank=True, validators=[URLValidator(schemes=["http", "https"])]
    )

    # Figures that other apps keep current through mentors.actions, so that the directory can order by them.
    rating_count = models.PositiveIntegerField(default=0, editable=False)
    rating_sum = models.PositiveIntegerField(default=0, editable=False)
    rating_rank = models.FloatField(default=PRIOR_MEAN, editable=False, help_text=_("Bayesian mean, for order only."))
    sessions_completed = models.PositiveIntegerField(default=0, editable=False)
    tickets_solved = models.PositiveIntegerField(default=0, editable=False)
    tickets_answered = models.PositiveIntegerField(
        default=0, editable=False, help_text=_("Of how many tickets the first-response time is known.")
    )
    first_response_minutes = models.PositiveIntegerField(
        null=True, blank=True, editable=False, help_text=_("Median, from taking a ticket to the first word in it.")
    )
    solution_minutes = models.PositiveIntegerField(
        null=True, blank=True, editable=False, help_text=_("Median, from taking a ticket to its solution.")
    )
    next_free_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_free_checked_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("Empty: something changed, look again.")
    )
    search_text = models.TextField(default="", blank=True, editable=False, help_text=_("Folded words; mentors.search."))
    created_at = models.DateTimeField(default=now, editable=False)

    objects = MentorProfileQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name = _("mentor")
        constraints = [
            models.CheckConstraint(
                condition=Q(rating_sum__gte=F("rating_count"), rating_sum__lte=F("rating_count") * 5),
                name="mentors_rating_1_to_5",
            ),
            models.CheckConstraint(
                condition=Q(slot_step_minutes=None) | Q(slot_step_minutes__gte=5), name="mentors_step_of_5_minutes"
            ),
            models.CheckConstraint(
                condition=(Q(max_sessions_per_day=None) | Q(max_sessions_per_day__gte=1))
                & (Q(max_sessions_per_week=None) | Q(max_sessions_per_week__gte=1)),
                name="mentors_limits_above_0",
            ),
        ]
        indexes = [
            models.Index(fields=["-rating_rank", "id"], name="mentors_by_rating"),
            models.Index(fields=["hourly_rate_points", "id"], name="mentors_by_rate"),
            models.Index(fields=["next_free_at", "id"], name="mentors_by_next_free"),
        ]

    def __str__(self):
        return str(self.user)

    def get_absolute_url(self):
        return reverse("mentors:detail", args=[self.pk])

    @property
    def status_tone(self):
        return {self.Status.AVAILABLE: "success", self.Status.BUSY: "points"}.get(self.status, "muted")

    @property
    def status_icon(self):
        return {self.Status.AVAILABLE: "circle-check", self.Status.BUSY: "clock"}.get(self.status, "moon")

    @property
    def is_approved(self):
        return self.approval == self.Approval.APPROVED

    @property
    def is_listed(self):
        """Whether students find it; `MentorProfileQuerySet.listed` for one row."""
        return self.is_approved and self.user.is_active

    @property
    def rating(self):
        """The plain mean of the reviews shown, or None while there are none."""
        return self.rating_sum / self.rating_count if self.rating_count else None

    @property
    def answers_usually_within(self):
        """Minutes from taking a ticket to the first word, once there are enough tickets to say so; else None."""
        return self.first_response_minutes if self.tickets_answered >= RESPONSE_SHOWN_FROM else None

    @property
    def solves_usually_within(self):
        """Minutes from taking a ticket to its solution, once there are enough tickets to say so; else None."""
        return self.solution_minutes if self.tickets_solved >= RESPONSE_SHOWN_FROM else None

    def is_open_to(self, user):
        """Whether `user` sees what only the mentor and staff see: the hours as they are kept, the meeting link."""
        return user.is_staff or user.pk == self.user_id

    def can_be_changed_by(self, user):
        """Its mentor changes it, and staff who may change profiles in the admin."""
        return user.pk == self.user_id or user.has_perm("mentors.change_mentorprofile")

    def price_points(self, duration_minutes):
        return price_of(self.hourly_rate_points, duration_minutes)

    @property
    def prices(self):
        """(minutes, points) of every length offered, shortest first."""
        return [(minutes, self.price_points(minutes)) for minutes in sorted(self.session_minutes)]


def price_of(hourly_rate_points: int, duration_minutes: int) -> int:
    """What a session of this length costs: rate × minutes / 60, rounded half up, at least 1 point where the rate is
    above 0."""
    return max((2 * hourly_rate_points * duration_minutes + 60) // 120, 1 if hourly_rate_points else 0)


class ProvenSkill(models.Model):
    """How much a mentor has solved with a tag: the number of solved tickets, each losing half its weight in 180 days.

    Kept as one number and the time it holds for (`mentors.matching.decayed`), so that nothing has to be counted anew.
    """

    mentor = models.ForeignKey(MentorProfile, on_delete=models.CASCADE, related_name="proven_skills")
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="+")
    weight = models.FloatField(default=0)
    weighed_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tag", "mentor"], name="mentors_skill_once"),
            models.CheckConstraint(condition=Q(weight__gte=0), name="mentors_skill_not_negative"),
        ]

    def __str__(self):
        return f"{self.mentor_id}: {self.tag_id}"
