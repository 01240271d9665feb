from django.urls import path

from bookings.views import appointments, availability, booking

app_name = "bookings"
urlpatterns = [
    path("", appointments.appointment_list, name="list"),
    path("new/<int:mentor_pk>/", booking.choose, name="choose"),
    path("availability/", availability.availability, name="availability"),
    path("<int:pk>/", appointments.appointment_detail, name="detail"),
    path("<int:pk>/confirm/", appointments.confirm, name="confirm"),
    path("<int:pk>/decline/", appointments.decline, name="decline"),
    path("<int:pk>/cancel/", appointments.cancel, name="cancel"),
    path("<int:pk>/complete/", appointments.complete, name="complete"),
    path("<int:pk>/no-show/", appointments.no_show, name="no_show"),
]
