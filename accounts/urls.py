from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("profile/", views.profile, name="profile"),
    path("timezone/", views.switch_timezone, name="switch_timezone"),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/<int:pk>/revoke/", views.revoke_token, name="revoke_token"),
    path("programs/sign-out/", views.sign_out_programs, name="sign_out_programs"),
]
