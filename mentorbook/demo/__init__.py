"""Believable data: to try mentorbook with, and to measure it with."""
