from django.apps import AppConfig

from mentorbook import jobs


class FeedbackConfig(AppConfig):
    name = "feedback"

    def ready(self):
        from feedback.actions import publish_due_reviews

        jobs.register("publish_reviews", publish_due_reviews)
