from django.urls import path

from feedback import views

app_name = "feedback"
urlpatterns = [
    path("appointments/<int:appointment_pk>/", views.write, name="create"),
    path("tickets/<int:ticket_pk>/", views.write_of_ticket, name="create_for_ticket"),
    path("<int:pk>/edit/", views.edit, name="edit"),
    path("mentors/<int:mentor_pk>/", views.of_mentor, name="of_mentor"),
]
