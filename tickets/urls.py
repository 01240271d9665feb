from django.urls import path

from tickets.views import asking, attachments, conversation, queue, ticket

app_name = "tickets"
urlpatterns = [
    path("", asking.ticket_list, name="list"),
    path("new/", asking.create, name="create"),
    path("similar/", asking.similar, name="similar"),
    path("preview/", asking.preview, name="preview"),
    path("draft/", asking.save_draft, name="draft"),
    path("draft/discard/", asking.discard_draft, name="discard_draft"),
    path("queue/", queue.queue, name="queue"),
    path("<int:pk>/", ticket.detail, name="detail"),
    path("<int:pk>/edit/", asking.edit, name="edit"),
    path("<int:pk>/delete/", asking.delete, name="delete"),
    path("<int:pk>/accept/", ticket.accept, name="accept"),
    path("<int:pk>/release/", ticket.release, name="release"),
    path("<int:pk>/resolve/", ticket.resolve, name="resolve"),
    path("<int:pk>/reopen/", ticket.reopen, name="reopen"),
    path("<int:pk>/close/", ticket.close, name="close"),
    path("<int:pk>/publish/", ticket.publish, name="publish"),
    path("<int:pk>/share/", ticket.share, name="share"),
    path("<int:pk>/mentors/", queue.mentors, name="mentors"),
    path("<int:pk>/conversation/", conversation.conversation, name="conversation"),
    path("<int:pk>/reply/", conversation.reply, name="reply"),
    path("<int:pk>/note/", conversation.note, name="note"),
    path("<int:pk>/replies/<int:reply_pk>/edit/", conversation.edit_reply, name="edit_reply"),
    path("<int:pk>/replies/<int:reply_pk>/useful/", conversation.useful, name="useful"),
    path("attachments/<uuid:key>/", attachments.download, name="attachment"),
]
