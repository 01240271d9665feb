from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2id(Argon2PasswordHasher):
    """Argon2id with the parameters of the OWASP password storage cheat sheet: 46 MiB, one pass, one lane (0.09 s)."""

    memory_cost = 47104
    time_cost = 1
    parallelism = 1
