from django.urls import path

from mentors import views

app_name = "mentors"
urlpatterns = [
    path("", views.mentor_list, name="list"),
    path("tags/", views.tag_options, name="tags"),
    path("new/", views.create, name="create"),
    path("edit/", views.edit, name="edit"),
    path("status/", views.change_status, name="set_status"),
    path("<int:pk>/", views.mentor_detail, name="detail"),
]
