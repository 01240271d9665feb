from django.contrib.admin import apps


class AdminConfig(apps.AdminConfig):
    """Django's admin with our front page. Every app's `admin.py` registers with it as with the stock one."""

    default = False  # of the app "mentorbook", which has no configuration of its own
    default_site = "mentorbook.admin.AdminSite"

    def ready(self):
        super().ready()
        from django.contrib.admin import site

        from mentorbook.admin import JobRunAdmin
        from mentorbook.models import JobRun

        site.register(JobRun, JobRunAdmin)
