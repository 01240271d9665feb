from django.urls import path

from bookings.views import calendars

app_name = "calendar"
urlpatterns = [
    path("<str:token>.ics", calendars.feed, name="feed"),
]
