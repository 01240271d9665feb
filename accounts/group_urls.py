from django.urls import path

from accounts import group_views as views

app_name = "groups"
urlpatterns = [
    path("", views.group_list, name="list"),
    path("new/", views.create, name="create"),
    path("join/<str:token>/", views.join, name="join"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/edit/", views.edit, name="edit"),
    path("<int:pk>/invite/", views.invite, name="invite"),
    path("<int:pk>/link/", views.create_link, name="create_link"),
    path("<int:pk>/invitations/<int:invitation_pk>/revoke/", views.revoke, name="revoke"),
    path("<int:pk>/leave/", views.leave, name="leave"),
    path("<int:pk>/members/<int:person_pk>/remove/", views.remove, name="remove"),
    path("<int:pk>/members/<int:person_pk>/hand-over/", views.hand_over, name="hand_over"),
    path("<int:pk>/dissolve/", views.dissolve, name="dissolve"),
]
