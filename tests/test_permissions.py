"""Who gets what: every route of the project, asked by everybody, held against one table.

A route without a row fails, a row without a route fails, and a cell that answers otherwise fails. The cells are HTTP
statuses; `in` is a redirect to the sign-in page, `302` a redirect elsewhere. Whoever was deactivated while signed in
has no column: every cell must be the visitor's. Nor have HEAD, PUT and DELETE, which open nothing that GET and POST
keep shut.
"""

import datetime as dt
import re
import time

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts.actions import create_invitation_link, create_personal_token, start_session
from accounts.groups import invitation_token
from accounts.models import IdempotentAnswer, ProgramSession, User
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.group_factories import make_group
from bookings.actions import replace_feed
from bookings.feeds import token_of
from bookings.models import (
    Appointment,
    AppointmentQuerySet,
    AppointmentSeries,
    DateOverride,
    Dispute,
    MoveProposal,
)
from bookings.tests.factories import (
    AppointmentFactory,
    BusyTimeFactory,
    WaitingListEntryFactory,
    WeeklyHoursFactory,
)
from feedback.tests.factories import ReviewFactory
from mentorbook.models import JobRun
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory, TagFactory
from notifications.tests.factories import NotificationFactory, OutgoingEmailFactory
from tickets.tests.factories import (
    AttachmentFactory,
    BookmarkFactory,
    DraftFactory,
    ReplyFactory,
    TicketFactory,
    UpvoteFactory,
)
from wallets.actions import grant_points
from wallets.models import Transfer, Wallet

pytestmark = pytest.mark.django_db

# Ann studies with Max. Sam studies and Otto mentors, and neither has anything to do with the two. Eve is staff without
# any permission, Vic is staff who may look at everything, Ada is superuser. `of` names whose row is asked for; `world`
# below makes them. A POST is empty: what it would do is refused as malformed (422) or done (302).
SITE = """
route                                of       method  visitor ann max sam otto eve ada
home                                 -        GET     200     302 302 302 302  302 302
home                                 -        POST    200     302 302 302 302  302 302
healthz                              -        GET     200     200 200 200 200  200 200
healthz                              -        POST    405     405 405 405 405  405 405
readyz                               -        GET     200     200 200 200 200  200 200
readyz                               -        POST    405     405 405 405 405  405 405
dashboard                            -        GET     in      200 200 200 200  200 200
dashboard                            -        POST    in      200 200 200 200  200 200
account_login                        -        GET     200     302 302 302 302  302 302
account_login                        -        POST    422     302 302 302 302  302 302
account_logout                       -        GET     302     200 200 200 200  200 200
account_logout                       -        POST    302     302 302 302 302  302 302
account_inactive                     -        GET     200     200 200 200 200  200 200
account_inactive                     -        POST    405     405 405 405 405  405 405
account_signup                       -        GET     200     302 302 302 302  302 302
account_signup                       -        POST    422     302 302 302 302  302 302
account_reauthenticate               -        GET     in      200 200 200 200  200 200
account_reauthenticate               -        POST    in      422 422 422 422  422 422
account_email                        -        GET     in      200 200 200 200  200 200
account_email                        -        POST    in      302 302 302 302  302 302
account_email_verification_sent      -        GET     200     200 200 200 200  200 200
account_email_verification_sent      -        POST    405     405 405 405 405  405 405
account_change_password              -        GET     in      200 200 200 200  200 200
account_change_password              -        POST    in      422 422 422 422  422 422
account_set_password                 -        GET     in      302 302 302 302  302 302
account_set_password                 -        POST    in      302 302 302 302  302 302
account_reset_password               -        GET     200     200 200 200 200  200 200
account_reset_password               -        POST    422     422 422 422 422  422 422
account_confirm_login_code           -        GET     in      302 302 302 302  302 302
account_confirm_login_code           -        POST    in      302 302 302 302  302 302
account_confirm_email                key      GET     200     200 200 200 200  200 200
account_confirm_email                key      POST    404     404 404 404 404  404 404
account_reset_password_from_key_done -        GET     200     200 200 200 200  200 200
account_reset_password_from_key_done -        POST    405     405 405 405 405  405 405
account_reset_password_from_key      uid-key  GET     200     200 200 200 200  200 200
account_reset_password_from_key      uid-key  POST    422     422 422 422 422  422 422
account_reset_password_done          -        GET     200     200 200 200 200  200 200
account_reset_password_done          -        POST    405     405 405 405 405  405 405
mfa_index                            -        GET     in      200 200 200 200  200 200
mfa_index                            -        POST    in      405 405 405 405  405 405
mfa_authenticate                     -        GET     in      302 302 302 302  302 302
mfa_authenticate                     -        POST    in      302 302 302 302  302 302
mfa_reauthenticate                   -        GET     in      302 302 302 302  302 302
mfa_reauthenticate                   -        POST    in      302 302 302 302  302 302
mfa_activate_totp                    -        GET     in      302 302 302 302  302 302
mfa_activate_totp                    -        POST    in      302 302 302 302  302 302
mfa_deactivate_totp                  -        GET     in      404 404 404 404  404 404
mfa_deactivate_totp                  -        POST    in      404 404 404 404  404 404
mfa_view_recovery_codes              -        GET     in      404 404 404 404  404 404
mfa_view_recovery_codes              -        POST    in      405 405 405 405  405 405
mfa_generate_recovery_codes          -        GET     in      302 302 302 302  302 302
mfa_generate_recovery_codes          -        POST    in      302 302 302 302  302 302
mfa_download_recovery_codes          -        GET     in      404 404 404 404  404 404
mfa_download_recovery_codes          -        POST    in      404 404 404 404  404 404
usersessions_list                    -        GET     in      200 200 200 200  200 200
usersessions_list                    -        POST    in      302 302 302 302  302 302
accounts:profile                     -        GET     in      200 200 200 200  200 200
accounts:profile                     -        POST    in      200 200 200 200  200 200
accounts:switch_timezone             -        GET     405     405 405 405 405  405 405
accounts:switch_timezone             -        POST    302     302 302 302 302  302 302
accounts:tokens                      -        GET     in      200 200 200 200  200 200
accounts:tokens                      -        POST    in      422 422 422 422  422 422
accounts:revoke_token                token    GET     in      200 404 404 404  404 404
accounts:revoke_token                token    POST    in      302 404 404 404  404 404
accounts:sign_out_programs           -        GET     in      405 405 405 405  405 405
accounts:sign_out_programs           -        POST    in      302 302 302 302  302 302
groups:list                          -        GET     in      200 200 200 200  200 200
groups:list                          -        POST    in      405 405 405 405  405 405
groups:create                        -        GET     in      200 200 200 200  200 200
groups:create                        -        POST    in      422 422 422 422  422 422
groups:detail                        team     GET     in      200 200 404 404  200 200
groups:detail                        team     POST    in      405 405 405 405  405 405
groups:edit                          team     GET     in      200 403 404 404  403 403
groups:edit                          team     POST    in      422 403 404 404  403 403
groups:invite                        team     GET     in      405 405 405 405  405 405
groups:invite                        team     POST    in      422 403 404 404  403 403
groups:create_link                   team     GET     in      405 405 405 405  405 405
groups:create_link                   team     POST    in      302 403 404 404  403 403
groups:revoke                        team-way GET     in      405 405 405 405  405 405
groups:revoke                        team-way POST    in      302 403 404 404  403 403
groups:leave                         team     GET     in      409 200 404 404  403 403
groups:leave                         team     POST    in      409 302 404 404  403 403
groups:remove                        team-max GET     in      200 403 404 404  403 403
groups:remove                        team-max POST    in      302 403 404 404  403 403
groups:hand_over                     team-max GET     in      200 403 404 404  403 403
groups:hand_over                     team-max POST    in      302 403 404 404  403 403
groups:dissolve                      team     GET     in      200 403 404 404  403 200
groups:dissolve                      team     POST    in      302 403 404 404  403 302
groups:join                          way      GET     200     302 302 200 200  200 200
groups:join                          way      POST    in      302 302 302 302  302 302
groups:join                          key      GET     404     404 404 404 404  404 404
groups:join                          key      POST    404     404 404 404 404  404 404
mentors:list                         -        GET     in      200 200 200 200  200 200
mentors:list                         -        POST    in      200 200 200 200  200 200
mentors:tags                         -        GET     in      200 200 200 200  200 200
mentors:tags                         -        POST    in      200 200 200 200  200 200
mentors:create                       -        GET     in      200 302 200 302  200 200
mentors:create                       -        POST    in      422 302 422 302  422 422
mentors:edit                         -        GET     in      302 200 302 200  302 302
mentors:edit                         -        POST    in      302 422 302 422  302 302
mentors:set_status                   -        GET     in      405 405 405 405  405 405
mentors:set_status                   -        POST    in      404 422 404 422  404 404
mentors:detail                       max      GET     in      200 200 200 200  200 200
mentors:detail                       max      POST    in      200 200 200 200  200 200
mentors:detail                       nora     GET     in      404 404 404 404  200 200
mentors:detail                       nora     POST    in      404 404 404 404  200 200
bookings:list                        -        GET     in      200 200 200 200  200 200
bookings:list                        -        POST    in      405 405 405 405  405 405
bookings:find                        -        GET     in      200 200 200 200  200 200
bookings:find                        -        POST    in      422 422 422 422  422 422
bookings:choose                      max      GET     in      200 200 200 200  200 200
bookings:choose                      max      POST    in      422 409 422 422  422 422
bookings:choose                      nora     GET     in      404 404 404 404  200 200
bookings:choose                      nora     POST    in      404 404 404 404  409 409
bookings:wait                        max      GET     in      405 405 405 405  405 405
bookings:wait                        max      POST    in      422 422 422 422  422 422
bookings:wait                        nora     GET     in      405 405 405 405  405 405
bookings:wait                        nora     POST    in      404 404 404 404  422 422
bookings:leave_waiting               line     GET     in      405 405 405 405  405 405
bookings:leave_waiting               line     POST    in      302 404 404 404  404 404
bookings:availability                -        GET     in      403 200 403 200  403 403
bookings:availability                -        POST    in      403 302 403 302  403 403
bookings:day                         -        GET     in      403 200 403 200  403 403
bookings:day                         -        POST    in      405 405 405 405  405 405
bookings:calendar                    -        GET     in      200 200 200 200  200 200
bookings:calendar                    -        POST    in      405 405 405 405  405 405
bookings:calendar_settings           -        GET     in      200 200 200 200  200 200
bookings:calendar_settings           -        POST    in      302 302 302 302  302 302
calendar:feed                        feed     GET     200     200 200 200 200  200 200
calendar:feed                        feed     POST    405     405 405 405 405  405 405
calendar:feed                        no-feed  GET     404     404 404 404 404  404 404
calendar:feed                        no-feed  POST    405     405 405 405 405  405 405
bookings:detail                      asked    GET     in      200 200 404 404  200 200
bookings:detail                      asked    POST    in      405 405 405 405  405 405
bookings:chat                        max      GET     in      200 200 200 200  200 200
bookings:chat                        max      POST    in      422 409 422 422  422 422
bookings:chat                        nora     GET     in      404 404 404 404  200 200
bookings:chat                        nora     POST    in      404 404 404 404  409 409
bookings:chat_news                   asked    GET     in      302 302 404 404  302 302
bookings:chat_news                   asked    POST    in      405 405 405 405  405 405
bookings:requests                    -        GET     in      302 302 302 302  302 302
bookings:requests                    -        POST    in      405 405 405 405  405 405
bookings:confirm                     asked    GET     in      405 405 405 405  405 405
bookings:confirm                     asked    POST    in      403 302 404 404  403 403
bookings:decline                     asked    GET     in      403 200 404 404  403 403
bookings:decline                     asked    POST    in      403 302 404 404  403 403
bookings:cancel                      asked    GET     in      200 200 404 404  403 200
bookings:cancel                      asked    POST    in      302 302 404 404  403 302
bookings:confirm_series              weekly   GET     in      405 405 405 405  405 405
bookings:confirm_series              weekly   POST    in      403 302 404 404  403 403
bookings:cancel_series               weekly   GET     in      200 200 404 404  403 200
bookings:cancel_series               weekly   POST    in      302 302 404 404  403 302
bookings:complete                    running  GET     in      405 405 405 405  405 405
bookings:complete                    running  POST    in      403 302 404 404  403 403
bookings:no_show                     running  GET     in      403 200 404 404  403 403
bookings:no_show                     running  POST    in      403 302 404 404  403 403
bookings:move                        asked    GET     in      409 200 404 404  403 403
bookings:move                        asked    POST    in      409 422 404 404  403 403
bookings:accept_move                 asked    GET     in      405 405 405 405  405 405
bookings:accept_move                 asked    POST    in      409 409 404 404  403 403
bookings:decline_move                asked    GET     in      405 405 405 405  405 405
bookings:decline_move                asked    POST    in      409 409 404 404  403 403
bookings:withdraw_move               asked    GET     in      405 405 405 405  405 405
bookings:withdraw_move               asked    POST    in      409 409 404 404  403 403
bookings:dispute                     running  GET     in      200 403 404 404  403 403
bookings:dispute                     running  POST    in      422 403 404 404  403 403
bookings:dispute                     disputed GET     in      409 403 404 404  403 403
bookings:dispute                     disputed POST    in      409 403 404 404  403 403
bookings:answer_dispute              disputed GET     in      403 200 404 404  403 403
bookings:answer_dispute              disputed POST    in      403 422 404 404  403 403
bookings:answer_dispute              running  GET     in      403 409 404 404  403 403
bookings:answer_dispute              running  POST    in      403 409 404 404  403 403
tickets:list                         -        GET     in      200 200 200 200  200 200
tickets:list                         -        POST    in      405 405 405 405  405 405
tickets:create                       -        GET     in      200 200 200 200  200 200
tickets:create                       -        POST    in      422 422 422 422  422 422
tickets:similar                      -        GET     in      302 302 302 302  302 302
tickets:similar                      -        POST    in      405 405 405 405  405 405
tickets:preview                      -        GET     in      405 405 405 405  405 405
tickets:preview                      -        POST    in      200 200 200 200  200 200
tickets:draft                        -        GET     in      405 405 405 405  405 405
tickets:draft                        -        POST    in      204 204 204 204  204 204
tickets:discard_draft                -        GET     in      200 302 302 302  302 302
tickets:discard_draft                -        POST    in      302 302 302 302  302 302
tickets:queue                        -        GET     in      403 200 403 200  403 403
tickets:queue                        -        POST    in      403 405 403 405  403 403
tickets:detail                       open     GET     in      200 200 404 200  200 200
tickets:detail                       open     POST    in      405 405 405 405  405 405
tickets:detail                       taken    GET     in      200 200 404 200  200 200
tickets:detail                       taken    POST    in      405 405 405 405  405 405
tickets:detail                       solved   GET     in      200 200 404 404  200 200
tickets:detail                       solved   POST    in      405 405 405 405  405 405
tickets:detail                       article  GET     in      200 200 404 404  200 200
tickets:detail                       article  POST    in      405 405 405 405  405 405
tickets:edit                         open     GET     in      200 403 404 403  403 403
tickets:edit                         open     POST    in      422 403 404 403  403 403
tickets:edit                         taken    GET     in      409 403 404 403  403 403
tickets:edit                         taken    POST    in      422 403 404 403  403 403
tickets:delete                       open     GET     in      200 403 404 403  403 403
tickets:delete                       open     POST    in      302 403 404 403  403 403
tickets:delete                       taken    GET     in      409 403 404 403  403 403
tickets:delete                       taken    POST    in      409 403 404 403  403 403
tickets:accept                       open     GET     in      405 405 405 405  405 405
tickets:accept                       open     POST    in      403 302 404 302  403 403
tickets:accept                       taken    GET     in      405 405 405 405  405 405
tickets:accept                       taken    POST    in      403 302 404 409  403 403
tickets:release                      taken    GET     in      403 200 404 403  403 403
tickets:release                      taken    POST    in      403 302 404 403  403 403
tickets:release                      open     GET     in      403 403 404 403  403 403
tickets:release                      open     POST    in      403 403 404 403  403 403
tickets:resolve                      taken    GET     in      403 302 404 403  403 403
tickets:resolve                      taken    POST    in      403 422 404 403  403 403
tickets:resolve                      solved   GET     in      403 409 404 404  403 403
tickets:resolve                      solved   POST    in      403 409 404 404  403 403
tickets:reopen                       solved   GET     in      200 403 404 404  403 403
tickets:reopen                       solved   POST    in      422 403 404 404  403 403
tickets:reopen                       taken    GET     in      409 403 404 403  403 403
tickets:reopen                       taken    POST    in      409 403 404 403  403 403
tickets:close                        solved   GET     in      405 405 405 405  405 405
tickets:close                        solved   POST    in      302 403 404 404  403 403
tickets:close                        taken    GET     in      405 405 405 405  405 405
tickets:close                        taken    POST    in      409 403 404 403  403 403
tickets:publish                      open     GET     in      405 405 405 405  405 405
tickets:publish                      open     POST    in      302 403 404 403  403 403
tickets:publish                      article  GET     in      405 405 405 405  405 405
tickets:publish                      article  POST    in      302 403 404 404  403 403
tickets:share                        open     GET     in      405 405 405 405  405 405
tickets:share                        open     POST    in      302 403 404 403  403 403
tickets:share                        solved   GET     in      405 405 405 405  405 405
tickets:share                        solved   POST    in      302 403 404 404  403 403
tickets:mentors                      open     GET     in      200 403 404 403  200 200
tickets:mentors                      open     POST    in      405 405 405 405  405 405
tickets:mentors                      taken    GET     in      200 403 404 403  200 200
tickets:mentors                      taken    POST    in      405 405 405 405  405 405
tickets:conversation                 taken    GET     in      302 302 404 302  302 302
tickets:conversation                 taken    POST    in      405 405 405 405  405 405
tickets:conversation                 open     GET     in      302 302 404 302  302 302
tickets:conversation                 open     POST    in      405 405 405 405  405 405
tickets:conversation                 solved   GET     in      302 302 404 404  302 302
tickets:conversation                 solved   POST    in      405 405 405 405  405 405
tickets:reply                        open     GET     in      405 405 405 405  405 405
tickets:reply                        open     POST    in      422 403 404 403  422 422
tickets:reply                        taken    GET     in      405 405 405 405  405 405
tickets:reply                        taken    POST    in      422 422 404 403  422 422
tickets:reply                        article  GET     in      405 405 405 405  405 405
tickets:reply                        article  POST    in      409 409 404 404  422 422
tickets:note                         taken    GET     in      405 405 405 405  405 405
tickets:note                         taken    POST    in      403 403 404 403  422 422
tickets:edit_reply                   answer   GET     in      403 200 404 403  403 403
tickets:edit_reply                   answer   POST    in      403 422 404 403  403 403
tickets:useful                       answer   GET     in      405 405 405 405  405 405
tickets:useful                       answer   POST    in      302 302 404 403  302 302
tickets:attachment                   file     GET     in      200 200 404 200  200 200
tickets:attachment                   file     POST    405     405 405 405 405  405 405
tickets:attachment                   public   GET     200     200 200 200 200  200 200
tickets:attachment                   public   POST    405     405 405 405 405  405 405
knowledge:list                       -        GET     200     200 200 200 200  200 200
knowledge:list                       -        POST    405     405 405 405 405  405 405
knowledge:bookmarks                  -        GET     in      200 200 200 200  200 200
knowledge:bookmarks                  -        POST    in      405 405 405 405  405 405
knowledge:short                      article  GET     301     301 301 301 301  301 301
knowledge:short                      article  POST    405     405 405 405 405  405 405
knowledge:short                      solved   GET     404     302 302 404 404  302 302
knowledge:short                      solved   POST    405     405 405 405 405  405 405
knowledge:article                    slug     GET     200     200 200 200 200  200 200
knowledge:article                    slug     POST    405     405 405 405 405  405 405
knowledge:upvote                     article  GET     in      405 405 405 405  405 405
knowledge:upvote                     article  POST    in      403 403 302 302  302 302
knowledge:upvote                     solved   GET     in      405 405 405 405  405 405
knowledge:upvote                     solved   POST    in      404 404 404 404  404 404
knowledge:bookmark                   article  GET     in      405 405 405 405  405 405
knowledge:bookmark                   article  POST    in      403 403 302 302  302 302
feedback:create                      held     GET     in      200 200 404 404  403 403
feedback:create                      held     POST    in      422 422 404 404  403 403
feedback:create_for_ticket           article  GET     in      200 403 404 404  403 403
feedback:create_for_ticket           article  POST    in      422 403 404 404  403 403
feedback:edit                        review   GET     in      200 404 404 404  404 404
feedback:edit                        review   POST    in      422 404 404 404  404 404
feedback:of_mentor                   max      GET     in      200 200 200 200  200 200
feedback:of_mentor                   max      POST    in      405 405 405 405  405 405
feedback:of_mentor                   nora     GET     in      404 404 404 404  200 200
feedback:of_mentor                   nora     POST    in      405 405 405 405  405 405
wallets:statement                    -        GET     in      200 200 200 200  200 200
wallets:statement                    -        POST    in      405 405 405 405  405 405
wallets:statement_csv                -        GET     in      200 200 200 200  200 200
wallets:statement_csv                -        POST    in      405 405 405 405  405 405
wallets:group                        team     GET     in      200 200 404 404  404 404
wallets:group                        team     POST    in      405 405 405 405  405 405
wallets:group_csv                    team     GET     in      200 200 404 404  404 404
wallets:group_csv                    team     POST    in      405 405 405 405  405 405
wallets:contribute                   team     GET     in      200 200 404 404  404 404
wallets:contribute                   team     POST    in      422 422 404 404  404 404
wallets:give_back                    team     GET     in      200 403 404 404  404 404
wallets:give_back                    team     POST    in      422 403 404 404  404 404
notifications:list                   -        GET     in      200 200 200 200  200 200
notifications:list                   -        POST    in      405 405 405 405  405 405
notifications:read_all               -        GET     in      405 405 405 405  405 405
notifications:read_all               -        POST    in      302 302 302 302  302 302
notifications:open                   notice   GET     in      302 404 404 404  404 404
notifications:open                   notice   POST    in      405 405 405 405  405 405
notifications:read                   notice   GET     in      405 405 405 405  405 405
notifications:read                   notice   POST    in      302 404 404 404  404 404
"""

# The admin's pages by model: what a superuser may do there. Looking needs the permission to look; whoever is staff and
# lacks a permission gets 403, everybody else the way to the sign-in page.
ADMIN = {
    "account.emailaddress": "change delete",
    "accounts.idempotentanswer": "",
    "accounts.personaltoken": "",
    "accounts.programsession": "",
    "accounts.projectgroup": "",
    "accounts.user": "add change",
    "auth.group": "add change delete",
    "bookings.appointment": "",
    "bookings.appointmentseries": "",
    "bookings.busytime": "",
    "bookings.calendarimport": "",
    "bookings.calendarsettings": "",
    "bookings.dateoverride": "",
    "bookings.dispute": "",
    "bookings.moveproposal": "",
    "bookings.waitinglistentry": "",
    "bookings.weeklyhours": "",
    "feedback.review": "",
    "mentors.mentorprofile": "change delete",
    "mentors.tag": "add change delete",
    "mentorbook.jobrun": "",
    "mfa.authenticator": "delete",
    "notifications.notification": "",
    "notifications.outgoingemail": "",
    "tickets.attachment": "",
    "tickets.bookmark": "",
    "tickets.draft": "",
    "tickets.reply": "",
    "tickets.ticket": "",
    "tickets.upvote": "",
    "usersessions.usersession": "delete",
    "wallets.transaction": "",
    "wallets.transfer": "",
    "wallets.wallet": "",
}

# And its other pages.
CONSOLE = """
route                                of       method  visitor ann eve vic ada
admin:index                          -        GET     in      in  200 200 200
admin:index                          -        POST    in      in  200 200 200
admin:login                          -        GET     in      403 302 302 302
admin:login                          -        POST    in      403 302 302 302
admin:logout                         -        GET     in      302 405 405 405
admin:logout                         -        POST    in      302 302 302 302
admin:password_change                -        GET     in      in  302 302 302
admin:password_change                -        POST    in      in  302 302 302
admin:password_change_done           -        GET     in      in  200 200 200
admin:password_change_done           -        POST    in      in  405 405 405
admin:autocomplete                   ?tags    GET     in      in  403 200 200
admin:autocomplete                   ?tags    POST    in      in  405 405 405
admin:jsi18n                         -        GET     in      in  200 200 200
admin:jsi18n                         -        POST    in      in  405 405 405
admin:view_on_site                   user/ann GET     in      in  302 302 302
admin:view_on_site                   user/ann POST    in      in  302 302 302
admin:app_list                       app      GET     in      in  404 200 200
admin:app_list                       app      POST    in      in  404 200 200
/admin/nowhere                       -        GET     in      in  404 404 404
/admin/nowhere                       -        POST    in      in  404 404 404
admin:auth_user_password_change      ann      GET     in      in  403 403 200
admin:auth_user_password_change      ann      POST    in      in  403 403 200
admin:auth_user_password_change      ada      GET     in      in  403 403 200
admin:auth_user_password_change      ada      POST    in      in  403 403 200
admin:wallets_wallet_grant           ?ann     GET     in      in  403 403 200
admin:wallets_wallet_grant           ?ann     POST    in      in  403 403 200
admin:wallets_wallet_grant           ?team    GET     in      in  403 403 200
admin:wallets_wallet_grant           ?team    POST    in      in  403 403 200
admin:accounts_projectgroup_hand_over team    GET     in      in  403 403 200
admin:accounts_projectgroup_hand_over team    POST    in      in  403 403 422
admin:accounts_projectgroup_dissolve team     GET     in      in  403 403 200
admin:accounts_projectgroup_dissolve team     POST    in      in  403 403 302
admin:accounts_personaltoken_shut    token    GET     in      in  403 403 200
admin:accounts_personaltoken_shut    token    POST    in      in  403 403 302
admin:accounts_programsession_shut   program  GET     in      in  403 403 200
admin:accounts_programsession_shut   program  POST    in      in  403 403 302
admin:wallets_transaction_reverse    grant    GET     in      in  403 403 200
admin:wallets_transaction_reverse    grant    POST    in      in  403 403 200
admin:mentors_tag_merge              tag      GET     in      in  403 403 200
admin:mentors_tag_merge              tag      POST    in      in  403 403 422
admin:bookings_appointment_cancel    ?asked   GET     in      in  403 403 200
admin:bookings_appointment_cancel    ?asked   POST    in      in  403 403 200
admin:bookings_dispute_decide        dispute  GET     in      in  403 403 200
admin:bookings_dispute_decide        dispute  POST    in      in  403 403 422
admin:tickets_ticket_reassign        taken    GET     in      in  403 403 200
admin:tickets_ticket_reassign        taken    POST    in      in  403 403 200
"""

MISSING = 2**31 - 1
FORM = "application/x-www-form-urlencoded"


def rows(table):
    """The lines of a table as dicts by the words of its head; `-` is empty."""
    head, *lines = [line.split() for line in table.strip().splitlines()]
    return [dict(zip(head, ["" if cell == "-" else cell for cell in line], strict=True)) for line in lines]


# --- The routes -------------------------------------------------------------------------------------------------------


def routes(resolver=None, namespace=""):
    """The name of every route, by its namespace; a route without one by its pattern. The API's operations have a table
    of their own, in `test_api_permissions`."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace == "api":
                continue
            yield from routes(pattern, f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace)
        else:
            yield f"{namespace}{pattern.name or pattern.pattern}"


def model_routes():
    """The admin's standard pages, which the table ADMIN covers."""
    for model in admin.site._registry:
        for page in ("changelist", "add", "history", "delete", "change"):
            yield f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    yield "admin:<path:object_id>/"  # the address without a verb, which leads to the page of the row
    yield "admin:(?P<url>.*)$"  # whatever else: /admin/nowhere in the table CONSOLE


def without_policy(*tables):
    ruled = {row["route"] for table in tables for row in rows(table)} - {"/admin/nowhere"} | set(model_routes())
    return sorted(set(routes()) - ruled), sorted(ruled - set(routes()))


def test_every_route_has_a_policy_and_every_policy_a_route():
    assert without_policy(SITE, CONSOLE) == ([], [])


def test_a_route_without_policy_is_noticed():
    shortened = "\n".join(line for line in SITE.splitlines() if not line.startswith("bookings:cancel "))
    assert without_policy(shortened, CONSOLE) == (["bookings:cancel"], [])


def test_every_model_of_the_admin_has_a_policy():
    assert set(ADMIN) == {model._meta.label_lower for model in admin.site._registry}


# --- The people and their rows ----------------------------------------------------------------------------------------


class World:
    """Everybody, signed in, and one row of everything. `named[of]` are the arguments of a route and its query."""

    undoes = True

    def __init__(self):
        cache.clear()
        ann, sam, closed = [UserFactory(email=f"{name}@example.org", name=name) for name in ("ann", "sam", "closed")]
        eve, vic = [UserFactory(email=f"{name}@example.org", name=name, is_staff=True) for name in ("eve", "vic")]
        vic.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
        ada = UserFactory(email="ada@example.org", name="ada", is_staff=True, is_superuser=True)
        mentor = MentorProfileFactory(user__email="max@example.org", user__name="max", expertise=["django"])
        otto = MentorProfileFactory(user__email="otto@example.org", user__name="otto").user
        unlisted = MentorProfileFactory(user__name="nora", approval=MentorProfile.Approval.WAITING)

        self.clients = {"visitor": Client()}
        for person in (ann, sam, mentor.user, otto, eve, vic, ada, closed):
            self.clients[person.name] = Client()
            self.clients[person.name].force_login(person)
        User.objects.filter(pk=closed.pk).update(is_active=False)

        now, day = timezone.now(), dt.timedelta(days=1)
        session = {"mentor": mentor, "student": ann}
        asked = AppointmentFactory(**session, status=Appointment.Status.REQUESTED, starts_at=now + 2 * day)
        running = AppointmentFactory(**session, starts_at=now - dt.timedelta(minutes=20))
        held = AppointmentFactory(**session, status=Appointment.Status.COMPLETED, starts_at=now - day)
        reviewed = AppointmentFactory(**session, status=Appointment.Status.COMPLETED, starts_at=now - 2 * day)
        wrong = AppointmentFactory(**session, status=Appointment.Status.DISPUTED, starts_at=now - 3 * day)
        series = AppointmentSeries.objects.create(mentor=mentor, booked_by=ann, weeks=2)
        of_series = {**session, "series": series, "status": Appointment.Status.REQUESTED}
        weekly, _next_week = [AppointmentFactory(**of_series, starts_at=now + days * day) for days in (5, 12)]
        dispute = Dispute.objects.create(appointment=wrong, opened_by=ann, reason="Nobody came.", was_completed=False)
        proposal = MoveProposal.objects.create(
            appointment=asked,
            proposed_by=mentor.user,
            by_mentor=True,
            starts_at=now + 3 * day,
            ends_at=now + 3 * day + dt.timedelta(hours=1),
            price_points=0,
            answer_by=now + day,
        )
        review = ReviewFactory(appointment=reviewed, waiting=True, created_at=now)
        chosen = replace_feed(ann)
        notice = NotificationFactory(recipient=ann)
        grant = grant_points(ann, points=5, by=ada, note="Welcome")
        user_type = ContentType.objects.get_for_model(User).pk
        tickets = {"student": ann, "title": "Loop", "tags": ["django"]}
        waiting = TicketFactory(**tickets)
        taken = TicketFactory(**tickets, assigned=True, mentor=mentor)
        solved = TicketFactory(**tickets, resolved=True, mentor=mentor, is_public=False)
        article = TicketFactory(**tickets, closed=True, mentor=mentor)
        answer = ReplyFactory(ticket=taken, author=mentor.user, created_at=now)
        file = AttachmentFactory(ticket=taken)
        team = make_group(ann, mentor.user)
        way = create_invitation_link(team, by=ann, now=now)
        public_file = AttachmentFactory(ticket=article)
        place = WaitingListEntryFactory(mentor=mentor, student=ann, date=(now + 4 * day).date())
        token, _secret = create_personal_token(by=ann, name="Report", scope="read", valid_days=30, now=now)
        start_session(ann, now=now)
        program = ProgramSession.objects.get(user=ann)
        self.named = {
            "": ([], {}),
            "token": ([token.pk], {}),
            "program": ([program.pk], {}),
            "line": ([place.pk], {}),
            "asked": ([asked.pk], {}),
            "running": ([running.pk], {}),
            "weekly": ([weekly.pk], {}),
            "held": ([held.pk], {}),
            "disputed": ([wrong.pk], {}),
            "dispute": ([dispute.pk], {}),
            "review": ([review.pk], {}),
            "notice": ([notice.pk], {}),
            "open": ([waiting.pk], {}),
            "taken": ([taken.pk], {}),
            "solved": ([solved.pk], {}),
            "article": ([article.pk], {}),
            "slug": ([article.pk, article.slug], {}),
            "answer": ([taken.pk, answer.pk], {}),
            "file": ([file.key], {}),
            "public": ([public_file.key], {}),
            "max": ([mentor.pk], {}),
            "nora": ([unlisted.pk], {}),
            "team": ([team.pk], {}),
            "team-max": ([team.pk, mentor.user.pk], {}),
            "team-way": ([team.pk, way.pk], {}),
            "way": ([invitation_token(way)], {}),
            "?team": ([], {"groups": team.pk}),
            "missing": ([MISSING], {}),
            "ann": ([ann.pk], {}),
            "ada": ([ada.pk], {}),
            "grant": ([grant.pk], {}),
            "tag": ([TagFactory(name="django").pk], {}),
            "?ann": ([], {"people": ann.pk}),
            "?asked": ([], {"ids": asked.pk}),
            "?tags": ([], {"app_label": "mentors", "model_name": "mentorprofile", "field_name": "expertise"}),
            "user/ann": ([user_type, ann.pk], {}),
            "key": (["nonsense"], {}),
            "uid-key": (["1", "nonsense"], {}),
            "app": (["bookings"], {}),
            "feed": ([token_of(chosen)], {}),
            "no-feed": (["nonsense"], {}),
        }
        self.objects = [
            asked,
            review,
            notice,
            grant,
            ann,
            mentor,
            TagFactory(name="django"),
            Group.objects.create(name="Helpers"),
            EmailAddress.objects.create(user=ann, email="ann@example.com"),
            Authenticator.objects.create(user=unlisted.user, type="totp", data={}),
            UserSession.objects.create(user=ann, ip="127.0.0.1", session_key="x" * 32),
            Wallet.objects.get(user=ann),
            Transfer.objects.get(transaction=grant),
            OutgoingEmailFactory(notification=notice),
            JobRun.objects.create(name="calendars", began_at=now, ended_at=now, count=0),
            WeeklyHoursFactory(mentor=mentor),
            DateOverride.objects.create(mentor=mentor, date=now.date()),
            dispute,
            proposal,
            place,
            BusyTimeFactory(entry__mentor=otto.mentor_profile, entry__student=ann, entry__date=(now + 5 * day).date()),
            chosen,
            mentor.calendar_imports.create(url="https://calendar.example.org/secret.ics"),
            series,
            waiting,
            answer,
            file,
            DraftFactory(student=ann),
            UpvoteFactory(ticket=article, user=sam),
            BookmarkFactory(ticket=article, user=sam),
            team,
            token,
            program,
            IdempotentAnswer.objects.create(user=ann, key="one", fingerprint="x", status=201, body="{}"),
        ]

    def address(self, route, of=""):
        args, query = self.named[of]
        return route if route.startswith("/") else reverse(route, args=args, query=query)

    def ask(self, person, method, address, body=""):
        """The response; whatever it wrote is undone."""
        client = self.clients[person]
        cookies = client.cookies.output()
        cache.clear()  # of how often something was tried
        with transaction.atomic():
            response = client.generic(method, address, body, FORM)
            response.content_as_read = b"".join(response) if response.streaming else response.content
            transaction.set_rollback(self.undoes)
        if client.cookies.output() != cookies:  # signed out, or in
            client.cookies.load(cookies.replace("Set-Cookie: ", ""))
        return response


@pytest.fixture
def world(db, monkeypatch, caplog):
    # A process that has not heard of the job runner for ten minutes is not ready any more: this one has just begun.
    monkeypatch.setattr("mentorbook.health.STARTED", time.monotonic())
    # The test client's record of every context would take half of the time, and so would each 404 in the log.
    monkeypatch.setattr("django.test.client.store_rendered_templates", lambda *args, **kwargs: None)
    with caplog.at_level("ERROR", "django.request"):
        yield World()


def cell(response):
    """What the table says of `response`."""
    signs_in = (reverse("account_login"), reverse("admin:login"))
    if response.status_code == 302 and response.url.partition("?")[0] in signs_in:
        return "in"
    return str(response.status_code)


def judge(world, table, people):
    """Every cell that answers otherwise than `table` says, as a sentence."""
    wrong = []
    for row in rows(table):
        route, of, method = row["route"], row["of"], row["method"]
        address = world.address(route, of)
        for person in people:
            got = cell(world.ask(person, method, address))
            if got != row[person]:
                wrong.append(f"{method} {route} {of} by {person}: {got}, not {row[person]}")
        closed = cell(world.ask("closed", method, address))
        if closed != row["visitor"]:
            wrong.append(f"{method} {route} {of} by somebody deactivated: {closed}, not {row['visitor']}")
    return wrong


STUDENTS_AND_STAFF = ["visitor", "ann", "max", "sam", "otto", "eve", "ada"]
CONSOLE_PEOPLE = ["visitor", "ann", "eve", "vic", "ada"]


def test_every_page_answers_everybody_as_the_table_says(world):
    assert not (wrong := judge(world, SITE, STUDENTS_AND_STAFF)), "\n".join(wrong)


def test_the_console_answers_everybody_as_the_table_says(world):
    assert not (wrong := judge(world, CONSOLE, CONSOLE_PEOPLE)), "\n".join(wrong)


# --- The models in the admin ------------------------------------------------------------------------------------------


def expected_in_the_admin(may):
    """(page, method) → what bare staff, staff who look, and superusers get. Empty forms and questions come back;
    a form that one may not send is shown without fields."""
    add, change, delete = ("add" in may, "change" in may, "delete" in may)
    return {
        ("changelist", "GET"): ("403", "200", "200"),
        ("add", "GET"): ("403", "403", "200" if add else "403"),
        ("add", "POST"): ("403", "403", "200" if add else "403"),
        ("history", "GET"): ("403", "200", "200"),
        ("change", "GET"): ("403", "200", "200"),
        ("change", "POST"): ("403", "403", "200 or 302" if change else "403"),
        ("delete", "GET"): ("403", "403", "200" if delete else "403"),
        ("delete", "POST"): ("403", "403", "200" if delete else "403"),
    }


def test_the_admin_of_every_model_answers_everybody_as_the_table_says(world):
    wrong = []
    made = {type(row)._meta.label_lower: row for row in world.objects}
    for label, superusers_may in ADMIN.items():
        for (page, method), by_staff in expected_in_the_admin(superusers_may.split()).items():
            args = [] if page in ("changelist", "add") else [made[label].pk]
            address = reverse(f"admin:{label.replace('.', '_')}_{page}", args=args)
            for person, expected in zip(["visitor", "ann", "eve", "vic", "ada"], ["in", "in", *by_staff], strict=True):
                got = cell(world.ask(person, method, address))
                if got not in expected:
                    wrong.append(f"{method} {page} of {label} by {person}: {got}, not {expected}")
    assert not wrong, "\n".join(wrong)


# --- What the tables do not say ---------------------------------------------------------------------------------------


def test_other_methods_answer_like_those_of_the_table_or_not_at_all(world):
    """HEAD like GET; PUT and DELETE, which nothing here knows, must not open what GET and POST keep shut."""
    cells = {(row["route"], row["of"], row["method"]): row["sam"] for row in rows(SITE)}
    wrong = []
    for route, of in {(route, of): None for route, of, _method in cells}:
        known = {cells[route, of, "GET"], "405"}
        for method, allowed in (("HEAD", known), ("PUT", known | {cells[route, of, "POST"]}), ("DELETE", known)):
            got = cell(world.ask("sam", method, world.address(route, of)))
            if got not in allowed:
                wrong.append(f"{method} {route} {of}: {got}")
    assert not wrong, "\n".join(wrong)


def readable(response):
    """All that could tell one answer from another, without what differs each time."""
    body = re.sub(rb"[0-9A-Za-z]{64}", b"a token", response.content_as_read)
    of_each_request = ("Expires", "X-Request-ID")
    headers = [(name, value) for name, value in response.headers.items() if name not in of_each_request]
    return response.status_code, sorted(headers), body


def told_apart(world, table):
    """The routes on which somebody else's row and a missing one do not answer alike."""
    wrong = []
    for row in rows(table):
        foreign, _query = world.named[row["of"]]
        for person in ("sam", "otto"):
            if foreign and isinstance(foreign[0], int) and row[person] in ("404", "405"):
                there = world.ask(person, row["method"], reverse(row["route"], args=foreign))
                missing = world.ask(person, row["method"], reverse(row["route"], args=[MISSING, *foreign[1:]]))
                if readable(there) != readable(missing):
                    wrong.append(f"{row['method']} {row['route']} by {person}")
    return wrong


def test_the_row_of_somebody_else_answers_like_a_missing_one(world):
    assert not (wrong := told_apart(world, SITE)), "\n".join(wrong)


def test_a_row_that_everybody_sees_is_noticed(world, monkeypatch):
    monkeypatch.setattr(AppointmentQuerySet, "visible_to", lambda rows, user: rows)
    lines = [line for line in SITE.splitlines() if line.startswith(("route", "bookings:detail", "bookings:cancel"))]
    assert "GET bookings:detail asked by sam: 200, not 404" in judge(world, "\n".join(lines), ["sam"])
    assert "GET bookings:detail by sam" in told_apart(world, "\n".join(lines))


def test_staff_cannot_become_somebody_else_by_the_admins_own_form(client):
    """Django's form would take a password alone; our sign-in page asks for the second factor as well."""
    eve, ada = UserFactory(is_staff=True), UserFactory(is_staff=True, is_superuser=True)
    client.force_login(eve)
    client.post(reverse("admin:login"), {"username": ada.email, "password": PASSWORD, "next": "/admin/"})
    assert client.session["_auth_user_id"] == str(eve.pk)


def test_the_password_is_changed_where_guesses_are_counted(client):
    eve = UserFactory(is_staff=True)
    client.force_login(eve)
    assert client.post(reverse("admin:password_change")).url == reverse("account_change_password")
