from django.urls import path

from tickets.views import knowledge

app_name = "knowledge"
urlpatterns = [
    path("", knowledge.article_list, name="list"),
    path("bookmarks/", knowledge.bookmarks, name="bookmarks"),
    path("<int:pk>/", knowledge.article, name="short"),
    path("<int:pk>/upvote/", knowledge.upvote, name="upvote"),
    path("<int:pk>/bookmark/", knowledge.bookmark, name="bookmark"),
    path("<int:pk>/<str:slug>/", knowledge.article, name="article"),
]
