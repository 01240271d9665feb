"""Forms of the tickets app: `asking` a question, `conversation` about it, `fields` of both."""
