"""Every setting of mentorbook. What an installation chooses comes from the environment; `.env.example` explains it.

Three environments: `development` (what `make run` uses), `test` (set by itself under pytest) and `production`, the
default, which refuses to start without its secrets or with DEBUG on.
"""

import os
import sys
import tempfile
import zoneinfo
from pathlib import Path
from urllib.parse import unquote

import environ
from bootstrap_wrapper import get_bootstrap_dir
from csp.constants import NONE, SELF
from django.contrib.messages import constants as message_levels
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

# The tzdata package in preference to the system's copy: installations on different machines must agree on times.
zoneinfo.reset_tzpath(())

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if "pytest" in sys.modules:
    ENVIRONMENT = "test"
else:
    env.read_env(BASE_DIR / ".env")
    ENVIRONMENT = env("ENVIRONMENT", default="production")
if ENVIRONMENT not in ("development", "test", "production"):
    raise ImproperlyConfigured(f"ENVIRONMENT is {ENVIRONMENT!r}; use development or production.")
PRODUCTION = ENVIRONMENT == "production"

DEBUG = env.bool("DEBUG", default=ENVIRONMENT == "development")
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("DEBUG shows secrets to visitors; production does not start with it.")

if PRODUCTION:
    SECRET_KEY = env("SECRET_KEY", default="")
    if len(SECRET_KEY) < 50:
        raise ImproperlyConfigured(
            "Set SECRET_KEY to a random text of at least 50 characters, or ENVIRONMENT=development to try mentorbook."
            " See .env.example."
        )
    ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
    if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
        raise ImproperlyConfigured("Set ALLOWED_HOSTS to the host names that mentorbook answers to, without '*'.")
else:
    SECRET_KEY = env("SECRET_KEY", default="for-development-and-tests-only-never-in-production")
    ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", "testserver"])

# --- Applications -----------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "mentorbook",  # for its management commands
    "accounts",
    "notifications",
    "wallets",
    "mentors",
    "tickets",
    "bookings",
    "feedback",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "crispy_forms",
    "crispy_bootstrap5",
    "corsheaders",
    "csp",
    "django_htmx",
    "lucide",
    "ninja",
    "template_partials",
    "mentorbook.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "mentorbook.tracing.RequestIdMiddleware",  # first, for the answers of the others as well
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "mentorbook.rest.middleware.JsonAnswersMiddleware",  # around everything that may refuse
    "mentorbook.limits.RequestLimitsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "mentorbook.rest.middleware.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.bearer.BearerMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.SessionActivityMiddleware",
    "accounts.middleware.LanguageMiddleware",
    "accounts.middleware.TimezoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.middleware.SecondFactorMiddleware",
    "accounts.middleware.InvalidFormMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "mentorbook.refusals.RefusalMiddleware",
    "accounts.idempotency.IdempotencyMiddleware",  # last: its transaction holds the work and nothing else
]

ROOT_URLCONF = "mentorbook.urls"
WSGI_APPLICATION = "mentorbook.wsgi.application"
ASGI_APPLICATION = "mentorbook.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["mentorbook.pieces", "django.templatetags.i18n", "django.templatetags.static"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database ---------------------------------------------------------------------------------------------------------

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
_database = DATABASES["default"]
# Two test runs at the same time must not meet in one database; the workers of one run inherit the name.
_test_run = os.environ.setdefault("MENTORBOOK_TEST_RUN", str(os.getpid())) if ENVIRONMENT == "test" else ""

if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["CONN_MAX_AGE"] = 60
    _database["OPTIONS"] = {
        # A write transaction takes the lock when it begins: what select_for_update does elsewhere.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
    # A file, because the in-memory database answers "table is locked" under threads.
    _database["TEST"] = {"NAME": Path(tempfile.gettempdir()) / f"mentorbook-test-{_test_run}.sqlite3"}
    if ENVIRONMENT == "test":
        _database["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
else:
    _database["HOST"] = unquote(_database["HOST"])  # a Unix socket's folder, written %2Fvar%2Frun%2Fpostgresql
    _database["CONN_MAX_AGE"] = 0  # the pool keeps connections
    _database["OPTIONS"] = {
        "pool": ENVIRONMENT != "test" and {"min_size": 2, "max_size": env.int("DATABASE_POOL_SIZE", default=20)},
    }
    _database["TEST"] = {"NAME": f"test_mentorbook_{_test_run}"}

# --- People and sign-in -----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.LimitedBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "home"

PASSWORD_HASHERS = ["accounts.hashers.Argon2id", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
if ENVIRONMENT == "test":
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "accounts.passwords.MaximumLengthValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["email", "name"]},
    },
    {"NAME": "accounts.passwords.CommonLongPasswordValidator"},
]
# Whoever works in the admin signs in with a second factor.
STAFF_NEED_SECOND_FACTOR = env.bool("STAFF_NEED_SECOND_FACTOR", default=PRODUCTION)
# The zone of visitors whose browser does not tell theirs: where most people of the installation are.
DEFAULT_TIMEZONE = env("DEFAULT_TIMEZONE", default="UTC")
if DEFAULT_TIMEZONE not in zoneinfo.available_timezones():
    raise ImproperlyConfigured(f"DEFAULT_TIMEZONE is {DEFAULT_TIMEZONE!r}; use a name such as Europe/Madrid.")

ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "add_email": "accounts.forms.AddEmailForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "login": "accounts.forms.LoginForm",
    "reauthenticate": "accounts.forms.ReauthenticateForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.forms.ResetPasswordKeyForm",
    "set_password": "accounts.forms.SetPasswordForm",
    "signup": "accounts.forms.SignupForm",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
# Without a mail server a newcomer could never confirm an address, so only production insists.
ACCOUNT_EMAIL_VERIFICATION = env("EMAIL_VERIFICATION", default="mandatory" if PRODUCTION else "optional")
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True  # only in the browser in which the sign-up waits for it
ACCOUNT_CHANGE_EMAIL = True  # one address; a new one replaces it once it is confirmed
ACCOUNT_EMAIL_NOTIFICATIONS = True  # people are told by mail when their password, address or second factor changes
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = True
# A whole class signs up from one address. Wrong passwords are counted by account, in accounts.backends.
ACCOUNT_RATE_LIMITS = {
    "login": "120/m/ip",
    "signup": "120/m/ip",
    "reset_password": "60/m/ip,5/m/key",
    "reset_password_from_key": "60/m/ip",
    "login_failed": "5/300s/key",  # codes of the second factor
}
# Behind a proxy that we trust, the last address of X-Forwarded-For is the visitor's; otherwise the header is ignored.
ALLAUTH_TRUSTED_PROXY_COUNT = int(PRODUCTION and env.bool("BEHIND_PROXY", default=False))
MFA_ADAPTER = "accounts.adapter.MFAAdapter"
MFA_FORMS = {
    "activate_totp": "accounts.forms.ActivateTOTPForm",
    "authenticate": "accounts.forms.AuthenticateForm",
    "reauthenticate": "accounts.forms.ReauthenticateByCodeForm",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]

# --- The house rules that an installation may change ------------------------------------------------------------------

SITE_NAME = env("SITE_NAME", default="mentorbook")
BASE_URL = env("BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
SIGNUP_GRANT_POINTS = env.int("SIGNUP_GRANT_POINTS", default=100)
MENTORS_NEED_APPROVAL = env.bool("MENTORS_NEED_APPROVAL", default=True)
REQUEST_EXPIRES_AFTER_HOURS = env.int("REQUEST_EXPIRES_AFTER_HOURS", default=24)
CHAT_ANSWER_MINUTES = env.int("CHAT_ANSWER_MINUTES", default=5)
WAITING_HOLD_MINUTES = env.int("WAITING_HOLD_MINUTES", default=15)
COMPLETES_AFTER_HOURS = env.int("COMPLETES_AFTER_HOURS", default=24)
LATE_REFUND_PERCENT = env.int("LATE_REFUND_PERCENT", default=50)
KNOWLEDGE_IS_PUBLIC = env.bool("KNOWLEDGE_IS_PUBLIC", default=True)
OPEN_TICKETS_PER_STUDENT = env.int("OPEN_TICKETS_PER_STUDENT", default=4)
TICKETS_RELEASED_AFTER_DAYS = env.int("TICKETS_RELEASED_AFTER_DAYS", default=3)
TICKETS_CLOSE_AFTER_DAYS = env.int("TICKETS_CLOSE_AFTER_DAYS", default=7)
REPLY_EDITABLE_MINUTES = env.int("REPLY_EDITABLE_MINUTES", default=15)
REVIEWS_SHOWN_AFTER_DAYS = env.int("REVIEWS_SHOWN_AFTER_DAYS", default=14)

# Programs: how long an access token lets in, how long a session lives without being refreshed, and what is too often.
API_ACCESS_MINUTES = env.int("API_ACCESS_MINUTES", default=15)
API_REFRESH_DAYS = env.int("API_REFRESH_DAYS", default=30)
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=600)  # of one person
API_REQUESTS_PER_MINUTE_UNKNOWN = env.int("API_REQUESTS_PER_MINUTE_UNKNOWN", default=120)  # of one address

# After so long without a sign of `run_jobs`, /readyz says "late", and "down" with 503 (0: never).
JOBS_LATE_AFTER_MINUTES = env.int("JOBS_LATE_AFTER_MINUTES", default=5)
JOBS_DOWN_AFTER_MINUTES = env.int("JOBS_DOWN_AFTER_MINUTES", default=10)

# Who fits a ticket; mentors/matching.py has the formula. The first five add up to 1 and multiply the fit.
MATCHING = {
    "base": 0.55,
    "rating": 0.15,
    "response": 0.15,
    "load": 0.10,
    "history": 0.05,
    "declared": 0.5,  # how well a tag is known that is only listed, beside 1 for one proven by many solved tickets
    "proven_halfway": 3,  # solved tickets that lead half of the way to 1
    "half_life_days": 180,  # of a solved ticket as a proof
    "response_hours": 6,  # a first response after so long counts 1/e of one at once
    "response_prior_hours": 6,  # what is believed of those who have not answered yet …
    "response_prior_answers": 5,  # … and how many answers that belief is worth
    "strong_from": 0.25,  # the fit from which a ticket stands in the first band of a mentor's queue
    "climbs_after_days": 2,  # of waiting, by one band each time
}

# How automatic scheduling weighs time against fit (bookings.scheduling).
SCHEDULING = {
    "half_life_days": 4,  # a start so many days later has to be with somebody twice as good
}

# --- Mail -------------------------------------------------------------------------------------------------------------

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 10
# A thread of each web process sends what was just promised; without it, mail leaves when `send_mail` runs.
SEND_MAIL_IN_BACKGROUND = env.bool("SEND_MAIL_IN_BACKGROUND", default=ENVIRONMENT != "test")
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="mentorbook <mentorbook@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- Language and time ------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

# --- Static files -----------------------------------------------------------------------------------------------------

STATIC_URL = "static/"
# Collected for production only; elsewhere they are served from where they are.
STATIC_ROOT = BASE_DIR / "staticfiles" if PRODUCTION else None
STATICFILES_DIRS = [BASE_DIR / "static", ("vendor/bootstrap", get_bootstrap_dir())]
WHITENOISE_USE_FINDERS = not PRODUCTION
# Otherwise each test's client would list every file anew, which took a fifth of the suite's time.
WHITENOISE_AUTOREFRESH = DEBUG or ENVIRONMENT == "test"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- Files that people send -------------------------------------------------------------------------------------------

# Never served by address: each download asks who may see it. No MEDIA_URL.
MEDIA_ROOT = env("MEDIA_ROOT", default=str(BASE_DIR / "media"))
if ENVIRONMENT == "test":
    MEDIA_ROOT = str(Path(tempfile.gettempdir()) / f"mentorbook-test-{_test_run}-media")  # conftest.py removes it
FILE_UPLOAD_PERMISSIONS = 0o640
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o750
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_MB", default=10) * 2**20  # of one file
UPLOAD_MAX_REQUEST_BYTES = env.int("UPLOAD_MAX_REQUEST_MB", default=32) * 2**20  # of everything that one form sends
UPLOAD_QUOTA_BYTES = env.int("UPLOAD_QUOTA_MB", default=200) * 2**20  # of all files of a person

# --- Forms and messages -----------------------------------------------------------------------------------------------

CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"
MESSAGE_TAGS = {message_levels.ERROR: "danger"}

# --- Security ---------------------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
# Pages of other sites that may ask the JSON API from a browser; none unless named. Cookies never go with it.
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/api/"
WHITENOISE_ALLOW_ALL_ORIGINS = False  # our scripts and pictures are for our pages
CORS_EXPOSE_HEADERS = ["ETag", "Idempotency-Replayed", "Retry-After", "X-Request-ID"]
CORS_ALLOW_HEADERS = ["accept", "authorization", "content-type", "idempotency-key", "if-none-match", "x-request-id"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
if PRODUCTION:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # probes come from inside, over plain HTTP
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=365 * 24 * 3600)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    if env.bool("BEHIND_PROXY", default=False):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Shared by every process of an installation, because sign-in limits count in it.
CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}
if CACHES["default"]["BACKEND"].endswith("LocMemCache"):
    # The default of 300 entries would let anybody push an account's count of wrong passwords out of the cache.
    CACHES["default"].setdefault("OPTIONS", {}).setdefault("MAX_ENTRIES", 100_000)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "mentorbook.tracing.RequestIdFilter"}},
    "formatters": {"plain": {"format": "{asctime} {levelname} {name} [{request_id}] {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["request_id"]}},
    "root": {"handlers": ["console"], "level": "INFO" if ENVIRONMENT != "test" else "WARNING"},
}
