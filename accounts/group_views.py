"""Project groups: mine, one of them with its people, the ways in and the ways out."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.db.models import Count
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import actions
from accounts.dissolving import hindrances_of
from accounts.forms import GroupForm, InviteForm
from accounts.groups import invitation_by_token, invitation_link
from accounts.models import GroupInvitation, Membership, ProjectGroup
from mentorbook.pages import paginate
from mentorbook.refusals import form_status, refusals_on, render_form

ask_first = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
def group_list(request):
    # Counted by hand: a second join on the memberships would multiply the first.
    groups = ProjectGroup.objects.of_person(request.user).select_related("owner").order_by("name", "id")
    page = paginate(request, groups)
    sizes = Membership.objects.filter(group__in=list(page)).values_list("group").annotate(Count("pk")).order_by()
    by_group = dict(sizes)
    for group in page:
        group.size, group.is_mine = by_group[group.pk], group.is_owned_by(request.user)
    return render(request, "groups/group_list.html", {"page": page})


@ask_first
def create(request):
    form = GroupForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with refusals_on(form):
            group = actions.create_group(by=request.user, now=timezone.now(), **form.cleaned_data)
            messages.success(request, _("The group is there. Invite the others."))
            return redirect(group)
    return render_form(request, "groups/group_form.html", form)


@require_safe
def detail(request, pk):
    return _render_detail(request, _group(request, pk))


@ask_first
def edit(request, pk):
    group = _group(request, pk)
    if not group.is_owned_by(request.user):
        raise actions.NotOwner
    # A copy to edit: what was typed and refused must not appear as the name of the group.
    own = ProjectGroup.objects.get(pk=pk)
    form = GroupForm(request.POST if request.method == "POST" else None, instance=own)
    if form.is_valid():
        with refusals_on(form):
            actions.edit_group(group, by=request.user, **form.cleaned_data)
            messages.success(request, _("Saved."))
            return redirect(group)
    return render_form(request, "groups/group_form.html", form, {"group": group})


# --- Ways in ----------------------------------------------------------------------------------------------------------


@require_POST
def invite(request, pk):
    group = _group(request, pk)
    if not group.is_owned_by(request.user):
        raise actions.NotOwner
    form = InviteForm(request.POST)
    if form.is_valid():
        with refusals_on(form):
            invitation = actions.invite_by_email(group, by=request.user, now=timezone.now(), **form.cleaned_data)
            messages.success(request, _("%(email)s is invited by mail.") % {"email": invitation.email})
            return redirect(f"{group.get_absolute_url()}#invitations")
    return _render_detail(request, group, invite_form=form)


@require_POST
def create_link(request, pk):
    group = _group(request, pk)
    button = forms.Form(request.POST)
    with refusals_on(button):
        actions.create_invitation_link(group, by=request.user, now=timezone.now())
        messages.success(request, _("Here is the link. Whoever has it can join."))
        return redirect(f"{group.get_absolute_url()}#invitations")
    return _render_detail(request, group, button=button)


@require_POST
def revoke(request, pk, invitation_pk):
    group = _group(request, pk)
    invitation = get_object_or_404(GroupInvitation.objects.filter(group=group), pk=invitation_pk)
    actions.revoke_invitation(invitation, by=request.user, now=timezone.now())
    messages.success(request, _("Revoked. Nobody can join by it any more."))
    return redirect(f"{group.get_absolute_url()}#invitations")


@login_not_required
@ask_first
def join(request, token):
    """The page that an invitation leads to. Whoever has no account yet sees what it is about, and comes back to it."""
    invitation = invitation_by_token(token)
    if invitation is None:
        raise Http404
    group, now = invitation.group, timezone.now()
    if request.user.is_authenticated and group.dissolved_at is None and group.has_member(request.user):
        messages.info(request, _("You belong to this group."))
        return redirect(group)
    form = forms.Form({})
    with refusals_on(form):
        actions.refuse_unless_open(invitation, now)
        if request.method == "POST":
            if not request.user.is_authenticated:
                return redirect_to_login(request.path)
            actions.join_group(token, by=request.user, now=now)
            messages.success(request, _("Welcome to %(group)s.") % {"group": group})
            return redirect(group)
    context = {"invitation": invitation, "group": group, "size": group.memberships.count()}
    return render_form(request, "groups/join.html", form, context)


# --- Ways out ---------------------------------------------------------------------------------------------------------


@ask_first
def leave(request, pk):
    group = _group(request, pk)
    form = forms.Form({})  # without fields: where a refusal stands
    with refusals_on(form):
        actions.refuse_unless_leaving(group, request.user)
        if request.method == "POST":
            actions.leave_group(group, by=request.user)
            messages.success(request, _("You have left %(group)s.") % {"group": group})
            return redirect("groups:list")
    return _ask(request, "groups/leave.html", group, form, confirm_label=_("Leave the group"))


@ask_first
def remove(request, pk, person_pk):
    group = _group(request, pk)
    person = _member(group, person_pk)
    form = forms.Form({})  # without fields: where a refusal stands
    if not group.is_owned_by(request.user):
        raise actions.NotOwner
    with refusals_on(form):
        if request.method == "POST":
            actions.remove_member(group, member=person, by=request.user, now=timezone.now())
            messages.success(request, _("%(name)s was removed and has been told.") % {"name": person})
            return redirect(group)
        if group.is_owned_by(person):
            raise actions.OwnerCannotLeave
    label = _("Remove %(name)s") % {"name": person.get_short_name()}
    return _ask(request, "groups/remove.html", group, form, person=person, confirm_label=label)


@ask_first
def hand_over(request, pk, person_pk):
    group = _group(request, pk)
    person = _member(group, person_pk)
    form = forms.Form({})  # without fields: where a refusal stands
    if not group.can_be_handed_over_by(request.user):
        raise actions.NotOwner
    with refusals_on(form):
        if request.method == "POST":
            actions.hand_over_group(group, to=person, by=request.user)
            messages.success(request, _("%(name)s owns the group now and has been told.") % {"name": person})
            return redirect(group)
    label = _("Hand over to %(name)s") % {"name": person.get_short_name()}
    return _ask(request, "groups/hand_over.html", group, form, person=person, confirm_label=label)


@ask_first
def dissolve(request, pk):
    group = _group(request, pk)
    form = forms.Form({})  # without fields: where a refusal stands
    if not group.can_be_dissolved_by(request.user):
        raise actions.NotOwner
    with refusals_on(form):
        if request.method == "POST":
            actions.dissolve_group(group, by=request.user, now=timezone.now())
            messages.success(request, _("%(group)s is dissolved. Its members have been told.") % {"group": group})
            return redirect("groups:list")
    hindrances = hindrances_of(group, now=timezone.now())
    label = "" if hindrances else _("Dissolve the group")
    return _ask(request, "groups/dissolve.html", group, form, hindrances=hindrances, confirm_label=label)


# --- What several of them need ----------------------------------------------------------------------------------------


def _group(request, pk):
    return get_object_or_404(ProjectGroup.objects.visible_to(request.user).active().select_related("owner"), pk=pk)


def _member(group, pk):
    return get_object_or_404(group.memberships.select_related("user"), user=pk).user


def _ask(request, template, group, form, **context):
    context |= {"group": group, "tone": "danger", "cancel_url": group.get_absolute_url()}
    if form.errors:  # what was refused is not offered again
        context["confirm_label"] = ""
    return render_form(request, template, form, context)


def _render_detail(request, group, *, invite_form=None, button=None):
    """The group's page; after a refusal with the refusal at its place and at its status."""
    is_owner = group.is_owned_by(request.user)
    invitations = list(group.invitations.open(timezone.now())) if is_owner else []
    for invitation in invitations:
        invitation.link = invitation_link(invitation)
    members = list(group.memberships.select_related("user"))
    members.sort(key=lambda membership: not group.is_owned_by(membership.user))  # stable: then by when they joined
    context = {
        "group": group,
        "is_owner": is_owner,
        "is_member": any(membership.user_id == request.user.pk for membership in members),
        "can_hand_over": group.can_be_handed_over_by(request.user),
        "can_dissolve": group.can_be_dissolved_by(request.user),
        "members": members,
        "invitations": invitations,
        "invite_form": invite_form or InviteForm(),
        "refusal": getattr(button, "refusal", None),
        "most": ProjectGroup.MAX_MEMBERS,
        "is_full": len(members) >= ProjectGroup.MAX_MEMBERS,
        "valid_days": GroupInvitation.VALID_DAYS,
    }
    answered = invite_form or button
    return render(request, "groups/group_detail.html", context, status=form_status(answered) if answered else 200)
