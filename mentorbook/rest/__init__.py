"""What all parts of the JSON API share: the shapes of input, lists and errors, and how they are documented.

schemas        strict input, times in the caller's zone
paging         lists
errors         from a refusal, or bad input, to JSON
documented     what an operation can refuse, in the OpenAPI description
middleware     JSON for every answer under /api/, ETags

Operations stand in each app's `api.py`; `mentorbook/api.py` mounts them. Who asks is found out by `accounts.bearer`.
"""
