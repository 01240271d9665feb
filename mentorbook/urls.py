from django.contrib import admin
from django.urls import include, path

from mentorbook import api, views

urlpatterns = [
    path("", views.home, name="home"),
    path("dashboard/", views.dashboard, name="dashboard"),
    path("accounts/", include("allauth.urls")),
    path("people/", include("accounts.urls")),
    path("groups/", include("accounts.group_urls")),
    path("mentors/", include("mentors.urls")),
    path("bookings/", include("bookings.urls")),
    path("calendar/", include("bookings.calendar_urls")),
    path("tickets/", include("tickets.urls")),
    path("knowledge/", include("tickets.knowledge_urls")),
    path("reviews/", include("feedback.urls")),
    path("wallet/", include("wallets.urls")),
    path("notifications/", include("notifications.urls")),
    path("api/", api.urls),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("admin/", admin.site.urls),
]
