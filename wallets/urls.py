from django.urls import path

from wallets import views

app_name = "wallets"
urlpatterns = [
    path("", views.statement, name="statement"),
    path("statement.csv", views.statement_csv, name="statement_csv"),
    path("groups/<int:pk>/", views.group, name="group"),
    path("groups/<int:pk>/statement.csv", views.group_csv, name="group_csv"),
    path("groups/<int:pk>/contribute/", views.contribute, name="contribute"),
    path("groups/<int:pk>/give-back/", views.give_back, name="give_back"),
]
